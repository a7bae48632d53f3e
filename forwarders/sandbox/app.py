"""The sandbox as a Starlette application: vendor endpoints, an API for tests, a page for a person.

One request goes: read → check → decide the answer (a scripted fault first) → remember → answer. It is remembered
whatever the answer is, for that is what the network would have carried. Calls to GA4's validation endpoint are
answered and not remembered: at Google, too, they reach no report.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from forwarders.sandbox.answers import GA4_TAKEN, JSON_TYPE, Answer, ga4_validation, meta_answer
from forwarders.sandbox.capture import BodyTooLargeError, Capture, read
from forwarders.sandbox.faults import FaultScript
from forwarders.sandbox.ga4_checks import check_ga4
from forwarders.sandbox.inspection import Inspection
from forwarders.sandbox.memory import CLOSED, KEPT_BYTES, KEPT_EVENTS, Memory, Received
from forwarders.sandbox.meta_checks import check_meta

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from forwarders.sandbox.faults import Fault
    from forwarders.sandbox.memory import Destination
    from forwarders.sandbox.violation import Violation

# Under no other name: a foreign page whose name is pointed at 127.0.0.1 could read what arrived (DNS rebinding).
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_EVENTS_KEY: Final = {"ga4": "events", "meta": "data"}
_TOO_LARGE: Final = Answer(413, b'{"error":{"message":"The body is larger than 8 MiB."}}')


def wall_clock_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def create_app(
    *,
    kept_events: int = KEPT_EVENTS,
    kept_bytes: int = KEPT_BYTES,
    checks: bool = True,
    now_ms: Callable[[], int] = wall_clock_ms,
) -> Starlette:
    """The sandbox. With `checks=False` it counts only, for load: nothing is checked, nothing is kept."""
    memory = Memory(kept_events if checks else 0, kept_bytes)
    faults = FaultScript()
    vendors = _Vendors(memory, faults, now_ms, checks=checks)
    return Starlette(
        routes=[
            Route("/mp/collect", vendors.collect, methods=["POST"]),
            Route("/debug/mp/collect", vendors.validate, methods=["POST"]),
            Route("/v{version}/{dataset_id}/events", vendors.conversions, methods=["POST"]),
            *Inspection(memory, faults, checks=checks).routes(),
        ],
        exception_handlers={BodyTooLargeError: _too_large, ClientDisconnect: _gone},
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_LOOPBACK)],
    )


class _Vendors:
    """The endpoints that play a vendor."""

    def __init__(self, memory: Memory, faults: FaultScript, now_ms: Callable[[], int], *, checks: bool) -> None:
        self._memory = memory
        self._faults = faults
        self._now_ms = now_ms
        self._checks = checks

    async def collect(self, request: Request) -> ASGIApp:
        """GA4: 204, whatever came."""
        capture = await read(request)
        at = self._now_ms()
        found = check_ga4(capture.query, capture.body, capture.headers, at) if self._checks else []
        return await self._answer("ga4", capture, found, GA4_TAKEN, at)

    async def validate(self, request: Request) -> Response:
        """GA4's validation endpoint: 200 with messages."""
        capture = await read(request)
        found = check_ga4(capture.query, capture.body, capture.headers, self._now_ms())
        return _response(ga4_validation(found, capture.body))

    async def conversions(self, request: Request) -> ASGIApp:
        """Meta: 200 with the number of events, or the refusal of them all."""
        capture = await read(request)
        at = self._now_ms()
        found: list[Violation] = []
        if self._checks:
            found = check_meta(capture.path, capture.query, capture.headers, capture.body, at)
        own = meta_answer(found, _count("meta", capture.body), secrets.token_urlsafe(16))
        return await self._answer("meta", capture, found, own, at)

    async def _answer(
        self, destination: Destination, capture: Capture, found: list[Violation], own: Answer, at_ms: int
    ) -> ASGIApp:
        fault = self._faults.next(destination)
        answer = _faulty(fault, own) if fault and fault.answers() else own
        closes = fault is not None and fault.close
        self._memory.remember(
            Received(
                at_ms=at_ms,
                destination=destination,
                method=capture.method,
                path=capture.path,
                query=capture.redacted_query() if self._checks else b"",
                headers=capture.redacted_headers() if self._checks else b"",
                body=capture.redacted_body() if self._checks else b"",
                events=_count(destination, capture.body),
                violations=tuple(found),
                answer=CLOSED if closes else str(answer.status),
            )
        )
        if fault and fault.delay_ms:
            await asyncio.sleep(fault.delay_ms / 1000)
        return _close if closes else _response(answer)


def _count(destination: Destination, body: Any) -> int:
    events = body.get(_EVENTS_KEY[destination]) if isinstance(body, dict) else None
    return len(events) if isinstance(events, list) else 0


def _faulty(fault: Fault, own: Answer) -> Answer:
    status = fault.status or own.status
    given = dict(fault.headers or {})
    if fault.body is None:
        kept = own if fault.status is None else Answer(status, headers={})
        return Answer(status, kept.body, {**kept.headers, **given})
    if fault.status is None and status == GA4_TAKEN.status:
        status = 200  # a 204 has no body
    if isinstance(fault.body, str):
        return Answer(status, fault.body.encode(), {"content-type": "text/plain; charset=utf-8", **given})
    return Answer(status, orjson.dumps(fault.body), {**JSON_TYPE, **given})


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))


async def _too_large(_request: Request, _error: Exception) -> Response:
    return _response(_TOO_LARGE)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it: the sender hung up before the end of its body


async def _close(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Closes the connection without a byte of an answer.

    ASGI has no message for it. A server closes a connection whose response was begun and not completed, so a
    response is begun with a header no server will write: it refuses to, and the connection ends.
    """
    with contextlib.suppress(Exception):  # each server refuses in its own way
        await send({"type": "http.response.start", "status": 200, "headers": [(b"\0", b"")]})
