"""Back-off and breaker: pure state machines, time and chance are given."""

import math

import pytest

from forwarders.retry import (
    CAP_S,
    FAILURES_TO_OPEN,
    LONGEST_COOL_DOWN_S,
    LONGEST_RETRY_AFTER_S,
    PARKED_COOL_DOWN_S,
    Breaker,
    State,
    backoff_s,
)


@pytest.mark.parametrize(("attempts", "longest_s"), [(0, 1), (1, 2), (2, 4), (9, 512), (10, CAP_S), (5000, CAP_S)])
def test_each_wait_is_twice_as_long_up_to_a_quarter_of_an_hour(attempts: int, longest_s: float) -> None:
    assert backoff_s(attempts, 0.0) == 0
    assert backoff_s(attempts, 0.5) == longest_s / 2
    assert backoff_s(attempts, 0.999) < longest_s


def test_retry_after_is_honoured_and_spread() -> None:
    assert backoff_s(0, 0.0, 120.0) == 120
    assert backoff_s(3, 0.5, 120.0) == 124


@pytest.mark.parametrize(("asked", "waited"), [(1e9, 3600), (math.inf, 3600), (-5, 0), (math.nan, 0), (0, 0)])
def test_a_vendor_may_ask_for_an_hour_at_most_and_nonsense_is_nothing(asked: float, waited: float) -> None:
    assert backoff_s(0, 0.0, asked) == waited


def opened(now_s: float = 100.0, retry_after_s: float | None = None) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(now_s, 1.0, "connect", retry_after_s)
    return breaker


def test_a_running_breaker_gives_all_room_and_admits_everything() -> None:
    breaker = Breaker()
    assert breaker.room(0.0, 32) == 32
    assert breaker.admits(0.0)
    assert breaker.state is State.RUNNING


def test_it_opens_at_the_last_of_consecutive_failures_and_says_so_once() -> None:
    breaker = Breaker()
    news = [breaker.failed(100.0, 0.5, "http_503") for _ in range(FAILURES_TO_OPEN + 3)]
    assert news == [False] * (FAILURES_TO_OPEN - 1) + [True] + [False] * 3
    assert (breaker.state, breaker.cause) == (State.OPEN, "http_503")


def test_an_answer_in_between_starts_the_count_again() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            breaker.failed(100.0, 0.5, "timeout")
        breaker.answered()
    assert breaker.state is State.RUNNING


def test_an_open_breaker_claims_and_admits_nothing_until_it_has_cooled_down() -> None:
    breaker = opened()
    assert (breaker.room(104.9, 32), breaker.admits(104.9)) == (0, False)
    assert breaker.room(105.0, 32) == 1
    assert breaker.room(105.0, 0) == 0


def test_a_refused_admission_does_not_use_up_the_probe() -> None:
    breaker = opened()
    breaker.admits(101.0)
    assert breaker.admits(105.0)


def test_one_probe_goes_out_at_a_time() -> None:
    breaker = opened()
    assert [breaker.admits(105.0) for _ in range(3)] == [True, False, False]
    assert breaker.room(200.0, 32) == 0


def test_a_probe_that_is_answered_closes_the_breaker() -> None:
    breaker = opened()
    breaker.admits(105.0)
    assert breaker.answered() is True
    assert breaker.answered() is False
    assert (breaker.state, breaker.cause, breaker.room(105.0, 32)) == (State.RUNNING, "", 32)


def test_each_failed_probe_waits_longer_up_to_a_minute() -> None:
    breaker, now_s, waits = opened(), 100.0, []
    for _ in range(8):
        waits.append(breaker.until_s - now_s)
        now_s = breaker.until_s
        assert breaker.admits(now_s)
        assert breaker.failed(now_s, 1.0, "timeout") is False
    assert waits == [5, 10, 20, 40, 60, 60, 60, LONGEST_COOL_DOWN_S]


def test_chance_spreads_the_probes_of_many_processes() -> None:
    early, late = Breaker(), Breaker()
    for _ in range(FAILURES_TO_OPEN):
        early.failed(0.0, 0.0, "connect")
        late.failed(0.0, 0.999, "connect")
    assert early.until_s == 2.5
    assert 4.9 < late.until_s < 5


def test_answers_that_come_late_do_not_prolong_the_wait() -> None:
    breaker = opened()
    until_s = breaker.until_s
    breaker.failed(104.0, 0.5, "timeout")
    assert breaker.until_s == until_s


def test_a_vendor_that_asks_for_time_gets_it() -> None:
    assert opened(100.0, 300.0).until_s == 400
    assert opened(100.0, 1e9).until_s == 100 + LONGEST_RETRY_AFTER_S


def test_a_broken_set_up_parks_at_once_and_says_so_once_per_cause() -> None:
    breaker = Breaker()
    news = [breaker.broken(100.0, 1.0, cause) for cause in ("token", "token", "permission", "permission")]
    assert news == [True, False, True, False]
    assert (breaker.state, breaker.cause) == (State.PARKED, "permission")
    assert breaker.until_s == 100 + PARKED_COOL_DOWN_S
    assert breaker.room(200.0, 32) == 0


def test_a_parked_destination_probes_once_and_stays_parked_when_the_probe_fails() -> None:
    breaker = Breaker()
    breaker.broken(0.0, 1.0, "token")
    assert [breaker.admits(PARKED_COOL_DOWN_S) for _ in range(2)] == [True, False]
    breaker.failed(PARKED_COOL_DOWN_S, 1.0, "timeout")
    assert (breaker.state, breaker.cause) == (State.PARKED, "token")
    assert breaker.until_s == 2 * PARKED_COOL_DOWN_S


def test_a_parked_destination_runs_again_when_the_set_up_is_right() -> None:
    breaker = Breaker()
    breaker.broken(0.0, 1.0, "token")
    breaker.admits(PARKED_COOL_DOWN_S)
    assert breaker.answered() is True
    assert breaker.state is State.RUNNING


def test_an_open_destination_may_turn_out_to_be_broken() -> None:
    breaker = opened()
    breaker.admits(105.0)
    assert breaker.broken(106.0, 1.0, "token") is True
    assert (breaker.state, breaker.until_s) == (State.PARKED, 106 + PARKED_COOL_DOWN_S)
