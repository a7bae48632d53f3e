"""The life of a record after the stream: claim, open, compose, recheck, send, judge, settle.

Rules
1. One worker per destination. Workers share no connection, slot, queue or breaker, so that a slow or dead
   destination never slows another.
2. Every claimed entry gets one fate (`deliver_one`, on one screen) or stays pending and is claimed again: after
   a crash, or when the store cannot be asked. Without the ledger's answer nothing is sent.
3. The consent behind a request is at most a second old when its first byte is written, counted from before
   the ledger was asked. Whatever delays the request longer makes it a retry, which asks again.
4. On cancellation a worker claims nothing more, gives what is in flight a grace, settles it, and ends.
5. Logs name the destination and closed labels, never anything of a record.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.intake.record import Record, UnreadableRecord, from_bytes
from collector.store.buffer import Buffer, Dead, Dropped, Entry, Fate, HandedOver, Retry, StoreUnavailable
from collector.store.group_commit import GroupCommit
from collector.store.sealing import Opened, Unreadable
from consent.model import Choice, Purposes, Reason, Recipient
from consent.recheck import still_allowed
from forwarders.contract import Answer, Delivery, Destination, Judgement, Skip, Verdict
from forwarders.retry import PARKED_RETRY_S, Breaker, State, backoff_s
from forwarders.transport import Transport, TransportError

BLOCK_MS = 2000
FRESH_S = 1.0
GRACE_S = 8.0
STORE_PAUSE_S = 0.5
LEDGER_BATCH = 256

_log = logging.getLogger("sluis.deliver")


class Opener(Protocol):
    """What the worker needs of collector/store/sealing.py."""

    def open(self, sealed: bytes) -> Opened:
        """The record's bytes and its clear header; raises Unreadable."""
        ...


class Ledger(Protocol):
    """What the worker needs of collector/store/ledger.py."""

    async def latest(self, subjects: Sequence[bytes]) -> Sequence[Choice | None]:
        """The latest choice of each subject, in order; raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One destination as the configuration has it now."""

    destination: Destination
    recipient: Recipient
    required: Purposes
    max_age_ms: int
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a worker works with. `now_ms` is the wall clock, `clock` seconds that never jump."""

    buffer: Buffer
    opener: Opener
    ledger: Ledger
    transport: Transport
    now_ms: Callable[[], int]
    clock: Callable[[], float]
    chance: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Health:
    """What the console shows of a destination. `handed_over_ms` is 0 if nothing was yet."""

    state: State
    cause: str
    in_flight: int
    handed_over_ms: int


class Recheck:
    """Asks the ledger on behalf of many records in one round trip."""

    def __init__(self, lane: Lane, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._lane = lane
        self._ledger = ledger
        self._clock = clock
        self.lookups = GroupCommit[Sequence[bytes], tuple[Sequence[Choice | None], float]](
            self._look_up, max_weight=LEDGER_BATCH
        )

    async def __call__(self, record: Record) -> Reason | float:
        """Why the record may not leave, or else the time by which it must start to be written."""
        if record.recipient != self._lane.recipient:
            return Reason.RECIPIENT_NOT_COVERED  # the visitor agreed to another recipient than today's
        latest, asked_s = await self.lookups.submit(record.subjects)
        granted = frozenset(record.granted)
        reason = still_allowed(self._lane.recipient, granted, self._lane.required, record.regime, latest)
        return asked_s + FRESH_S if reason is None else reason

    async def _look_up(
        self, batch: list[Sequence[bytes]]
    ) -> list[tuple[Sequence[Choice | None], float]]:
        # The time is taken before the question: a withdrawal recorded after it may be missing in the answer.
        asked_s = self._clock()
        distinct = list(dict.fromkeys(subject for subjects in batch for subject in subjects))
        latest = dict(zip(distinct, await self._ledger.latest(distinct), strict=True))
        return [([latest[subject] for subject in subjects], asked_s) for subjects in batch]


class Worker:
    """Delivers the stream of one destination until it is cancelled."""

    def __init__(self, lane: Lane, means: Means) -> None:
        self._lane = lane
        self._means = means
        self._name = lane.destination.name
        self._recheck = Recheck(lane, means.ledger, means.clock)
        self._settles = GroupCommit[tuple[Entry, Fate], None](self._settle_all)
        self._slots = asyncio.Semaphore(lane.concurrency)
        self._breaker = Breaker()
        self._flying: set[asyncio.Task[None]] = set()
        self._landed = asyncio.Event()
        self._handed_over_ms = 0

    @property
    def health(self) -> Health:
        """A snapshot for the console."""
        return Health(self._breaker.state, self._breaker.cause, len(self._flying), self._handed_over_ms)

    async def run(self) -> None:
        """Claim and deliver for ever. On cancellation: rule 4."""
        async with asyncio.TaskGroup() as own:
            own.create_task(self._recheck.lookups.run())
            own.create_task(self._settles.run())
            try:
                while True:
                    await self._claim(await self._room())
            finally:
                await self._land()

    async def deliver_one(self, entry: Entry) -> Fate:
        """The fate of one entry. Raises StoreUnavailable if the ledger cannot be asked: it stays pending."""
        record = self._read(entry)
        if isinstance(record, Dead | Dropped):
            return record
        expires_ms = min(record.occurred_ms, record.received_ms) + self._lane.max_age_ms
        now_ms = self._means.now_ms()
        if now_ms >= expires_ms:
            return Dropped(Skip.TOO_OLD)
        delivery = self._lane.destination.compose(record, now_ms)
        if isinstance(delivery, Skip):
            return Dropped(delivery)
        async with self._slots:
            allowed = await self._recheck(record)
            if isinstance(allowed, Reason):
                return Dropped(allowed)
            if not self._breaker.admits(self._means.clock()):
                return self._later(self._breaker.until_s - self._means.clock(), expires_ms)
            judgement = await self._send(delivery, write_by_s=allowed)
        return self._fate(judgement, entry.attempt, expires_ms)

    def _read(self, entry: Entry) -> Record | Dead | Dropped:
        """Open the seal; what is inside must be a record for this destination."""
        try:
            record = from_bytes(self._means.opener.open(entry.sealed).plaintext)
        except Unreadable as error:
            if error.cause == "key_destroyed":  # its day is over: it has ended as retention promises
                return Dropped(error.cause)
            return Dead(error.cause)
        except UnreadableRecord:
            return Dead("unknown_format")
        return record if record.destination == self._name else Dead("forged")

    async def _send(self, delivery: Delivery, write_by_s: float) -> Judgement:
        try:
            answer: Answer = await self._means.transport.send(delivery, write_by_s)
        except TransportError as error:
            return Judgement(Verdict.RETRY, error.cause)
        return self._lane.destination.judge(answer)

    def _fate(self, judgement: Judgement, attempt: int, expires_ms: int) -> Fate:
        """What a verdict means for the record, and for the breaker."""
        now_s, chance, cause = self._means.clock(), self._means.chance(), judgement.cause
        match judgement.verdict:
            case Verdict.HANDED_OVER:
                self._answered()
                self._handed_over_ms = self._means.now_ms()
                return HandedOver()
            case Verdict.REFUSED:
                self._answered()
                return Dead(cause or Verdict.REFUSED)
            case Verdict.BROKEN:
                if self._breaker.broken(now_s, chance, cause):
                    _log.error("destination %s parked: %s", self._name, cause)
                return self._later(PARKED_RETRY_S, expires_ms)
            case Verdict.RETRY:
                wait_s = judgement.retry_after_s
                if self._breaker.failed(now_s, chance, cause, wait_s):
                    _log.warning("destination %s open: %s", self._name, cause)
                return self._later(backoff_s(attempt, chance, wait_s), expires_ms)

    def _answered(self) -> None:
        if self._breaker.answered():
            _log.info("destination %s running", self._name)

    def _later(self, wait_s: float, expires_ms: int) -> Retry:
        """Due after the wait, or when the record expires: its end is not late because its vendor is."""
        return Retry(min(self._means.now_ms() + max(0, round(wait_s * 1000)), expires_ms))
