"""The cool routes' common door: find the site, run the handler, answer a refusal, add CORS; and preflights."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from collector.telemetry import logger
from collector.web.answers import ClientGone, Refusal, fault, headers_of, read_body
from collector.web.intake_desk import IntakeDesk
from collector.web.sites import Found, NotAllowed, RawHeaders, Sites, preflight


class _HasDesk(Protocol):
    @property
    def desk(self) -> IntakeDesk: ...


log = logger(__name__)
_HTTP_ERRORS: Final = {
    404: Refusal(404, "not_found", "There is no such route."),
    405: Refusal(405, "method_not_allowed", "This route does not take this method."),
}
Handler = Callable[[Any, Request, Found], Awaitable[Response]]


def find(request: Request) -> Found:
    """The site of a request; raises NotAllowed."""
    sites: Sites = request.app.state.sites
    headers = headers_of(request.scope)
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


def answer_http_error(_request: Request, error: Exception) -> Response:
    """A route that does not exist, or not for this method, as a documented error."""
    status = error.status_code if isinstance(error, HTTPException) else 0
    response = refused(_HTTP_ERRORS.get(status) or Refusal(400, "bad_request", "The request cannot be answered."))
    response.headers.update(getattr(error, "headers", None) or {})
    return response


def answer_fault(_request: Request, error: Exception) -> Response:
    """A fault of ours: logged without what it says, and answered without saying anything."""
    log.error("internal_error", exc_info=error)
    return refused(fault())


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
