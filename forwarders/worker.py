"""The life of a record after the stream: claim, open, compose, recheck, send, judge, settle.

Rules
1. One worker per destination. Workers share no connection, slot, queue or breaker, so that a slow or dead
   destination never slows another.
2. Every claimed entry gets one fate (`deliver_one`, on one screen). Without the ledger's answer nothing is sent:
   the entry waits in its place. What has no fate when the process ends is pending and claimed again.
3. The consent behind a request is at most a second old when its first byte is written (forwarders/recheck.py
   says by when, forwarders/transport.py holds to it). Whatever takes longer is a retry, which asks again.
4. Told to stop, a worker claims nothing more, gives what is in flight a grace, settles it, and ends. Its loops look
   at a flag: a cancellation can be lost on the way (asyncio.wait_for before Python 3.12), so none is relied on.
5. Logs name the destination and closed labels, never anything of a record.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from collector.intake.record import Record, UnreadableRecord, from_bytes
from collector.intake.site import Site
from collector.store.buffer import Buffer, Dead, Dropped, Entry, Fate, HandedOver, Retry
from collector.store.connection import StoreUnavailable
from collector.store.group_commit import CommitFailed, GroupCommit, QueueFull
from collector.store.sealing import Cause, Opened, Unreadable
from consent.model import Purposes, Reason, Recipient
from forwarders.contract import Delivery, Destination, Judgement, Overruled, Skip, Verdict
from forwarders.recheck import Ledger, Recheck
from forwarders.retry import PARKED_RETRY_S, Breaker, State, backoff_s
from forwarders.transport import Transport, TransportError

BLOCK_MS = 2000
GRACE_S, CLOSE_S = 8.0, 2.0
CANCELLATIONS, CANCEL_AGAIN_S = 20, 0.1  # of what the grace did not end
STORE_PAUSE_S = 0.5
LONGEST_LOOK_S = 0.25  # an open breaker is looked at again so often
INTERNAL_ERROR = "internal_error"

_log = logging.getLogger("sluis.deliver")


class Opener(Protocol):
    """What the worker needs of collector/store/sealing.py."""

    def open(self, sealed: bytes) -> Opened:
        """The record's bytes and its clear header; raises Unreadable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One destination as the configuration has it now."""

    destination: Destination
    recipient: Recipient
    required: Purposes
    sites: Mapping[str, Site]
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
    grace_s: float = GRACE_S
    store_pause_s: float = STORE_PAUSE_S


@dataclass(frozen=True, slots=True)
class Health:
    """What the console shows of a destination. `handed_over_ms` is 0 if nothing was yet."""

    state: State
    cause: str
    in_flight: int
    handed_over_ms: int


class Worker:
    """Delivers the stream of one destination until it is told to stop."""

    def __init__(self, lane: Lane, means: Means) -> None:
        self._lane = lane
        self._means = means
        self.name = self._name = lane.destination.name
        self._recheck = Recheck(lane.recipient, lane.required, lane.sites, means.ledger, means.clock, means.now_ms)
        self._settles = GroupCommit[tuple[Entry, Fate], None](self._settle_all, away=(StoreUnavailable,))
        self._slots = asyncio.Semaphore(lane.concurrency)
        self._breaker = Breaker()
        self._flying: set[asyncio.Task[None]] = set()
        self._landed = asyncio.Event()
        self._handed_over_ms, self._waits = 0, ""
        self._stopping = self._grace_is_over = False

    @property
    def health(self) -> Health:
        """A snapshot for the console."""
        return Health(self._breaker.state, self._waits or self._breaker.cause, len(self._flying), self._handed_over_ms)

    def stop(self) -> None:
        """Tell it to stop: `run` ends when what is in flight has landed (rule 4)."""
        self._stopping = True
        self._landed.set()

    async def run(self) -> None:
        """Claim and deliver until `stop`. That it ends before is a fault, with an exception or without."""
        carriers = [asyncio.create_task(part.run()) for part in (self._recheck, self._settles)]
        for carrier in carriers:
            carrier.add_done_callback(lambda _: self.stop())  # without them nothing can land
        try:
            while not self._stopping:
                if count := await self._room():
                    await self._claim(count)
        finally:
            await self._land()
            await cancel_until_done(carriers)

    async def deliver_one(self, entry: Entry) -> Fate:
        """The fate of one entry. Raises StoreUnavailable if the ledger cannot be asked."""
        record = self._read(entry)
        if not isinstance(record, Record):
            return record
        expires_ms = min(record.occurred_ms, record.received_ms) + self._lane.max_age_ms
        now_ms = self._means.now_ms()
        if now_ms >= expires_ms:
            return Dropped(Skip.TOO_OLD)
        delivery = self._lane.destination.compose(record, now_ms)
        if isinstance(delivery, Skip):
            return Dropped(delivery)
        async with self._slots:
            allowed = await self._recheck.may_leave(record)
            self._waits = ""
            if isinstance(allowed, Reason | Overruled):
                return Dropped(allowed)
            if not self._breaker.admits(self._means.clock()):
                wait_s = min(self._breaker.until_s - self._means.clock(), PARKED_RETRY_S)  # a restart need not wait
                return self._later(wait_s, expires_ms)
            judgement = await self._send(delivery, write_by_s=allowed)
        return self._fate(judgement, entry.attempt, expires_ms)

    def _read(self, entry: Entry) -> Record | Fate:
        """Open the seal; what is inside must be a record for this destination."""
        try:
            record = from_bytes(self._means.opener.open(entry.sealed).plaintext)
        except Unreadable as error:
            if error.cause is Cause.KEY_DESTROYED:  # its day is over: it has ended as retention promises
                return Dropped(error.cause)
            if error.cause is Cause.KEY_UNREADABLE:  # it ends by being mended, or by being destroyed
                return Retry(self._means.now_ms() + round(PARKED_RETRY_S * 1000))
            return Dead(error.cause)
        except UnreadableRecord:
            return Dead(Cause.UNKNOWN_FORMAT)
        return record if record.destination == self._name else Dead(Cause.FORGED)

    async def _send(self, delivery: Delivery, write_by_s: float) -> Judgement:
        """Send and judge. Nothing that goes wrong here may leave the breaker waiting for its probe."""
        try:
            return self._lane.destination.judge(await self._means.transport.send(delivery, write_by_s))
        except TransportError as error:
            return Judgement(Verdict.RETRY, error.cause)
        except Exception:
            self._breaker.failed(self._means.clock(), self._means.chance(), INTERNAL_ERROR)
            raise

    def _fate(self, judgement: Judgement, attempts: int, expires_ms: int) -> Fate:
        """What a verdict means for the record, and for the breaker."""
        cause = judgement.cause
        match judgement.verdict:
            case Verdict.HANDED_OVER:
                self._answered()
                self._handed_over_ms = self._means.now_ms()
                return HandedOver()
            case Verdict.REFUSED:
                self._answered()
                return Dead(cause or Verdict.REFUSED)
            case Verdict.BROKEN:
                if self._breaker.broken(self._means.clock(), self._means.chance(), cause):
                    _log.error("destination %s parked: %s", self._name, cause)
                return self._later(PARKED_RETRY_S, expires_ms)
            case Verdict.RETRY:
                chance, wait_s = self._means.chance(), judgement.retry_after_s
                if self._breaker.failed(self._means.clock(), chance, cause, wait_s):
                    _log.warning("destination %s open: %s", self._name, cause)
                return self._later(backoff_s(attempts, chance, wait_s), expires_ms)

    def _answered(self) -> None:
        if self._breaker.answered():
            _log.info("destination %s running", self._name)

    def _later(self, wait_s: float, expires_ms: int) -> Retry:
        """Due after the wait, or when the record expires: its end is not late because its vendor is."""
        return Retry(min(self._means.now_ms() + max(0, round(wait_s * 1000)), expires_ms))

    async def _room(self) -> int:
        """Wait until a claim is worth its round trip; how many entries it may bring.

        Half of what may be in flight is refilled at a time. With an open breaker one entry at a time is
        claimed, and only when a probe is due. 0: it is time to stop.
        """
        most = self._lane.concurrency
        while not self._stopping:
            self._landed.clear()
            now_s, flying = self._means.clock(), len(self._flying)
            running = self._breaker.state is State.RUNNING
            if flying <= (most if running else 0) and (count := self._breaker.room(now_s, 2 * most - flying)):
                return count
            pause_s = None if flying else min(self._breaker.until_s - now_s, LONGEST_LOOK_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._landed.wait()
        return 0

    async def _claim(self, count: int) -> None:
        try:
            entries = await self._means.buffer.claim(self._name, count, BLOCK_MS)
        except StoreUnavailable:
            await self._wait()
            return
        self._waits = "" if self._waits == StoreUnavailable.why else self._waits
        for entry in () if self._stopping else entries:  # what was claimed meanwhile stays pending
            task = asyncio.create_task(self._live(entry))
            self._flying.add(task)
            task.add_done_callback(self._has_landed)

    async def _live(self, entry: Entry) -> None:
        """Deliver and settle. What nobody foresaw is a dead letter that says so, not an endless loop."""
        fate: Fate | None = None
        while fate is None:
            try:
                fate = await self.deliver_one(entry)
            except StoreUnavailable as error:
                if self._stopping:  # nothing was sent: it stays pending
                    return
                await self._wait(error.why)
            except Exception as error:  # noqa: BLE001 -- its text may quote the record: only its type is logged
                _log.error("destination %s: unforeseen %s", self._name, type(error).__name__)
                fate = Dead(INTERNAL_ERROR)
        await self._settle(entry, fate)

    async def _settle(self, entry: Entry, fate: Fate) -> None:
        """Settle, however long the store is away: a hand-over that nobody notes would be repeated."""
        while True:
            try:
                await self._settles.submit((entry, fate))
            except (CommitFailed, QueueFull):
                if self._grace_is_over:
                    return
                await self._wait()
            else:
                return

    async def _settle_all(self, batch: list[tuple[Entry, Fate]]) -> list[None]:
        await self._means.buffer.settle(self._name, batch)
        return [None] * len(batch)

    async def _wait(self, why: str = StoreUnavailable.why) -> None:
        """Say so once, and hold the place of the entry: no more is claimed than can be settled."""
        if self._waits != why:
            _log.warning("destination %s: %s", self._name, why)
        self._waits = why
        await asyncio.sleep(self._means.store_pause_s)

    def _has_landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._landed.set()
        if not task.cancelled() and (error := task.exception()):
            _log.error("destination %s: unsettled after %s", self._name, type(error).__name__)

    async def _land(self) -> None:
        """Give what is in flight its grace. What is not settled by then stays pending."""
        self._stopping = True
        try:
            if self._flying:
                await asyncio.wait(self._flying, timeout=self._means.grace_s)
        finally:
            self._grace_is_over = True
            closing = [asyncio.create_task(part.close()) for part in (self._recheck, self._settles)]
            await cancel_until_done(self._flying)
            await asyncio.wait(closing, timeout=CLOSE_S)


async def cancel_until_done(tasks: Iterable[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Cancel tasks until they end, because one cancellation may be lost; answers those that did not end in time."""
    waiting = {task for task in tasks if not task.done()}
    again = CANCELLATIONS
    while waiting and (again := again - 1):
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_AGAIN_S)
    return waiting
