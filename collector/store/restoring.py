"""Putting withdrawals back into a store that lost them, and letting nothing be handed over before that is done.

1. Every store has an epoch. `restored` names the epoch whose withdrawals are back; a store that was emptied has
   neither, and one that never had any withdrawals is restored at once.
2. Delivery asks for the mark and for the choices in one command: there is no moment in which the store is emptied and
   something leaves. Until the mark is there, it waits (NotRestored).
3. A row is written as the act it was, dated as it was: what a visitor chose later stands, what they chose before does
   not come back, and restoring twice changes nothing. It lives as long as it would have lived, to the day.
4. A store that was put back to an earlier state has its mark and lacks its newest withdrawals: those are looked for.
   Lines of the last seconds are left out; their rows may be on their way.
5. Files are read line by line: a million withdrawals take no more memory than a thousand.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from collector.store import keyspace
from collector.store.connection import Client, StoreUnavailable, availability, command
from collector.store.ledger import Ledger
from collector.store.rows import Row, decode, newest
from collector.store.scripts import RESTORED
from collector.store.withdrawal_book import Kept, files, read_file, read_line
from collector.telemetry import logger
from consent.model import Choice

log = logger(__name__)
DAY_MS: Final = 86_400_000
_LIVES_MS: Final = keyspace.LEDGER_SECONDS * 1000
_ON_ITS_WAY_MS: Final = 10_000
_SOME: Final = 500  # rows in one call: some ten milliseconds of the store
_TAIL_BYTES: Final = 1 << 14  # of each writer's newest file: about a hundred lines


class NotRestored(StoreUnavailable):
    """The withdrawals of this store are not restored: what a visitor took back may be missing."""

    why = "withdrawals are not restored yet; the janitor does that"


class RestoredLedger(Ledger):
    """The ledger as delivery may see it: with every withdrawal, or not at all."""

    async def latest(self, subjects: Sequence[bytes]) -> list[Choice | None]:
        """The latest choice per reference; raises NotRestored (rule 2)."""
        choices = [keyspace.choice(subject, self._shard) for subject in subjects]
        keys = [keyspace.epoch(self._shard), keyspace.restored(self._shard), *choices]
        with availability():
            epoch, restored, *texts = await command(self._client, "MGET", *keys)
        if epoch is None or restored != epoch:
            raise NotRestored(NotRestored.why)
        return [None if text is None else decode(text) for text in texts]


@dataclass(slots=True)
class Restorer:
    """What the janitor does about it. Every method raises StoreUnavailable, and OSError if files cannot be read."""

    client: Client
    folder: Path
    unreadable: int = field(default=0, init=False)
    """Lines that could not be read when it was last restored."""

    async def restore(self, now_ms: int) -> int | None:
        """Restore and mark, unless it is done; answers how many rows were written, None if there was nothing to do."""
        epoch, is_done = await self._mark("")
        if is_done:
            return None
        written = 0
        ledger = Ledger(self.client)
        for lives_s, rows in self._rows(now_ms):
            await ledger.record(rows, lives_s=lives_s)
            written += len(rows)
        await self._mark(epoch)  # the next look sees whether it was this store
        return written

    async def forget_if_missing(self, now_ms: int) -> bool:
        """Take the mark away if the newest withdrawals are not there (rule 4), so that they are restored."""
        newest_lines = [kept for kept in self._tails() if now_ms - _LIVES_MS < kept.kept_ms < now_ms - _ON_ITS_WAY_MS]
        if not newest_lines or not await self._misses(newest_lines):
            return False
        with availability():
            await command(self.client, "DEL", keyspace.restored())
        return True

    async def _misses(self, lines: Sequence[Kept]) -> bool:
        found = await Ledger(self.client).latest([kept.row.subject for kept in lines])
        return any(held != newest(held, kept.row) for kept, held in zip(lines, found, strict=True))

    async def _mark(self, epoch: str) -> tuple[str, bool]:
        with availability():
            keys = [keyspace.epoch(), keyspace.restored()]
            current, is_done = await RESTORED.run(self.client, keys, [epoch, secrets.token_hex(8)])
        return current.decode(), bool(is_done)

    def _rows(self, now_ms: int) -> Iterator[tuple[int, list[Row]]]:
        """Rows in calls, each with the seconds it has left to live."""
        self.unreadable = 0
        for left_days, lines in groupby(self._lines(), lambda kept: (kept.kept_ms + _LIVES_MS - now_ms) // DAY_MS):
            if left_days < 0:
                continue
            some: list[Row] = []
            for kept in lines:
                some.append(kept.row)
                if len(some) == _SOME:
                    yield _seconds(left_days), some
                    some = []
            if some:
                yield _seconds(left_days), some

    def _lines(self) -> Iterator[Kept]:
        for path in files(self.folder):
            with path.open("rb") as file:
                for kept in read_file(file):
                    if kept is None:
                        self.unreadable += 1
                    else:
                        yield kept

    def _tails(self) -> Iterator[Kept]:
        """The newest lines of each writer."""
        for path in {file.parent: file for file in files(self.folder)}.values():
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - _TAIL_BYTES))
                lines = file.read().splitlines()
            yield from (kept for line in lines if (kept := read_line(line)) is not None)


def _seconds(left_days: int) -> int:
    """To the day, upwards; never more than a row lives at all."""
    return min((left_days + 1) * DAY_MS // 1000, keyspace.LEDGER_SECONDS)
