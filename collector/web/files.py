"""A file that does not change while the process lives: read once, answered with an ETag.

Rules: nothing is read from disk per request, and no path ever comes from a request; each file is its own route.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def etag_of(content: bytes) -> str:
    """A strong entity tag (RFC 9110 8.8.3): the same bytes always get the same tag."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def fixed_file(path: str, content: bytes, media_type: str, headers: Mapping[str, str]) -> Route:
    """The route that answers `content` at `path`, or 304 when `If-None-Match` names it."""
    sent = {**headers, "ETag": etag_of(content), "X-Content-Type-Options": "nosniff"}
    return Route(path, _answer(content, media_type, sent), methods=["GET"])


def _answer(content: bytes, media_type: str, headers: Mapping[str, str]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
        if headers["ETag"] in known:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return answer
