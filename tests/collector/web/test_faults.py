"""What nobody foresaw, and what does not exist: documented answers, and logs that quote nothing."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from collector.store.keyring import EphemeralKeyRing
from collector.telemetry import fault
from collector.web.answers import headers_of
from collector.web.consent_api import Stated
from tests.collector.intake.shop import GRANTED, event
from tests.collector.web.whole import AwayLedger, collector

pytestmark = pytest.mark.anyio


class Breaks:
    """Roots that fail for visitors with a dated choice, with a message that quotes input."""

    def __init__(self) -> None:
        self._ring = EphemeralKeyRing()

    def root(self, key_id: str) -> bytes | None:
        if key_id.startswith("visitor-"):
            raise ZeroDivisionError("jane@example.com")
        return self._ring.root(key_id)


class BrokenLedger(AwayLedger):
    """A ledger with a programming error."""

    async def _broken(self, *_arguments: Any, **_named: Any) -> Any:
        raise ZeroDivisionError("jane@example.com")

    latest = record = put_receipt = _broken


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with capture_logs() as entries:
        yield entries


async def test_a_fault_in_one_event_is_its_own_result_and_the_others_are_stored(logs: list[Any]) -> None:
    async with collector(roots=Breaks()) as shop:
        bad = event(event_id="bad", consent=GRANTED | {"choice_id": "20261121.x"})
        answer = await shop.post({"events": [event(), bad]})
        assert answer.status == 202
        first, second = answer.json["results"]
        assert first["outcome"] == "accepted"
        assert second == {
            "event_id": "bad",
            "outcome": "internal_error",
            "reason": "internal_error",
            "destinations": {},
        }
        assert "jane" not in answer.text
    (entry,) = [entry for entry in logs if entry["event"] == "internal_error"]
    shown = fault(entry["exc_info"])
    assert shown["error"] == "ZeroDivisionError"
    assert "jane" not in repr(shown)


async def test_a_fault_of_ours_on_another_route_is_a_documented_500_that_says_nothing(logs: list[Any]) -> None:
    async with collector(ledger=BrokenLedger()) as shop:
        answer = await shop.post({"client_id": "1.2", **GRANTED}, "/v1/consent")
        assert (answer.status, answer.code) == (500, "internal_error")
        assert "jane" not in answer.text
        assert [entry["event"] for entry in logs] == ["internal_error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/events", 405, "method_not_allowed"),
        ("PUT", "/v1/consent", 405, "method_not_allowed"),
        ("POST", "/v1/pixel.gif", 405, "method_not_allowed"),
    ],
)
async def test_a_route_or_method_that_does_not_exist_is_a_documented_error(
    method: str, path: str, status: int, code: str
) -> None:
    async with collector() as shop:
        answer = await shop.ask(method, path)
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["content-type"] == "application/json"


def test_lines_of_one_header_are_heard_together_in_order() -> None:
    lines = [(b"sec-gpc", b"0"), (b"host", b"a"), (b"sec-gpc", b"1"), (b"host", b"b"), (b"accept", b"x")]
    assert headers_of({"headers": lines}) == {b"sec-gpc": b"0, 1", b"host": b"a, b", b"accept": b"x"}
    assert headers_of({"headers": lines[:2]}) == dict(lines[:2])


def test_thousands_of_header_lines_cost_no_more_than_their_bytes() -> None:
    lines = [(b"%d" % number, b"") for number in range(20_000)] * 2
    started = time.perf_counter()
    assert len(headers_of({"headers": lines})) == 20_000
    assert time.perf_counter() - started < 1


def test_an_act_is_not_printed() -> None:
    assert repr(Stated(client_id="jane@example.com")) == "Stated(<redacted>)"
