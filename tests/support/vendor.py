"""A vendor on loopback that answers as a test tells it to: bytes on a socket, so that it can also misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Vendor:
    """Its port, and the raw requests it got (head and body)."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def read_request(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        self.requests.append(head + await reader.readexactly(length))


def answering(raw: bytes) -> Behaviour:
    """Write these bytes and keep the connection."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return answer


def answering_and_closing(raw: bytes) -> Behaviour:
    """Write these bytes and close."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return answer


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing until the client gives up."""
    await reader.read()


@asynccontextmanager
async def vendor(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Vendor]:
    """A server on a free port of 127.0.0.1 that reads each request and then behaves."""
    state = Vendor()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        writers.append(writer)
        try:
            while True:
                await state.read_request(reader)
                await behave(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0)
