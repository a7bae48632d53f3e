"""The `janitor`: makes keys ahead, ends what has to end, keeps a copy of the balance apart from the store.

Every 30 seconds: the roots that are due, the balance and its epoch, losses from outside. Every hour: expired day
keys, dead letters past their days, streams of destinations that are no longer configured. Every day: the
append-only file is rewritten, because deleted entries stay in it until then.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from collector.configuration import Settings
from collector.store.balance import BalanceCopy, read_balance
from collector.store.buffer import Dropped, RedisBuffer, StoreUnavailable
from collector.store.connection import connect_readers
from collector.store.housekeeping import end_dead_letters, rewrite_append_only_file
from collector.store.keyring import KeyRing, KeyRingError, Master
from collector.telemetry import logger, set_up

log = logger(__name__)
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
            ("balance", ROUND_S, self.copy_balance),
            ("expired_keys", HOUR_S, self.destroy_keys),
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
