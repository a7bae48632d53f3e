"""The load generator: a fixed number of kept-alive connections, each with one request in flight.

It has to be much cheaper than what it measures. Requests are bytes already; of an answer only status and length
are read in the measured window, and the bodies are kept to be judged afterwards. The loop is closed: a
connection sends its next request when it has its answer, so latency here is mostly waiting for one's turn.
"""

import asyncio
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Final, NamedTuple, cast

ANSWER_SECONDS: Final = 300.0
_NO_CONTENT: Final = 204
_LENGTH: Final = b"\r\ncontent-length: "


class Answer(NamedTuple):
    """One response; the body as it came."""

    status: int
    body: bytes


class ConnectionLost(Exception):
    """The server closed a connection on which it owed an answer."""


@dataclass(slots=True)
class Volley:
    """What came of one list of requests. `latencies_ns` is in the order of the answers."""

    wall_s: float = 0.0
    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))
    answers: list[Answer] = field(default_factory=list)


def read_answer(data: bytes) -> Answer | None:
    """A whole response, or None while it is not complete; ValueError if its length is not stated."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    status = int(data[9:12])
    if status == _NO_CONTENT:
        return Answer(status, b"")
    head = data[: end + 2].lower()
    at = head.find(_LENGTH)
    if at < 0:
        raise ValueError(f"an answer with status {status} states no content-length")
    first = at + len(_LENGTH)
    length = int(head[first : head.index(b"\r\n", first)])
    body = data[end + 4 :]
    return Answer(status, body) if len(body) >= length else None


class Connections:
    """Open connections to one server. Use it once: open, fire, close."""

    def __init__(self, connections: Sequence["_Connection"]) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, port: int, count: int) -> "Connections":
        """`count` connections to a server on this machine."""
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(_Connection, "127.0.0.1", port) for _ in range(count)]
        return cls([connection for _, connection in made])

    async def fire(self, requests: Sequence[bytes]) -> Volley:
        """Send all, wait for all answers; raises ConnectionLost, or TimeoutError after five minutes."""
        volley = Volley()
        waiting = iter(requests)
        began = perf_counter_ns()
        async with asyncio.timeout(ANSWER_SECONDS):
            await asyncio.gather(*[one.work(waiting, volley) for one in self._connections])
        volley.wall_s = (perf_counter_ns() - began) / 1e9
        return volley

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            connection.close()


class _Connection(asyncio.Protocol):
    """One connection; takes its next request from the iterator that all share."""

    _transport: asyncio.Transport
    _requests: Iterator[bytes]
    _volley: Volley
    _done: asyncio.Future[None] | None = None

    def __init__(self) -> None:
        self._partial = b""
        self._sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def work(self, requests: Iterator[bytes], volley: Volley) -> asyncio.Future[None]:
        """Begin; the future is done when there are no more requests."""
        self._requests, self._volley = requests, volley
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        return self._done

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._sent_ns = perf_counter_ns()
            self._transport.write(request)
        elif self._done is not None and not self._done.done():
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
        try:
            answer = read_answer(data)
        except ValueError as fault:
            self._fail(fault)
            return
        if answer is None:
            self._partial = data
            return
        self._partial = b""
        self._volley.latencies_ns.append(perf_counter_ns() - self._sent_ns)
        self._volley.answers.append(answer)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionLost(f"a connection was closed before its answer: {exc or 'end of file'}"))

    def _fail(self, fault: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(fault)

    def close(self) -> None:
        self._transport.close()
