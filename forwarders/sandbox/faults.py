"""Scripted answers: what the sandbox should do wrong, for the next so many requests of a destination.

A fault comes from a person or a test as JSON; what is wrong with it is said in a sentence that names the field.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from forwarders.sandbox.memory import DESTINATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from forwarders.sandbox.memory import Destination

MOST_TIMES: Final = 1_000_000
LONGEST_DELAY_MS: Final = 600_000
MOST_SCRIPTED: Final = 1_000
_STATUSES: Final = range(200, 600)
_WITHOUT_BODY: Final = (204, 304)
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")


class FaultError(Exception):
    """A fault that cannot be scripted; the text is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do to each of the next `times` requests, in this order: wait, close without an answer, or answer.

    Without `status`, `body` or `headers` the vendor's own answer follows the wait. `body` is sent as it is when it
    is text, as JSON otherwise.
    """

    destination: Destination
    times: int = 1
    status: int | None = None
    delay_ms: int = 0
    close: bool = False
    body: Any = None
    headers: dict[str, str] | None = None

    def answers(self) -> bool:
        """Whether it replaces the vendor's own answer."""
        return self.status is not None or self.body is not None or bool(self.headers)


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    left: int


class FaultScript:
    """A queue per destination: the first fault is used up before the next begins."""

    def __init__(self) -> None:
        self._queue: deque[_Scripted] = deque()

    def add(self, fault: Fault) -> None:
        """Raises FaultError when too many are waiting."""
        if len(self._queue) >= MOST_SCRIPTED:
            raise FaultError(f"{MOST_SCRIPTED} faults are scripted already: DELETE /api/faults clears them.")
        self._queue.append(_Scripted(fault, fault.times))

    def next(self, destination: Destination) -> Fault | None:
        """The fault for this request, used up by one; None when nothing is scripted."""
        for scripted in self._queue:
            if scripted.fault.destination == destination:
                scripted.left -= 1
                if not scripted.left:
                    self._queue.remove(scripted)
                return scripted.fault
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """What is still scripted; `times` is what is left of it."""
        return [
            {name: getattr(scripted.fault, name) for name in _RULES} | {"times": scripted.left}
            for scripted in self._queue
        ]

    def clear(self) -> None:
        """Nothing is scripted any more."""
        self._queue.clear()


def read_fault(raw: bytes) -> Fault:
    """One fault from a JSON object; raises FaultError with a sentence that names the field."""
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise FaultError("The body must be a JSON object that describes a fault.") from None
    if not isinstance(given, dict):
        raise FaultError("The body must be a JSON object that describes a fault.")
    for key, value in given.items():
        if key not in _RULES:
            raise FaultError(f"{key} is not part of a fault; known are {', '.join(_RULES)}.")
        if not _RULES[key][0](value):
            raise FaultError(f"{key} must be {_RULES[key][1]}.")
    if "destination" not in given:
        raise FaultError("destination is missing: say ga4 or meta.")
    headers = {name.lower(): text for name, text in given.get("headers", {}).items()}
    fault = Fault(**{**given, "headers": headers or None})
    _refuse_contradictions(fault)
    return fault


def _refuse_contradictions(fault: Fault) -> None:
    if not (fault.answers() or fault.close or fault.delay_ms):
        raise FaultError("status, delay_ms, close, body and headers are all missing: nothing would go wrong.")
    if fault.close and fault.answers():
        raise FaultError("close leaves no room for an answer: drop status, body and headers.")
    if fault.status in _WITHOUT_BODY and fault.body is not None:
        raise FaultError(f"body cannot be sent with status {fault.status}, which has none.")


def _is_whole(lowest: int, highest: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and lowest <= value <= highest


def _is_body(value: object) -> bool:
    try:
        return value is not None and bool(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return False


def _are_headers(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(text, str)
        and _HEADER_NAME.fullmatch(name)
        and _HEADER_VALUE.fullmatch(text)
        and name.lower() not in _FRAMING
        for name, text in value.items()
    )


_RULES: Final[dict[str, tuple[Callable[[object], bool], str]]] = {
    "destination": (lambda value: value in DESTINATIONS, "ga4 or meta"),
    "times": (_is_whole(1, MOST_TIMES), f"a whole number from 1 to {MOST_TIMES}"),
    "status": (_is_whole(_STATUSES.start, _STATUSES.stop - 1), "an HTTP status from 200 to 599"),
    "delay_ms": (_is_whole(0, LONGEST_DELAY_MS), f"milliseconds from 0 to {LONGEST_DELAY_MS}"),
    "close": (lambda value: isinstance(value, bool), "true or false"),
    "body": (_is_body, "text or JSON, nested 250 deep at most"),
    "headers": (_are_headers, "an object of header names and texts, without the framing ones"),
}
