"""The load test: where it may aim, what it counts, and that Locust can read its file."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from loadtests.aim import refusal
from loadtests.load import at, figures, main
from loadtests.tally import Tally

ROOT = Path(__file__).parents[2]
BOTH = frozenset({"ga4", "meta"})


@pytest.mark.parametrize("host", ["http://127.0.0.1:8080", "http://localhost:9000", "http://[::1]:8080"])
def test_this_machine_may_be_aimed_at(host: str) -> None:
    assert refusal(host, owned=False) is None


@pytest.mark.parametrize("host", ["https://shop.example", "http://127.0.0.1.shop.example", "ftp://127.0.0.1", "8080"])
def test_any_other_host_is_refused(host: str) -> None:
    assert refusal(host, owned=False)


def test_an_owner_may_aim_at_their_own_host() -> None:
    assert refusal("https://shop.example", owned=True) is None


def test_the_command_refuses_another_host_before_it_opens_a_connection(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "http://shop.example"]) == 2
    assert "--i-own-this-host" in capsys.readouterr().out


def answer(outcome: str, reason: str | None, **destinations: str) -> bytes:
    result = {"event_id": "1", "outcome": outcome, "reason": reason, "destinations": destinations}
    return orjson.dumps({"results": [result]})


def test_outcomes_and_reasons_are_counted() -> None:
    tally = Tally()
    tally.count(202, None, answer("accepted", None, ga4="queued", meta="skipped:purpose_not_granted"), BOTH)
    tally.count(202, None, answer("refused", "choice_unknown", ga4="skipped:choice_unknown"), frozenset())
    assert tally.outcomes == {"accepted": 1, "refused": 1}
    assert tally.refusals == {"choice_unknown": 1}
    assert tally.skipped == {"meta: purpose_not_granted": 1, "ga4: choice_unknown": 1}
    assert not tally.faults


def test_an_event_queued_without_consent_is_a_fault() -> None:
    tally = Tally()
    tally.count(202, None, answer("accepted", None, ga4="queued", meta="queued"), frozenset({"ga4"}))
    assert tally.faults == {"meta was queued without consent": 1}


BUSY = b'{"error":{"code":"overloaded","message":"..."}}'


def test_a_deliberate_503_is_a_refusal_and_not_a_fault() -> None:
    tally = Tally()
    tally.count(503, "2", BUSY, BOTH)
    assert tally.refusals == {"503 overloaded": 1}
    assert not tally.faults


@pytest.mark.parametrize(
    ("status", "retry_after", "body"),
    [(500, None, b"Internal Server Error"), (503, None, BUSY), (503, "2", b""), (502, "2", BUSY), (0, None, b"")],
)
def test_any_other_5xx_and_silence_are_faults(status: int, retry_after: str | None, body: bytes) -> None:
    tally = Tally()
    tally.count(status, retry_after, body, BOTH)
    assert tally.faults.total() == 1


def test_a_tally_survives_its_file() -> None:
    tally = Tally()
    tally.count(202, None, answer("accepted", None, ga4="queued"), BOTH)
    assert Tally.from_json(tally.to_json()) == tally


def test_percentiles_come_from_the_histogram_of_locust() -> None:
    times = {10: 50, 20: 45, 90: 5}
    assert [at(times, share) for share in (0.5, 0.95, 0.99)] == [10, 20, 90]
    route = {
        "num_requests": 100,
        "start_time": 10.0,
        "last_request_timestamp": 20.0,
        "response_times": {str(millis): count for millis, count in times.items()},
        "max_response_time": 91.4,
    }
    assert figures(route) == ["100", "10", "10 ms", "20 ms", "90 ms", "91 ms"]


def test_locust_can_read_its_file() -> None:
    """In a process of its own: locust replaces the standard library's sockets when it is imported."""
    command = [sys.executable, "-m", "locust", "--locustfile", "loadtests/locustfile.py", "--list"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "Shopper" in said.stdout


def test_locust_itself_does_not_fire_at_another_host() -> None:
    command = [sys.executable, "-m", "locust", "--locustfile", "loadtests/locustfile.py", "--headless"]
    command += ["--host", "http://shop.example", "--run-time", "1s", "--users", "1"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode != 0
    assert "is not this machine" in said.stdout + said.stderr
