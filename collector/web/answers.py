"""Bytes in and bytes out of the public collector: bodies with a limit, JSON answers, documented errors.

Errors are `{"error":{"code","message"}}`. 429 and 503 carry Retry-After, so that a client knows when to come back.
"""

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import orjson
from starlette.types import Receive, Scope, Send

RawHeaders = Iterable[tuple[bytes, bytes]]
JSON: Final = (b"content-type", b"application/json")
NO_STORE: Final = (b"cache-control", b"no-store")
RETRY_SECONDS: Final = 2


class Refusal(Exception):
    """A request that is answered with an error. `status` and `code` are documented, the message is for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> bytes:
        """The JSON of the answer."""
        return orjson.dumps({"error": {"code": self.code, "message": str(self)}})

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Content type, and Retry-After where coming back helps."""
        if self.status in (429, 503):
            return (JSON, NO_STORE, (b"retry-after", str(RETRY_SECONDS).encode()))
        return (JSON, NO_STORE)


class Head:
    """Status and headers of an answer, as ASGI takes them, and as bytes that only lack the length of the body."""

    __slots__ = ("headers", "status", "wire")

    def __init__(self, status: int, headers: RawHeaders) -> None:
        self.status = status
        self.headers = tuple(headers)
        lines = b"".join(b"%b: %b\r\n" % line for line in self.headers)
        self.wire = b"HTTP/1.1 %d %b\r\n%bcontent-length: " % (status, HTTPStatus(status).phrase.encode(), lines)


class Answer(NamedTuple):
    """A complete response."""

    head: Head
    body: bytes


Reply = Callable[[Answer], None]
"""Takes the one answer to a request, now or later."""


def refusing(refusal: Refusal, cors: RawHeaders = ()) -> Answer:
    """A refusal as an answer."""
    return Answer(Head(refusal.status, (*refusal.headers(), *cors)), refusal.body())


class ClientGone(Exception):
    """The client closed the connection before its body was complete."""


def store_away() -> Refusal:
    """The answer while the store cannot take what a 2xx would promise."""
    return Refusal(503, "store_unavailable", "The store does not answer; nothing of this request was accepted.")


def keys_away() -> Refusal:
    """The answer while a key that must exist does not: nothing is pseudonymised or sealed without it."""
    return Refusal(503, "keys_unavailable", "A key is not available yet; nothing of this request was accepted.")


def fault() -> Refusal:
    """The answer to what nobody foresaw; it says nothing of it."""
    return Refusal(500, "internal_error", "A fault of ours; it is logged.")


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Header name to value of an ASGI request."""
    return joined(scope["headers"])


def joined(lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Header name to value; several lines of one name are joined with commas (RFC 9110, section 5.3).

    So two Sec-GPC lines are both heard, and two Origin or Host lines are an origin nobody allowed.
    """
    headers: dict[bytes, bytes] = dict(lines)
    if len(headers) < len(lines):
        headers = {}
        for name, value in lines:
            headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


async def read_body(receive: Receive, declared: bytes | None, limit: int) -> bytes:
    """The whole body; raises Refusal 413 as soon as it is known to be too long."""
    too_long = Refusal(413, "body_too_large", f"The body is larger than {limit} bytes.")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise too_long
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body"):
        if len(body) > limit:
            raise too_long
        return body
    whole = bytearray(body)
    while message.get("more_body"):
        message = await receive()
        whole += message.get("body", b"")
        if len(whole) > limit:
            raise too_long
    if message["type"] == "http.disconnect":
        raise ClientGone
    return bytes(whole)


async def send_answer(send: Send, answer: Answer) -> None:
    """One complete response, by ASGI."""
    length = (b"content-length", str(len(answer.body)).encode())
    await send({"type": "http.response.start", "status": answer.head.status, "headers": [*answer.head.headers, length]})
    await send({"type": "http.response.body", "body": answer.body})


def results(rows: list[dict[str, Any]]) -> bytes:
    """The body of a 202."""
    return orjson.dumps({"results": rows})
