"""uvicorn's HTTP protocol, with the hot route answered in place and one write per answer.

1. A plain `POST /v1/events` (HTTP/1.1, kept alive, nothing before it on its connection still unanswered) goes straight
   to `Ingest.begin`: no ASGI scope, no task, no event, no timer per request. Measured: half of what HTTP costs.
2. Everything else, pipelined and unusual requests for that route included, is uvicorn's own business. Requests are
   parsed by httptools in both cases, and in order.
3. ASGI gives a response as a head and a body, and uvicorn writes each when it gets it: two system calls and two TCP
   segments for an answer of 200 bytes. Here a head waits for what follows it, at the latest until the response is
   complete.
"""

import asyncio
from functools import partial
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collector.web.answers import Answer
from collector.web.ingest import PATH, Ingest

_PATH: Final = PATH.encode()
_PLAIN: Final = "1.1"


class _NobodyWaits:
    """Stands where uvicorn wakes the task of a request: here there is none."""

    def set(self) -> None:
        """Nothing."""


_NOBODY_WAITS: Final = _NobodyWaits()


class Exchange:
    """A request that is answered in place. To uvicorn it is the connection's current cycle, like its own."""

    __slots__ = ("body", "disconnected", "headers", "keep_alive", "response_complete")

    message_event = _NOBODY_WAITS

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.headers = headers
        self.body: bytes | bytearray = b""
        self.keep_alive = True
        self.disconnected = self.response_complete = False


class OneWrite:
    """A transport that holds a response's head back until the next write, a flush, or the end."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write, together with a head that waits. "100 Continue" is not a head: the client waits for it."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.endswith(b"\r\n\r\n") and data.startswith(b"HTTP/1.1 ") and data[9:10] != b"1":
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that waits: its response has no body."""
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """The protocol of the public collector."""

    def __init__(self, *arguments: Any, ingest: Ingest, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._ingest = ingest
        self._most = ingest.body_bytes
        self._exchange: Exchange | None = None
        self._expects = False
        self._unanswered = 0
        self._answered_s = 0.0
        self._idling: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin a connection."""
        super().connection_made(OneWrite(transport))  # type: ignore[arg-type]  # all of a transport, by delegation
        self._wire = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection; what it asked for is stored all the same."""
        super().connection_lost(exc)
        self._exchange = None
        if self._idling is not None:
            self._idling.cancel()
            self._idling = None

    def on_message_begin(self) -> None:
        """A request begins; what ASGI needs to know of it is only made if ASGI gets it."""
        self._unanswered += 1
        self.url = b""
        self.headers = []
        self._expects = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Another header; names are lower case from here on."""
        name = name.lower()
        if name == b"expect":
            self._expects = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Decide who answers: the ingest in place, or uvicorn and ASGI."""
        if self.url == _PATH and self._is_plain():
            self._exchange = Exchange(self.headers)
            self.cycle = self._exchange  # type: ignore[assignment]  # what uvicorn asks of a cycle, it has
            return
        self._exchange = None
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _is_plain(self) -> bool:
        parser = self.parser
        return (
            self._unanswered == 1
            and parser.get_method() == b"POST"
            and parser.get_http_version() == _PLAIN
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self._expects
            and not self.flow.write_paused
        )

    def on_body(self, body: bytes) -> None:
        """Another part of a body."""
        exchange = self._exchange
        if exchange is None:
            super().on_body(body)
        elif not exchange.response_complete:
            whole = exchange.body
            if len(whole) + len(body) > self._most:
                self._answer(exchange, self._ingest.too_large(exchange.headers))
            elif whole:
                exchange.body = whole = whole if isinstance(whole, bytearray) else bytearray(whole)
                whole += body
            else:
                exchange.body = body

    def on_message_complete(self) -> None:
        """A request is complete."""
        exchange = self._exchange
        if exchange is None:
            super().on_message_complete()
        elif not exchange.response_complete:
            peer = None if self.client is None else self.client[0]
            headers, body = exchange.headers, bytes(exchange.body)
            self.headers = exchange.headers = []  # neither is needed while the answer is waited for
            exchange.body = b""
            self._ingest.begin(headers, body, peer, partial(self._answer, exchange))

    def _answer(self, exchange: Exchange, answer: Answer) -> None:
        """Write the one answer of an exchange, unless nobody is left to read it."""
        if exchange.disconnected or self._wire.is_closing():
            return
        exchange.response_complete = True
        wire, body = answer.head.wire, answer.body
        if exchange.keep_alive:
            self._wire.write(b"%b%d\r\n\r\n%b" % (wire, len(body), body))
        else:
            self._wire.write(b"%b%d\r\nconnection: close\r\n\r\n%b" % (wire, len(body), body))
            self._wire.close()
        if self.pipeline or self.flow.read_paused:
            self._over()
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self._over()
        if self._idling is None:
            self._idling = self.loop.call_later(self.timeout_keep_alive, self._end_if_idle)

    def _over(self) -> None:
        self._unanswered -= 1
        self._answered_s = self.loop.time()

    def _end_if_idle(self) -> None:
        """One timer for a connection, not one for each request."""
        self._idling = None
        if self._unanswered:
            return  # its answer sets the timer again
        left_s = self._answered_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._idling = self.loop.call_later(left_s, self._end_if_idle)
        else:
            self.timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        """A response by ASGI is complete; nothing of it may still wait."""
        self.transport.flush()  # type: ignore[attr-defined]  # made above
        self._over()
        super().on_response_complete()
