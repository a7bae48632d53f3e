"""The sandbox's own API and page: what was received, what is scripted, and the counts."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from forwarders.sandbox.faults import FaultError, read_fault
from forwarders.sandbox.memory import DESTINATIONS
from forwarders.sandbox.page import Page, Selection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request

    from forwarders.sandbox.faults import FaultScript
    from forwarders.sandbox.memory import Destination, Memory, Received

_CHUNK: Final = 200
_MOST_DIGITS: Final = 9
_ASSETS: Final = {"inspector.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class BadQueryError(Exception):
    """A query parameter that cannot be understood; the text is a sentence that names it."""


class Inspection:
    """Routes over the memory and the fault script."""

    def __init__(self, memory: Memory, faults: FaultScript, *, checks: bool) -> None:
        self._memory = memory
        self._faults = faults
        self._checks = checks
        self._page = Page()
        static = resources.files("forwarders.sandbox") / "static"
        self._assets = {name: (static / name).read_bytes() for name in _ASSETS}

    def routes(self) -> list[Route]:
        """Everything that is not a vendor's."""
        return [
            Route("/", self.page),
            Route("/static/{name}", self.asset),
            Route("/api/received", self.received, methods=["GET"]),
            Route("/api/received", self.clear_received, methods=["DELETE"]),
            Route("/api/faults", self.scripted, methods=["GET"]),
            Route("/api/faults", self.script, methods=["POST"]),
            Route("/api/faults", self.clear_faults, methods=["DELETE"]),
            Route("/api/summary", self.summary),
            Route("/healthz", self.health),
        ]

    async def received(self, request: Request) -> Response:
        """`{"requests": [...], "forgotten": n}`, oldest first; `limit` and `offset` cut a part out of it."""
        try:
            destination = _destination(request)
            offset, limit = _number(request, "offset", 0), _number(request, "limit", None)
        except BadQueryError as error:
            return _sentence(400, error)
        wanted = self._memory.requests(destination)[offset:]
        wanted = wanted if limit is None else wanted[:limit]
        stream = _stream(wanted, self._memory.forgotten, with_destination=destination is None)
        return StreamingResponse(stream, media_type="application/json")

    async def clear_received(self, _request: Request) -> Response:
        """Forgets all requests and counts."""
        cleared = sum(tally.requests for tally in self._memory.tallies.values())
        self._memory.clear()
        return _json({"cleared": cleared})

    async def scripted(self, _request: Request) -> Response:
        """What is still to go wrong."""
        return _json({"faults": self._faults.waiting()})

    async def script(self, request: Request) -> Response:
        """201 with everything scripted, or 400 with a sentence."""
        try:
            self._faults.add(read_fault(await request.body()))
        except FaultError as error:
            return _sentence(400, error)
        return _json({"faults": self._faults.waiting()}, 201)

    async def clear_faults(self, _request: Request) -> Response:
        """Nothing goes wrong any more."""
        cleared = len(self._faults.waiting())
        self._faults.clear()
        return _json({"cleared": cleared})

    async def summary(self, _request: Request) -> Response:
        """Per destination, since the last clear: requests, events, accepted_events, answers, violations."""
        return _json(
            {"destinations": self._memory.tallies, "forgotten": self._memory.forgotten, "checks": self._checks}
        )

    async def health(self, _request: Request) -> Response:
        """It answers, so it lives."""
        return _json({"status": "ok"})

    async def page(self, request: Request) -> Response:
        """The same for a person, newest first."""
        try:
            selection = Selection(
                destination=_destination(request),
                number=max(_number(request, "page", 1) or 1, 1),
                paused="paused" in request.query_params,
            )
        except BadQueryError as error:
            return _sentence(400, error)
        html = self._page.render(
            self._memory, selection, self._faults.waiting(), str(request.base_url), checks=self._checks
        )
        return Response(html, media_type="text/html", headers=PAGE_HEADERS)

    async def asset(self, request: Request) -> Response:
        """The page's own style sheet and icon."""
        name = request.path_params["name"]
        if name not in self._assets:
            return _sentence(404, "There is no such file.")
        return Response(self._assets[name], media_type=_ASSETS[name], headers=PAGE_HEADERS)


def _destination(request: Request) -> Destination | None:
    given = request.query_params.get("destination")
    for destination in DESTINATIONS:
        if given == destination:
            return destination
    if given:
        raise BadQueryError("destination must be ga4 or meta, or be left out for both.")
    return None


def _number(request: Request, name: str, default: int | None) -> int | None:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise BadQueryError(f"{name} must be a whole number.")
    return int(given)


async def _stream(wanted: Sequence[Received], forgotten: int, *, with_destination: bool) -> AsyncIterator[bytes]:
    """In chunks, so that a memory full of events neither doubles in size nor stops the endpoints."""
    yield b'{"forgotten":%d,"requests":[' % forgotten
    for start in range(0, len(wanted), _CHUNK):
        chunk = [one.as_json(with_destination=with_destination) for one in wanted[start : start + _CHUNK]]
        yield (b"," if start else b"") + b",".join(chunk)
    yield b"]}"


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _sentence(status: int, error: object) -> Response:
    return _json({"error": {"message": str(error)}}, status)
