"""The server's own protocol on a real socket: what is answered in place, what is left to uvicorn, and in what order."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
import pytest
import uvicorn

from collector.app import Front
from collector.listening import bind
from collector.web.ingest import Ingest
from collector.web.protocol import Exchange, Protocol
from tests.collector.intake.shop import NOW_MS
from tests.collector.web.whole import PAGE, Collector, collector

pytestmark = pytest.mark.anyio

GRANTED = {
    "analytics_storage": "granted",
    "ad_storage": "granted",
    "ad_user_data": "granted",
    "ad_personalization": "granted",
    "decided_at": NOW_MS - 1000,
}


def event(event_id: str, **more: Any) -> bytes:
    return orjson.dumps({"name": "page_view", "event_id": event_id, "client_id": "1.2", "consent": GRANTED, **more})


def request(body: bytes, *lines: str, path: str = "/v1/events", version: str = "1.1", length: bool = True) -> bytes:
    head = [f"POST {path} HTTP/{version}", *(f"{name}: {value}" for name, value in PAGE.items()), *lines]
    if length:
        head.append(f"content-length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


class Line:
    """One connection; reads whole responses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status = int(head.split()[1])
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            return status, fields, await self.reader.readexactly(int(fields.get("content-length", 0)))

    async def ids(self) -> list[str]:
        """The event ids of the next response, which must be a 202."""
        status, _, body = await self.response()
        assert status == 202, body
        return [result["event_id"] for result in orjson.loads(body)["results"]]

    async def ended(self) -> bool:
        """Whether the server hangs up."""
        async with asyncio.timeout(5):
            return await self.reader.read() == b""


class Serving:
    """A server on a port of its own. `direct` counts what was answered in place."""

    def __init__(self, made: Collector, port: int, server: uvicorn.Server) -> None:
        self.made, self.port, self.server = made, port, server
        self.direct = 0

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def serving(keep_alive_s: int = 5, **options: Any) -> AsyncIterator[Serving]:
    async with collector(**options) as made:
        front = made.app
        assert isinstance(front, Front)
        listening = bind("127.0.0.1", 0, "port")
        config = uvicorn.Config(
            front,
            http=partial(_Counting, ingest=front.ingest),  # type: ignore[arg-type]
            lifespan="off",
            log_config=None,
            server_header=False,
            date_header=False,
            timeout_keep_alive=keep_alive_s,
        )
        server = uvicorn.Server(config)
        one = Serving(made, listening.getsockname()[1], server)
        _Counting.count = lambda: setattr(one, "direct", one.direct + 1)
        task = asyncio.create_task(server._serve([listening]))
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event to wait for
            await asyncio.sleep(0.01)
        try:
            yield one
        finally:
            server.should_exit = True
            await task


class _Counting(Protocol):
    count: Callable[[], None]

    def _answer(self, exchange: Exchange, answer: Any) -> None:
        type(self).count()
        super()._answer(exchange, answer)


async def test_a_plain_request_is_answered_in_place_and_the_next_on_the_same_connection_too() -> None:
    async with serving() as server, server.line() as line:
        for number in range(3):
            line.writer.write(request(event(f"e{number}")))
            assert await line.ids() == [f"e{number}"]
        assert server.direct == 3
        assert len(await server.made.records("ga4")) == 3


async def test_the_answer_in_place_has_the_headers_of_the_answer_by_asgi() -> None:
    async with serving() as server, server.line() as line:
        line.writer.write(request(event("a")))
        _, direct, _ = await line.response()
        line.writer.write(request(event("b"), "expect: 100-continue"))
        assert (await line.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        _, by_asgi, _ = await line.response()
        assert server.direct == 1
        assert {**direct, "content-length": ""} == {**by_asgi, "content-length": ""}
        assert direct["access-control-allow-origin"] == "https://shop.example"


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async with serving() as server, server.line() as line:
        missing = request(b"", path="/nothing")
        line.writer.write(
            request(event("a")) + request(event("b")) + missing + request(event("c")) + request(event("d"))
        )
        assert await line.ids() == ["a"]
        assert await line.ids() == ["b"]
        assert (await line.response())[0] == 404
        assert await line.ids() == ["c"]
        assert await line.ids() == ["d"]
        line.writer.write(request(event("e")))
        assert await line.ids() == ["e"]


async def test_a_body_may_come_in_any_number_of_pieces() -> None:
    async with serving() as server, server.line() as line:
        whole = request(event("split"))
        for place in range(0, len(whole), 97):
            line.writer.write(whole[place : place + 97])
            await asyncio.sleep(0)
        assert await line.ids() == ["split"]
        body = event("chunked")
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:10], body[10:11], body[11:]))
        line.writer.write(request(b"", "transfer-encoding: chunked", length=False) + chunks + b"0\r\n\r\n")
        assert await line.ids() == ["chunked"]
        assert server.direct == 2


async def test_a_body_beyond_the_limit_is_refused_and_the_page_may_read_why() -> None:
    async with serving() as server, server.line() as line:
        line.writer.write(request(b" " * (server.made.app.ingest.body_bytes + 1)))  # type: ignore[attr-defined]
        status, fields, body = await line.response()
        assert (status, orjson.loads(body)["error"]["code"]) == (413, "body_too_large")
        assert fields["access-control-allow-origin"] == "https://shop.example"
        line.writer.write(request(event("after")))
        assert await line.ids() == ["after"]


async def test_errors_in_place_are_the_documented_ones() -> None:
    async with serving() as server, server.line() as line:
        line.writer.write(request(b"{"))
        assert (await line.response())[0] == 400
        line.writer.write(request(b"{}").replace(b"application/json", b"application/xml!"))
        assert (await line.response())[0] == 415
        line.writer.write(request(b"{}").replace(b"https://shop.example", b"https://evil.example"))
        assert (await line.response())[0] == 403
        assert server.direct == 3


@pytest.mark.parametrize(("line_", "version"), [("connection: close", "1.1"), ("x: y", "1.0")])
async def test_who_wants_the_connection_closed_gets_it_closed(line_: str, version: str) -> None:
    async with serving() as server, server.line() as line:
        line.writer.write(request(event("last"), line_, version=version))
        status, fields, _ = await line.response()
        assert (status, fields["connection"]) == (202, "close")
        assert await line.ended()
        assert server.direct == 0


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    async with serving(keep_alive_s=1) as server, server.line() as line:
        for number in range(4):
            line.writer.write(request(event(f"e{number}")))
            assert await line.ids() == [f"e{number}"]
            await asyncio.sleep(0.4)
        whole = request(event("slow"))
        line.writer.write(whole[:50])
        await asyncio.sleep(1.2)  # longer than idle may be, but a request is under way
        line.writer.write(whole[50:])
        assert await line.ids() == ["slow"]
        began = asyncio.get_running_loop().time()
        assert await line.ended()
        assert 0.8 < asyncio.get_running_loop().time() - began < 2


async def test_what_a_client_that_leaves_had_sent_is_stored_all_the_same() -> None:
    gate = asyncio.Event()
    stored: list[int] = []

    async def slow(items: Any) -> list[tuple[bool, ...]]:
        await gate.wait()
        stored.append(len(items))
        return [(True,) * len(item.sealed) for item in items]

    async with serving(append=slow) as server:
        async with server.line() as line:
            line.writer.write(request(event("gone")))
            await line.writer.drain()
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.1)
        gate.set()
        async with server.line() as line:
            line.writer.write(request(event("here")))
            assert await line.ids() == ["here"]
    assert stored == [1, 1]


async def test_stopping_answers_what_is_in_flight_and_says_that_the_connection_ends() -> None:
    gate = asyncio.Event()

    async def slow(items: Any) -> list[tuple[bool, ...]]:
        await gate.wait()
        return [(True,) * len(item.sealed) for item in items]

    async with serving(append=slow) as server, server.line() as line:
        line.writer.write(request(event("last")))
        await asyncio.sleep(0.1)
        server.server.should_exit = True
        await asyncio.sleep(0.3)
        gate.set()
        status, fields, _ = await line.response()
        assert (status, fields["connection"]) == (202, "close")
        assert await line.ended()


async def test_a_fault_of_ours_is_a_500_and_the_server_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server, server.line() as line:
        ingest: Ingest = server.made.app.ingest  # type: ignore[attr-defined]
        whole, ingest._sites = ingest._sites, None  # type: ignore[assignment]
        line.writer.write(request(event("broken")))
        status, _, body = await line.response()
        assert (status, orjson.loads(body)["error"]["code"]) == (500, "internal_error")
        ingest._sites = whole
        line.writer.write(request(event("whole")))
        assert await line.ids() == ["whole"]


async def test_what_is_no_http_is_refused_without_a_trace_of_what_was_sent() -> None:
    async with serving() as server, server.line() as line:
        line.writer.write(b"POST /v1/events SMTP/9\r\nsecret: jane.doe@example.com\r\n\r\n")
        answer = await line.reader.read()
        assert re.match(rb"HTTP/1.1 400 ", answer)
        assert b"jane" not in answer
