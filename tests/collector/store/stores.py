"""Two buffers behind one face, so that one suite holds for both: the one in memory and the one in Valkey."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Protocol

import redis.asyncio as redis

from collector.store import keyspace
from collector.store.buffer import Append, Buffer, RedisBuffer, Row
from collector.store.connection import command
from collector.store.ledger import Ledger
from collector.store.memory import MemoryBuffer
from consent.model import Choice

WINDOW_MS = 1000


class Clock:
    """A clock that tests put forward."""

    def __init__(self) -> None:
        self.now_s = time.time()

    def __call__(self) -> float:
        return self.now_s


class Store(Protocol):
    """A buffer under test, and a look behind it."""

    buffer: Buffer
    clock: Clock

    async def crash(self) -> None:
        """The consumer dies and starts again."""

    async def pass_windows(self, count: int) -> None:
        """Let windows of de-duplication pass."""

    async def pending(self, destination: str) -> int:
        """How many entries wait."""

    async def counters(self) -> dict[str, int]:
        """Every counter."""

    async def dead(self, destination: str) -> list[tuple[str, str, bytes]]:
        """(cause, site, sealed) of the dead letters."""

    async def choice(self, subject: bytes) -> Choice | None:
        """The recorded choice."""


class MemoryStore:
    """Everything in one object; a fake clock moves windows."""

    def __init__(self, dedupe_ms: int) -> None:
        self.clock = Clock()
        self._buffer = MemoryBuffer(dedupe_ms=dedupe_ms, clock=self.clock)
        self.buffer: Buffer = self._buffer

    async def crash(self) -> None:
        self._buffer.restart_consumer()

    async def pass_windows(self, count: int) -> None:
        self.clock.now_s += count * WINDOW_MS / 1000

    async def pending(self, destination: str) -> int:
        return self._buffer.pending(destination)

    async def counters(self) -> dict[str, int]:
        return dict(self._buffer.counters)

    async def dead(self, destination: str) -> list[tuple[str, str, bytes]]:
        letters = self._buffer.queues[destination].dead
        return [(letter.cause, letter.entry.site, letter.entry.sealed) for letter in letters]

    async def choice(self, subject: bytes) -> Choice | None:
        return self._buffer.choices.get(subject)


class ValkeyStore:
    """The real thing; the server's own clock moves windows."""

    def __init__(self, client: redis.Redis, dedupe_ms: int) -> None:
        self.clock = Clock()
        self.client = client
        self._dedupe_ms = dedupe_ms
        self.buffer: Buffer = self.consumer("deliver-0")

    def consumer(self, name: str, reclaim_idle_ms: int = 90_000) -> RedisBuffer:
        return RedisBuffer(
            self.client,
            consumer=name,
            dedupe_ms=self._dedupe_ms,
            reclaim_idle_ms=reclaim_idle_ms,
            clock=self.clock,
        )

    async def crash(self) -> None:
        self.buffer = self.consumer("deliver-0")

    async def pass_windows(self, count: int) -> None:
        await asyncio.sleep(count * WINDOW_MS / 1000)

    async def pending(self, destination: str) -> int:
        in_stream: int = await self.client.xlen(keyspace.stream(destination))
        due: int = await self.client.zcard(keyspace.due(destination))
        return in_stream + due

    async def counters(self) -> dict[str, int]:
        found = await command(self.client, "HGETALL", keyspace.counters())
        return {name.decode(): int(count) for name, count in found.items()}

    async def dead(self, destination: str) -> list[tuple[str, str, bytes]]:
        letters = await command(self.client, "XRANGE", keyspace.dead(destination), "-", "+")
        return [(f[b"cause"].decode(), f[b"site"].decode(), f[b"sealed"]) for _, f in letters]

    async def choice(self, subject: bytes) -> Choice | None:
        return (await Ledger(self.client).latest([subject]))[0]


_numbers = itertools.count(1)


def event(*destinations: str, site: str = "shop", digest: bytes | None = None, rows: Sequence[Row] = ()) -> Append:
    """An event with a new digest, and for each destination bytes that look sealed (zeros included)."""
    number = next(_numbers)
    sealed = tuple(b"\x00|sealed %d for %s\xff" % (number, name.encode()) for name in destinations)
    return Append(site, digest or number.to_bytes(10, "big"), destinations, sealed, tuple(rows))
