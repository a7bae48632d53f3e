"""Ratios, percentiles, and the refusal to count a wrong answer."""

import pytest

from loadtests.generator import Answer
from loadtests.rounds import Round, WrongAnswer, judge, middle, percentile, ratio
from loadtests.stage import accepted_in


def taking(cpu_s: float, events: int = 1000) -> Round:
    return Round(1000, events, cpu_s, wall_s=0.5, p50_ms=1, p95_ms=2, p99_ms=3)


def test_a_round_says_what_one_request_and_one_event_cost() -> None:
    batches = taking(0.5, events=20_000)
    assert batches.cpu_us_per_request == 500
    assert batches.events_per_cpu_second == 40_000
    assert batches.events_per_second == 40_000
    assert batches.requests_per_second == 2000


def test_the_ratio_is_median_to_median() -> None:
    sluis = [taking(0.10), taking(0.11), taking(0.90)]
    bare = [taking(0.05), taking(0.01), taking(0.04)]
    assert ratio(sluis, bare) == pytest.approx(2.75)
    assert middle(sluis, "cpu_s") == 0.11


def test_percentiles_are_by_nearest_rank() -> None:
    hundred = [float(number) for number in range(1, 101)]
    assert [percentile(hundred, share) for share in (0.5, 0.95, 0.99)] == [50, 95, 99]
    assert percentile([7.0], 0.99) == 7


ACCEPTED = b'{"event_id":"1","outcome":"accepted"}'


def test_202_with_every_event_accepted_counts() -> None:
    judge(Answer(202, b'{"results":[' + ACCEPTED + b"," + ACCEPTED + b"]}"), 2)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, b'{"error":{"code":"store_unavailable","message":""}}'),
        Answer(202, b'{"results":[' + ACCEPTED + b"]}"),
        Answer(202, b'{"results":[' + ACCEPTED + b',{"outcome":"duplicate"}]}'),
        Answer(202, b"not JSON"),
    ],
    ids=["refused", "one missing", "one a duplicate", "unreadable"],
)
def test_any_other_answer_makes_the_measurement_void(answer: Answer) -> None:
    with pytest.raises(WrongAnswer):
        judge(answer, 2)


def test_the_bare_route_must_answer_204() -> None:
    judge(Answer(204, b""), None)
    with pytest.raises(WrongAnswer):
        judge(Answer(404, b""), None)


def test_accepted_is_summed_over_sites() -> None:
    balance = {
        "destinations": {
            "ga4": {"sites": {"shop": {"accepted": 3}, "blog": {"accepted": 4}}},
            "meta": {"sites": {}},
        }
    }
    assert accepted_in(balance) == {"ga4": 7, "meta": 0}
