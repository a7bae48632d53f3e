"""The buffer in memory: for tests and offline runs. It passes the contract of the real one.

Nothing here is durable; it is no fallback for a store that is away.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from collector.store.buffer import Buffer
from collector.store.entry import Append, Dead, Entry, Fate, Retry, counter
from collector.store.rows import newest
from consent.model import Choice


@dataclass(slots=True)
class DeadLetter:
    """What is kept of an entry that a vendor refused for good."""

    cause: str
    entry: Entry


@dataclass(slots=True)
class _Queue:
    waiting: dict[bytes, Entry] = field(default_factory=dict)
    claimed: dict[bytes, Entry] = field(default_factory=dict)
    due: list[tuple[int, Entry]] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryBuffer(Buffer):
    """Queues, marks, choices and counters as plain containers, open to be looked at by tests."""

    def __init__(self, *, dedupe_ms: int = 6 * 3_600_000, clock: Callable[[], float] = time.time) -> None:
        self._dedupe_ms = dedupe_ms
        self._clock = clock
        self._seen: dict[tuple[int, bytes], set[str]] = {}
        self._sequence = 0
        self.queues: dict[str, _Queue] = {}
        self.choices: dict[bytes, Choice] = {}
        self.counters: Counter[str] = Counter()

    async def append(self, items: Sequence[Append]) -> list[tuple[bool, ...]]:
        """Store in memory, each event once."""
        for item in items:
            for row in item.rows:
                self.choices[row.subject] = newest(self.choices.get(row.subject), row)
        return [self._append(item) for item in items]

    async def claim(self, destination: str, count: int, block_ms: int) -> list[Entry]:
        """What is due again, then what came first."""
        queue = self._queue(destination)
        if not self._return_due(queue, count) and block_ms > 0:
            queue.arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(block_ms / 1000):
                    await queue.arrived.wait()
        entries = list(queue.waiting.values())[:count]
        for entry in entries:
            queue.claimed[entry.id] = queue.waiting.pop(entry.id)
        return entries

    async def settle(self, destination: str, fates: Sequence[tuple[Entry, Fate]]) -> int:
        """Count each entry that is still there once."""
        return sum(self._settle(self._queue(destination), entry, fate) for entry, fate in fates)

    def pending(self, destination: str) -> int:
        """How many entries wait, in work and due ones included."""
        queue = self._queue(destination)
        return len(queue.waiting) + len(queue.claimed) + len(queue.due)

    def restart_consumer(self) -> None:
        """What a crash of the consumer does: claimed entries are there to be claimed again."""
        for queue in self.queues.values():
            queue.waiting = {**queue.claimed, **queue.waiting}
            queue.claimed = {}

    def _queue(self, destination: str) -> _Queue:
        return self.queues.setdefault(destination, _Queue())

    def _append(self, item: Append) -> tuple[bool, ...]:
        now_ms = int(self._clock() * 1000)
        window = now_ms // self._dedupe_ms
        self._seen = {key: names for key, names in self._seen.items() if key[0] >= window - 1}
        known = self._seen.get((window - 1, item.digest), set()) | self._seen.get((window, item.digest), set())
        answers = []
        for destination, sealed in zip(item.destinations, item.sealed, strict=True):
            answers.append(destination not in known)
            if destination not in known:
                known.add(destination)
                self._enqueue(Entry(destination, b"", item.site, 0, sealed, now_ms))
                self.counters[f"accepted|{destination}|{item.site}"] += 1
        if any(answers):
            self._seen[window, item.digest] = known
        return tuple(answers)

    def _enqueue(self, entry: Entry) -> None:
        self._sequence += 1
        key = b"%d-%d" % (entry.received_ms, self._sequence)
        queue = self._queue(entry.destination)
        queue.waiting[key] = replace(entry, id=key)
        queue.arrived.set()

    def _return_due(self, queue: _Queue, count: int) -> bool:
        """Move what is due to the waiting ones; whether any wait now."""
        now_ms = int(self._clock() * 1000)
        ready = sorted((pair for pair in queue.due if pair[0] <= now_ms), key=lambda pair: pair[0])[:count]
        for pair in ready:
            queue.due.remove(pair)
            self._enqueue(pair[1])
        return bool(queue.waiting)

    def _settle(self, queue: _Queue, entry: Entry, fate: Fate) -> bool:
        if queue.claimed.pop(entry.id, None) is None and queue.waiting.pop(entry.id, None) is None:
            return False
        if isinstance(fate, Retry):
            queue.due.append((fate.due_ms, replace(entry, attempt=entry.attempt + 1)))
            return True
        if isinstance(fate, Dead):
            queue.dead.append(DeadLetter(fate.cause, entry))
        self.counters[counter(fate, entry.destination, entry.site)] += 1
        return True
