"""Doubles for delivery: a clock that is set, and collaborators that note what they were asked to do."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from collector.intake.record import Record, to_bytes
from collector.intake.site import Site, Target
from collector.store.buffer import Append, Buffer, Entry, Fate, StoreUnavailable
from collector.store.sealing import Cause, Opened, Unreadable
from consent.kinds import KINDS
from consent.model import Choice, Purpose, Purposes, Regime
from consent.policy import ConsentSource, SitePolicy
from forwarders.contract import Answer, Delivery, Judgement, Skip, Verdict
from forwarders.worker import Lane, Means, Worker

NOW_MS = 1_763_719_200_000
HOUR_MS = 3_600_000
ANALYTICS: Purposes = frozenset({Purpose.ANALYTICS_STORAGE})
VISITOR = b"visitor-reference"
BLOCK_S = 0.05  # how long a claim waits for an entry, as the store's does


async def until(met: Callable[[], bool]) -> None:
    """Wait, five seconds at most, until something is so."""
    for _ in range(5000):
        if met():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to that")


def a_record(**changes: Any) -> Record:
    """A purchase for the destination `ga4`, admitted now with analytics granted."""
    stated: dict[str, Any] = {
        "site": "shop",
        "destination": "ga4",
        "kind": "ga4",
        "recipient": "google",
        "event_id": "e1",
        "name": "purchase",
        "occurred_ms": NOW_MS,
        "received_ms": NOW_MS,
        "granted": ["analytics_storage"],
        "policy_hash": "p1",
        "subjects": [VISITOR],
    }
    return Record(**{**stated, **changes})


def a_site(*names: str, elsewhere: Regime = Regime.OPT_OUT, for_children: bool = False, ads: bool = False) -> Site:
    """The shop, outside the EEA, as the configuration has it now: what it sends to, and whether that advertises."""
    required = frozenset({Purpose.AD_STORAGE}) if ads else ANALYTICS
    targets = tuple(
        Target(name=name, kind="ga4", row=KINDS["ga4"], recipient="google", required=required, max_age_ms=72 * HOUR_MS)
        for name in names
    )
    policy = SitePolicy(
        site="shop",
        establishment="US",
        consent_source=ConsentSource.PAGE,
        recipients=frozenset({"google"}),
        elsewhere=elsewhere,
    )
    return Site(id="shop", policy=policy, targets=targets, for_children=for_children)


@dataclass(slots=True)
class Clock:
    """Wall clock and seconds, moved by hand."""

    now_s: float = NOW_MS / 1000

    def seconds(self) -> float:
        return self.now_s

    def ms(self) -> int:
        return round(self.now_s * 1000)


@dataclass(slots=True)
class PlainOpener:
    """Opens seals that are none; `unreadable` maps sealed bytes to the cause they are refused with."""

    unreadable: dict[bytes, Cause] = field(default_factory=dict)

    def open(self, sealed: bytes) -> Opened:
        if sealed in self.unreadable:
            raise Unreadable(self.unreadable[sealed])
        return Opened("shop", "ga4", NOW_MS, sealed)


@dataclass(slots=True)
class NotedBuffer:
    """Hands out what was put in, notes each fate and the size of each claim."""

    waiting: dict[str, deque[Entry]] = field(default_factory=lambda: defaultdict(deque))
    fates: dict[bytes, Fate] = field(default_factory=dict)
    claims: list[int] = field(default_factory=list)
    away: int = 0
    """How many more calls find the store away."""
    entries: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, record: Record | bytes, attempt: int = 0) -> bytes:
        """Add an entry; answers its id."""
        sealed = record if isinstance(record, bytes) else to_bytes(record)
        self.entries += 1
        destination = "ga4" if isinstance(record, bytes) else record.destination
        entry = Entry(destination, f"{self.entries}-0".encode(), "shop", attempt, sealed, NOW_MS)
        self.waiting[destination].append(entry)
        self._changed.set()
        return entry.id

    async def settled(self, count: int) -> None:
        """Wait until so many entries have a fate."""
        while len(self.fates) < count:
            self._changed.clear()
            await self._changed.wait()

    async def append(self, items: Sequence[Append]) -> list[tuple[bool, ...]]:
        raise NotImplementedError("deliver appends nothing")

    async def claim(self, destination: str, count: int, block_ms: int) -> list[Entry]:
        assert block_ms <= 2000, "longer than half the socket timeout stalls redis-py"
        self._answer()
        self.claims.append(count)
        waiting = self.waiting[destination]
        with suppress(TimeoutError):
            async with asyncio.timeout(BLOCK_S):
                while not waiting:
                    self._changed.clear()
                    await self._changed.wait()
        return [waiting.popleft() for _ in range(min(count, len(waiting)))]

    async def settle(self, destination: str, fates: Sequence[tuple[Entry, Fate]]) -> int:
        self._answer()
        assert {entry.destination for entry, _ in fates} == {destination}
        self.fates.update((entry.id, fate) for entry, fate in fates)
        self._changed.set()
        return len(fates)

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away for a test")


@dataclass(slots=True)
class NotedLedger:
    """The choices of a test. `before_answering` runs between the question and the answer."""

    choices: dict[bytes, Choice] = field(default_factory=dict)
    asked: list[Sequence[bytes]] = field(default_factory=list)
    before_answering: Callable[[], None] = lambda: None
    away: bool = False

    def choose(self, subject: bytes, **granted: Purposes) -> None:
        self.choices[subject] = Choice(NOW_MS, granted)

    async def latest(self, subjects: Sequence[bytes]) -> Sequence[Choice | None]:
        self.asked.append(subjects)
        if self.away:
            raise StoreUnavailable("away for a test")
        answer = [self.choices.get(subject) for subject in subjects]
        self.before_answering()
        return answer


Answering = Callable[[], Awaitable[Answer]]


async def at_once() -> Answer:
    """The answer of a vendor in a hurry."""
    return Answer(200)


@dataclass(slots=True)
class NotedTransport:
    """Notes what was sent. `answer` may wait, fail, or give any answer."""

    answer: Answering = at_once
    sent: list[Delivery] = field(default_factory=list)
    write_by_s: list[float] = field(default_factory=list)
    at_work: int = 0
    most_at_work: int = 0

    async def send(self, delivery: Delivery, write_by_s: float) -> Answer:
        self.sent.append(delivery)
        self.write_by_s.append(write_by_s)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            return await self.answer()
        finally:
            self.at_work -= 1


@dataclass(slots=True)
class PlainDestination:
    """Composes the event's name; judges as it is told, or by a status of 200."""

    name: str = "ga4"
    kind: str = "ga4"
    skip: Skip | None = None
    judgement: Judgement | None = None
    composed_ms: list[int] = field(default_factory=list)

    def compose(self, record: Record, now_ms: int) -> Delivery | Skip:
        self.composed_ms.append(now_ms)
        if record.name == "crash":
            raise KeyError("jane@example.com")
        return self.skip or Delivery("POST", "https://vendor.example.com/", {}, record.name.encode())

    def judge(self, answer: Answer) -> Judgement:
        if self.judgement is not None:
            return self.judgement
        return Judgement(Verdict.HANDED_OVER if answer.status == 200 else Verdict.RETRY, f"http_{answer.status}")


@dataclass(slots=True)
class Bench:
    """One worker with all its doubles. The visitor has granted analytics to Google."""

    destination: PlainDestination = field(default_factory=PlainDestination)
    buffer: NotedBuffer = field(default_factory=NotedBuffer)
    ledger: NotedLedger = field(default_factory=NotedLedger)
    transport: NotedTransport = field(default_factory=NotedTransport)
    opener: PlainOpener = field(default_factory=PlainOpener)
    clock: Clock = field(default_factory=Clock)
    required: Purposes = ANALYTICS
    recipient: str = "google"
    site: Site = field(default_factory=lambda: a_site("ga4", "stdout"))
    concurrency: int = 2
    grace_s: float = 0.05
    kind_of_worker: type[Worker] = Worker

    def __post_init__(self) -> None:
        self.ledger.choose(VISITOR, google=ANALYTICS)

    def worker(self, buffer: Buffer | None = None) -> Worker:
        """A worker over the doubles, or over a buffer around theirs. Chance is always one half."""
        lane = Lane(
            destination=self.destination,
            recipient=self.recipient,
            required=self.required,
            sites={self.site.id: self.site},
            max_age_ms=72 * HOUR_MS,
            concurrency=self.concurrency,
        )
        means = Means(
            buffer=buffer or self.buffer,
            opener=self.opener,
            ledger=self.ledger,
            transport=self.transport,
            now_ms=self.clock.ms,
            clock=self.clock.seconds,
            chance=lambda: 0.5,
            grace_s=self.grace_s,
            store_pause_s=0.005,
        )
        return self.kind_of_worker(lane, means)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Worker]:
        """The worker at work; told to stop, and its end awaited, when the block is left."""
        worker = self.worker()
        task = asyncio.create_task(worker.run())
        try:
            async with asyncio.timeout(5):
                yield worker
        finally:
            worker.stop()
            async with asyncio.timeout(self.grace_s + 1):
                await task

    async def fate_of(self, record: Record | bytes, attempt: int = 0) -> Fate:
        """What becomes of one record."""
        entry_id = self.buffer.put(record, attempt)
        async with self.running():
            await self.buffer.settled(1)
        return self.buffer.fates[entry_id]
