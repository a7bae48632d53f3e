"""The load generator against a server that answers in pieces, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from loadtests.generator import Answer, ConnectionLost, Connections, read_answer

pytestmark = pytest.mark.anyio
ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\nhello"


def test_an_answer_is_read_whole() -> None:
    assert read_answer(ACCEPTED) == Answer(202, b"hello")


@pytest.mark.parametrize("length", [0, 20, 45, len(ACCEPTED) - 1])
def test_half_an_answer_is_none(length: int) -> None:
    assert read_answer(ACCEPTED[:length]) is None


def test_a_204_has_no_body_and_no_length() -> None:
    assert read_answer(b"HTTP/1.1 204 No Content\r\n\r\n") == Answer(204, b"")


def test_an_answer_without_a_length_is_refused() -> None:
    with pytest.raises(ValueError, match="content-length"):
        read_answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


@asynccontextmanager
async def serving(pieces: list[bytes]) -> AsyncIterator[int]:
    answering: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.append(asyncio.current_task())
        while await reader.read(1000):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
            if not pieces:
                break
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*[task for task in answering if task is not None])


async def test_every_request_gets_its_answer_over_few_connections() -> None:
    async with serving([ACCEPTED[:30], ACCEPTED[30:]]) as port:
        connections = await Connections.open(port, 3)
        volley = await connections.fire([b"POST / HTTP/1.1\r\n\r\n"] * 10)
        connections.close()
    assert volley.answers == [Answer(202, b"hello")] * 10
    assert len(volley.latencies_ns) == 10
    assert volley.wall_s >= 0.003


async def test_a_server_that_hangs_up_is_not_a_fast_server() -> None:
    async with serving([]) as port:
        connections = await Connections.open(port, 1)
        with pytest.raises(ConnectionLost):
            await connections.fire([b"POST / HTTP/1.1\r\n\r\n"])
        connections.close()
