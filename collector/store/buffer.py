"""The buffer between the collector and the vendors: append, claim, settle. One event, one fate per destination.

1. One stream per destination, one consumer group, created from 0 and re-created if it is gone.
2. What waits for a destination is exactly its stream plus its due-set: an entry leaves only by its settlement.
   Nothing is ever trimmed.
3. Appending the same event again adds nothing, within the window of `dedupe_ms`; settling again counts nothing.
4. State and counters change in one script (scripts/*.lua), so that the balance holds at every instant.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import redis.asyncio as redis
from redis.exceptions import ResponseError

from collector.store import keyspace
from collector.store.connection import StoreUnavailable, availability, command
from collector.store.entry import Append, Dead, Dropped, Entry, Fate, HandedOver, Retry
from collector.store.packing import AppendPacking, Found, entry_of, settle_operations
from collector.store.rows import Row
from collector.store.scripts import APPEND, DUE, SETTLE

__all__ = [
    "Append",
    "Buffer",
    "Dead",
    "Dropped",
    "Entry",
    "Fate",
    "HandedOver",
    "RedisBuffer",
    "Retry",
    "Row",
    "StoreUnavailable",
]


class Buffer(Protocol):
    """What holds records between `serve` and `deliver`. Every method raises StoreUnavailable."""

    async def append(self, items: Sequence[Append]) -> list[tuple[bool, ...]]:
        """Store durably. Per item, per sealed record: True = queued, False = duplicate."""

    async def claim(self, destination: str, count: int, block_ms: int) -> list[Entry]:
        """Up to `count` entries: due again, left from a crash, or new; wait up to `block_ms` for one."""

    async def settle(self, destination: str, fates: Sequence[tuple[Entry, Fate]]) -> int:
        """Give entries their fate; answers how many counted (an entry that is gone counts nothing)."""


_QUEUED = tuple((True,) * count for count in range(33))
_DUPLICATE = ord("0")


class RedisBuffer(Buffer):
    """The buffer in Redis or Valkey. `consumer` must be stable across restarts and unique among processes.

    An entry claimed by this object is not claimed by it again until it was settled; after a crash the next
    object of the same name gets it at once, any other one after `reclaim_idle_ms` (at least three of the
    vendors' request time-outs).
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        consumer: str = "deliver-0",
        dedupe_ms: int = 6 * 3_600_000,
        reclaim_idle_ms: int = 90_000,
        clock: Callable[[], float] = time.time,
        shard: int = 0,
    ) -> None:
        self._client = client
        self._consumer = consumer
        self._dedupe_ms = dedupe_ms
        self._reclaim_idle_ms = reclaim_idle_ms
        self._clock = clock
        self._shard = shard
        # Half the time-out: a longer block looks like a lost answer.
        self._longest_block_ms = int(getattr(client, "timeout_s", 2.0) * 500)
        self._flushes = AppendPacking(shard)
        self._claims: dict[str, _Claims] = {}

    async def append(self, items: Sequence[Append]) -> list[tuple[bool, ...]]:
        """One script call for all; nothing is repeated here, and repeating it adds nothing."""
        keys, arguments = self._flushes.pack(items, self._dedupe_ms)
        with availability():
            answer: bytes = await APPEND.run(self._client, keys, arguments)
        if _DUPLICATE not in answer:
            return [_QUEUED[len(item.sealed)] for item in items]
        marks = iter(answer)
        return [tuple(next(marks) != _DUPLICATE for _ in item.sealed) for item in items]

    async def claim(self, destination: str, count: int, block_ms: int) -> list[Entry]:
        """What is due again first, then what a crash left, then new entries."""
        claims = self._claims.get(destination)
        if claims is None:
            claims = self._claims[destination] = _Claims()
        with availability():
            try:
                return await self._claim(destination, claims, count, block_ms)
            except ResponseError as error:
                if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                    raise
                await self._create_group(destination)
                return await self._claim(destination, claims, count, block_ms)

    async def settle(self, destination: str, fates: Sequence[tuple[Entry, Fate]]) -> int:
        """One script call for all; an entry settled before, here or elsewhere, counts nothing."""
        if not fates:
            return 0
        keys = (
            keyspace.stream(destination, self._shard),
            keyspace.dead(destination, self._shard),
            keyspace.due(destination, self._shard),
            keyspace.counters(self._shard),
        )
        with availability():
            counted: int = await SETTLE.run(self._client, keys, [keyspace.GROUP, *settle_operations(fates)])
        claims = self._claims.get(destination)
        if claims is not None:  # after the call: what was handed over and not yet settled must not be claimed again
            claims.held.difference_update(entry.id for entry, _ in fates)
        return counted

    async def _claim(self, destination: str, claims: "_Claims", count: int, block_ms: int) -> list[Entry]:
        stream = keyspace.stream(destination, self._shard)
        now_ms = int(self._clock() * 1000)
        await DUE.run(self._client, (stream, keyspace.due(destination, self._shard)), (now_ms, count))
        found = await self._left(stream, claims, count)
        if not found:
            found = await self._idle(stream, claims, count, now_ms)
        if not found:
            block = min(block_ms, self._longest_block_ms)
            read = await self._read(stream, ">", count, ("BLOCK", block) if block > 0 else ())
            found = await self._existing(stream, claims, read)  # a group made again gives everything again
        claims.held.update(key for key, _ in found)
        return [entry_of(destination, key, fields) for key, fields in found]

    async def _read(self, stream: bytes, after: str | bytes, count: int, block: tuple[Any, ...] = ()) -> Found:
        group = ("XREADGROUP", "GROUP", keyspace.GROUP, self._consumer, "COUNT", count)
        reply = await command(self._client, *group, *block, "STREAMS", stream, after)
        return reply[0][1] if reply else []

    async def _left(self, stream: bytes, claims: "_Claims", count: int) -> Found:
        """What this consumer had claimed before it was started again."""
        while claims.left_after is not None:
            read = await self._read(stream, claims.left_after, count)
            claims.left_after = read[-1][0] if read else None
            found = await self._existing(stream, claims, read)
            if found:
                return found
        return []

    async def _idle(self, stream: bytes, claims: "_Claims", count: int, now_ms: int) -> Found:
        """What another consumer claimed long ago and did not settle; one page of a scan at a time."""
        if now_ms < claims.scan_ms:
            return []
        whom = (stream, keyspace.GROUP, self._consumer)
        idle = (self._reclaim_idle_ms, claims.cursor, "COUNT", count)
        cursor, read, *_ = await command(self._client, "XAUTOCLAIM", *whom, *idle)
        claims.cursor = cursor
        if cursor == b"0-0":
            claims.scan_ms = now_ms + self._reclaim_idle_ms // 3
        return await self._existing(stream, claims, read)

    async def _existing(self, stream: bytes, claims: "_Claims", read: Found) -> Found:
        """Without what is in work here, and without entries deleted behind our back (the balance shows those)."""
        gone = [key for key, fields in read if not fields]
        if gone:
            await command(self._client, "XACK", stream, keyspace.GROUP, *gone)
        return [(key, fields) for key, fields in read if fields and key not in claims.held]

    async def _create_group(self, destination: str) -> None:
        stream = keyspace.stream(destination, self._shard)
        try:
            await command(self._client, "XGROUP", "CREATE", stream, keyspace.GROUP, "0", "MKSTREAM")
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


class _Claims:
    """Where the claims of one destination stand in this process."""

    __slots__ = ("cursor", "held", "left_after", "scan_ms")

    def __init__(self) -> None:
        self.left_after: bytes | None = b"0"
        self.cursor: bytes = b"0-0"
        self.scan_ms = 0
        self.held: set[bytes] = set()
