"""The cool routes' common door: find the site, run the handler, answer a refusal, add CORS; and preflights."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from collector.web.answers import ClientGone, Refusal, read_body
from collector.web.intake_desk import IntakeDesk
from collector.web.sites import Found, NotAllowed, RawHeaders, Sites, preflight


class _HasDesk(Protocol):
    @property
    def desk(self) -> IntakeDesk: ...


Handler = Callable[[Any, Request, Found], Awaitable[Response]]


def find(request: Request) -> Found:
    """The site of a request; raises NotAllowed."""
    sites: Sites = request.app.state.sites
    headers = dict(request.scope["headers"])
    return sites.find(headers.get(b"origin"), headers.get(b"host"))


def guarded(handler: Handler) -> Callable[[Any, Request], Awaitable[Response]]:
    """A handler that knows its site, may raise Refusal, and answers with the site's CORS headers."""

    @wraps(handler)
    async def answer(self: _HasDesk, request: Request) -> Response:
        cors: RawHeaders = ()
        try:
            found = find(request)
            cors = found.cors
            response = await handler(self, await _bounded(request, self.desk.limits.body_bytes), found)
        except NotAllowed as no:
            response = refused(Refusal(403, no.code, str(no)))
        except Refusal as refusal:
            response = refused(refusal)
        except ClientGone:
            response = Response(status_code=400)  # nobody is left to read it
        response.raw_headers.extend(cors)
        return response

    return answer


def refused(refusal: Refusal) -> Response:
    """A refusal as a response."""
    response = Response(refusal.body(), refusal.status)
    response.raw_headers.extend(refusal.headers())
    return response


async def allow(request: Request) -> Response:
    """OPTIONS of a public route: the preflight's answer, cacheable for as long as browsers will."""
    try:
        found = find(request)
    except NotAllowed as no:
        return refused(Refusal(403, no.code, str(no)))
    response = Response(status_code=204)
    response.raw_headers.extend(preflight(found))
    return response


async def _bounded(request: Request, limit: int) -> Request:
    """The request with its body read within the limit."""
    body = await read_body(request.receive, request.headers.get("content-length", "").encode() or None, limit)

    async def replay() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, replay)
