"""The `janitor`: makes keys ahead, ends what has to end, keeps a copy of the balance apart from the store.

Every second: whether the withdrawals of this store are restored; nothing is handed over before. Every 30 seconds: the
roots that are due, the balance and its epoch, losses from outside, withdrawals that are missing. Every hour: expired
day keys, decision records, withdrawals and dead letters past their days, streams of destinations that are no longer
configured. Every day: the append-only file is rewritten, because deleted entries stay in it until then.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from collector.configuration import Settings
from collector.store import withdrawal_book
from collector.store.balance import BalanceCopy, read_balance
from collector.store.buffer import Dropped, RedisBuffer, StoreUnavailable
from collector.store.connection import connect_readers
from collector.store.decisions import DecisionRecords
from collector.store.housekeeping import end_dead_letters, rewrite_append_only_file
from collector.store.keyring import KeyRing, KeyRingError, Master
from collector.store.restoring import Restorer
from collector.telemetry import logger, set_up

log = logger(__name__)
SECOND_S: Final = 1.0
ROUND_S: Final = 30.0
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
REMOVED: Final = "destination_removed"
_SOME: Final = 200


@dataclass(slots=True)
class Janitor:
    """Its duties, one method each; `client` is a redis client, `started` when each was last done."""

    settings: Settings
    keyring: KeyRing
    client: Any
    done: dict[str, float] = field(default_factory=dict)

    def duties(self) -> tuple[tuple[str, float, Callable[[], Awaitable[None]]], ...]:
        """Name, seconds between two runs, and what to do."""
        return (
            ("keys", ROUND_S, self.make_keys),
            ("missing_withdrawals", ROUND_S, self.look_for_missing_withdrawals),
            ("withdrawals", SECOND_S, self.restore_withdrawals),
            ("balance", ROUND_S, self.copy_balance),
            ("expired_keys", HOUR_S, self.destroy_keys),
            ("decision_records", HOUR_S, self.end_decision_records),
            ("ended_withdrawals", HOUR_S, self.end_withdrawals),
            ("dead_letters", HOUR_S, self.end_dead_letters),
            ("removed_destinations", HOUR_S, self.settle_removed),
            ("rewrite", DAY_S, self.rewrite),
        )

    async def round(self, now_s: float) -> None:
        """Do what is due. A store that does not answer only delays; the duty stays due."""
        for name, every_s, duty in self.duties():
            if now_s - self.done.get(name, float("-inf")) < every_s:
                continue
            try:
                await duty()
                self.done[name] = now_s
            except StoreUnavailable:
                log.warning("store_unavailable", duty=name)
            except (KeyRingError, OSError):
                log.exception("duty_failed", duty=name)

    async def make_keys(self) -> None:
        """Create the roots of today and of the days ahead."""
        made = self.keyring.create_due(datetime.now(UTC))
        if made:
            log.info("keys_created", count=len(made))

    async def destroy_keys(self) -> None:
        """Destroy day keys past their window and roots of periods that ended."""
        gone = self.keyring.destroy_expired(datetime.now(UTC), self.settings.retention.day_key_days)
        for key in gone:
            log.info("key_destroyed", key_id=key.id)

    async def restore_withdrawals(self) -> None:
        """Put withdrawals back into a store that was emptied, and say that delivery may begin."""
        restorer = Restorer(self.client, self.settings.var / "withdrawals")
        restored = await restorer.restore(_now_ms())
        if restored:
            log.warning("withdrawals_restored", count=restored)
        if restorer.unreadable:
            log.error("withdrawals_unreadable", lines=restorer.unreadable)

    async def look_for_missing_withdrawals(self) -> None:
        """Have them restored if the newest are missing: this store was put back to an earlier state."""
        if await Restorer(self.client, self.settings.var / "withdrawals").forget_if_missing(_now_ms()):
            log.critical("withdrawals_missing")

    async def end_withdrawals(self) -> None:
        """Delete the files of withdrawals that nobody needs to remember any more."""
        if ended := withdrawal_book.end(self.settings.var / "withdrawals", datetime.now(UTC)):
            log.info("withdrawals_ended", files=ended)

    async def end_decision_records(self) -> None:
        """Delete decision records past their days."""
        said = self.settings.decisions
        records = DecisionRecords(self.settings.var / "decisions")
        if ended := records.end(datetime.now(UTC), said.refused_days, said.kept_days):
            log.info("decision_records_ended", files=ended)

    async def copy_balance(self) -> None:
        """Compare the balance with the last copy, say what was lost from outside, and replace the copy."""
        path = self.settings.var / "janitor" / "balance.json"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        current = await read_balance(self.client, self.settings.destination)
        previous = BalanceCopy.load(path)
        if previous is not None:
            for destination, count in BalanceCopy.compare(previous, current).items():
                log.critical("lost_external", destination=destination, count=count)
        BalanceCopy.save(path, current)

    async def end_dead_letters(self) -> None:
        """Delete dead letters past their days. Their fate was counted when they died."""
        oldest_ms = int((time.time() - self.settings.retention.dead_letter_days * DAY_S) * 1000)
        balance = await read_balance(self.client, self.settings.destination)
        for name in balance.destinations:
            if ended := await end_dead_letters(self.client, name, oldest_ms):
                log.info("dead_letters_ended", destination=name, count=ended)

    async def settle_removed(self) -> None:
        """Settle what waits for destinations that are no longer configured."""
        balance = await read_balance(self.client, self.settings.destination)
        removed = [
            name for name, one in balance.destinations.items() if one.waiting and name not in self.settings.destination
        ]
        if not removed:
            return
        buffer = RedisBuffer(self.client, consumer="janitor")
        for name in removed:
            while entries := await buffer.claim(name, _SOME, 10):
                count = await buffer.settle(name, [(entry, Dropped(REMOVED)) for entry in entries])
                log.info(REMOVED, destination=name, count=count)

    async def rewrite(self) -> None:
        """Rewrite the append-only file, so that settled records leave the disk."""
        started = await rewrite_append_only_file(self.client)
        log.info("rewrite_started" if started else "rewrite_under_way")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def run(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Keep house until SIGTERM or SIGINT; raises KeyRingError if the keys cannot be used."""
    set_up("janitor")
    keyring = KeyRing.open(settings.keys.dir, Master.load(settings.keys))
    client = connect_readers(settings.store_url, settings.store.timeout_s, 2)
    janitor = Janitor(settings, keyring, client)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await janitor.round(time.monotonic())
    on_ready()
    while not stopping.is_set():
        try:
            async with asyncio.timeout(1):
                await stopping.wait()
        except TimeoutError:
            await janitor.round(time.monotonic())
    await janitor.copy_balance()
    await client.aclose()
