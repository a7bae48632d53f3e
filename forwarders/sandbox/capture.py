"""Reads a request as the vendor would, and keeps what may be remembered of it.

The checks see the request as it came; what is remembered has its secrets redacted: the first four characters stay,
so that a person can tell one credential from another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

BODY_LIMIT: Final = 8 * 1024 * 1024  # a full Meta request of 1000 events is about 3 MB
SECRET_PARAMS: Final = ("api_secret", "access_token", "appsecret_proof")
SHOWN_CHARACTERS: Final = 4
_SECRET_IN_TEXT = re.compile(rf"({'|'.join(SECRET_PARAMS)})(\W{{1,4}})([\w.|-]+)")


class BodyTooLargeError(Exception):
    """The body is larger than any vendor takes and is not read to its end."""


class Capture(NamedTuple):
    """One request. `body` is the parsed JSON, or the text where it was not JSON; `raw` the bytes."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: Any
    is_json: bool

    def redacted_query(self) -> bytes:
        """The query as JSON, secrets shortened."""
        return orjson.dumps(
            {key: redact(value) if key in SECRET_PARAMS else value for key, value in self.query.items()}
        )

    def redacted_headers(self) -> bytes:
        """The headers as JSON, the credential of Authorization shortened."""
        authorization = self.headers.get("authorization")
        if authorization is None:
            return orjson.dumps(self.headers)
        scheme, blank, credential = authorization.partition(" ")
        shown = f"{scheme} {redact(credential)}" if blank else redact(authorization)
        return orjson.dumps({**self.headers, "authorization": shown})

    def redacted_body(self) -> bytes:
        """The body as JSON: itself, or its text as one string."""
        if not self.is_json:
            return orjson.dumps(_SECRET_IN_TEXT.sub(_redact_match, self.body))
        if not isinstance(self.body, dict) or self.body.keys().isdisjoint(SECRET_PARAMS):
            return self.raw
        hidden = {key: redact(self.body[key]) for key in SECRET_PARAMS if key in self.body}
        try:
            return orjson.dumps({**self.body, **hidden})
        except orjson.JSONEncodeError:  # it parses deeper than it writes
            return orjson.dumps("(nested too deeply to show without its secret)")


def redact(secret: object) -> str:
    """`abcdefgh` becomes `abcd…`; what is no longer than four characters is hidden whole."""
    if isinstance(secret, str) and len(secret) > SHOWN_CHARACTERS:
        return f"{secret[:SHOWN_CHARACTERS]}…"
    return "…"


def _redact_match(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{redact(match[3])}"


async def read(request: Request) -> Capture:
    """Raises BodyTooLargeError. The length of what came stands in content-length, chunked bodies included."""
    raw = await _read_body(request)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    headers["content-length"] = str(len(raw))
    query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
    body, is_json = _parse(raw)
    return Capture(request.method, request.scope["path"], query, headers, raw, body, is_json)


async def _read_body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_LIMIT:
            raise BodyTooLargeError
        chunks.append(chunk)
    return b"".join(chunks)


def _parse(raw: bytes) -> tuple[Any, bool]:
    try:
        return orjson.loads(raw), True
    except orjson.JSONDecodeError:
        return raw.decode("utf-8", "replace"), False
