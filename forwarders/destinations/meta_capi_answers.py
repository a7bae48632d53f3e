"""What Meta's answer means: by code and subcode, never by its text, which speaks the account's language.

Source: Graph API "Handle errors" and "Rate limiting"; Conversions API, error codes. A code that is not in the
tables is judged by its HTTP status: an unknown 4xx is refused for good (retrying it for ever helps nobody),
an unknown 5xx is tried later. A page of HTML is not the Graph API speaking, whatever its status: tried later,
and the event keeps its event_id, by which Meta recognises a second copy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from forwarders.contract import Answer, Judgement, Verdict
from forwarders.destinations.commerce import number
from forwarders.destinations.http_answers import HANDED_OVER, by_status, retry_after_s

USAGE = "x-business-use-case-usage"

_TEMPORARY = frozenset({1, 2, 341, 368, 5000, 21009})
_RATE = frozenset({4, 17, 32, 613, 80000, 80003, 80004, 80014})
_SET_UP = frozenset({3, 10, 102, 190, 200, 294})  # token and permissions
_INVALID = frozenset({100, 105, 2804030})
_NO_SUCH_DATASET = (100, 33)  # or no permission on it: true of every event, so not the event's fault
_MAX_CODE = 99_999_999
_OPENING = 64  # bytes that are enough to see a page of HTML
_SUCCESS = range(200, 300)
_SERVER_FAULT = 500


def judgement(answer: Answer) -> Judgement:
    """The meaning of an answer to a request with one event; never raises, whatever the body holds."""
    if _is_html(answer):
        return Judgement(Verdict.RETRY, f"html_{answer.status}", retry_after_s(answer))
    said = _object(answer.body)
    error = said.get("error")
    if isinstance(error, dict):
        return _by_error(answer, error)
    if answer.status in _SUCCESS:
        return _by_receipt(said)
    return by_status(answer)


def _by_receipt(said: Mapping[str, Any]) -> Judgement:
    """A 2xx is never sent again. `no_receipt`: it says success and not how many events it took."""
    received = _code(said.get("events_received"))
    if received is None:
        return Judgement(Verdict.HANDED_OVER, "no_receipt")
    return HANDED_OVER if received else Judgement(Verdict.REFUSED, "meta_received_none")


def _by_error(answer: Answer, error: Mapping[str, Any]) -> Judgement:
    code, subcode = _code(error.get("code")), _code(error.get("error_subcode"))
    cause = _cause(code, subcode)
    temporary = error.get("is_transient") is True or code in _TEMPORARY or code in _RATE
    if temporary or answer.status >= _SERVER_FAULT:
        return Judgement(Verdict.RETRY, cause, _wait_s(answer))
    if code in _SET_UP or (code, subcode) == _NO_SUCH_DATASET:
        return Judgement(Verdict.BROKEN, cause)
    if code in _INVALID or answer.status in _SUCCESS:
        return Judgement(Verdict.REFUSED, cause)
    return replace(by_status(answer), cause=cause)


def _cause(code: int | None, subcode: int | None) -> str:
    parts = ("meta", "error" if code is None else str(code), "" if subcode is None else str(subcode))
    return "_".join(part for part in parts if part)


def _wait_s(answer: Answer) -> float | None:
    """What Retry-After asks, else the longest time to regain access (minutes) of the usage header."""
    asked = retry_after_s(answer)
    if asked is not None:
        return asked
    usage = _object(answer.headers.get(USAGE, ""))
    return max(_regain_s(usage), default=None)


def _regain_s(usage: Mapping[str, Any]) -> Iterator[float]:
    for rows in usage.values():
        for row in rows if isinstance(rows, list) else ():
            minutes = number(row.get("estimated_time_to_regain_access")) if isinstance(row, dict) else None
            if minutes is not None and minutes > 0:
                yield minutes * 60.0


def _is_html(answer: Answer) -> bool:
    content_type = answer.headers.get("content-type", "")
    return content_type.startswith("text/html") or answer.body[:_OPENING].lstrip().startswith(b"<")


def _object(text: bytes | str) -> dict[str, Any]:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _code(value: Any) -> int | None:
    """A whole number short enough to be a label."""
    return value if type(value) is int and 0 <= value <= _MAX_CODE else None
