"""Requests against an ASGI application, without a server and without a client library."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import orjson
from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Answer:
    """What the application sent; status 0 if it sent nothing."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        code: str = self.json["error"]["code"]
        return code


def get(app: ASGIApp, target: str, **headers: str) -> Answer:
    """The answer to `GET target`; header names are written with underscores."""
    return anyio.run(
        lambda: ask(
            app,
            "GET",
            target,
            headers={"host": "shop.example", **{name.replace("_", "-"): value for name, value in headers.items()}},
        )
    )


async def ask(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str | None],
    chunks: Sequence[bytes] = (b"",),
    leaves: bool = False,
) -> Answer:
    """One exchange. The body comes in `chunks`; `leaves`: the client goes away after them. A header None is absent."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": list(_raw(headers)),
        "server": ("shop.example", 80),
        "client": ("192.0.2.77", 1),
    }
    last = len(chunks) - 1
    coming: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": leaves or place < last}
        for place, chunk in enumerate(chunks)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception:
        # Starlette answers a fault of ours with a 500 and raises it again, for the server to notice.
        if not sent:
            raise
    if not sent:
        return Answer(0, {}, b"")
    return Answer(
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


def _raw(headers: Mapping[str, str | None]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.encode(), value.encode("latin-1")) for name, value in headers.items() if value is not None)
