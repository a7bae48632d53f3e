"""Writing decision records: noted in memory on the way, written once a second by a task, never waited for.

1. A decision record is evidence, not the event. Whoever notes one never waits and never fails: a full list drops the
   newest, a disk that refuses drops what it refused. Both are counted, logged when it begins, and written down among
   the records as soon as that is possible.
2. One directory per writer, held by a lock, so that no two processes ever write one file.
3. The event id becomes a keyed reference here, within a second of the event and off its path; it is never written.
4. A subject is written for what is permitted and never for what is not.
5. Files are synced once a minute and when they are closed: a machine that crashes costs a minute of evidence, a process
   that crashes a second.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from collector.intake.domains import DomainKeys, KeyMissing
from collector.intake.visit import reference
from collector.running_section import DecisionsSettings
from collector.store.decision_lines import MINUTE_MS, Combination
from collector.store.decision_segment import Segment
from collector.store.decisions import KEPT, REFUSED, name_of
from collector.store.writer_folder import held_folder
from collector.telemetry import logger

log = logger(__name__)
WRITE_S: Final = 1.0
SYNC_S: Final = 60.0
MOST_WAITING: Final = 20_000
_AT_A_TIME: Final = 200  # about half a millisecond of the loop
_REFUSALS: Final = ("skipped:", "dropped:")
_PERMITTED: Final = ("queued", "handed_over", "dead:")
_Note = tuple[str, str, Mapping[str, str], str, int, Sequence[bytes]]


class DecisionLog:
    """The records of one process. `note` from anywhere in the loop, `run` as a task, `close` to end it."""

    def __init__(
        self,
        folder: Path,
        process: str,
        settings: DecisionsSettings,
        keys: DomainKeys,
        clock: Callable[[], float] = time.time,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._folder, self._process, self._keys, self._clock = folder, process, keys, clock
        self._most_waiting = most_waiting
        self._per_mille = settings.permitted_per_mille
        self._waiting: list[_Note] = []
        self._own: tuple[Path, int] | None = None
        self._hour: datetime | None = None
        self._segments: dict[str, Segment] = {}
        self._synced_s = 0.0
        self._closing = asyncio.Event()
        self._in_trouble = False
        self.missing = 0
        """Records that were lost, and not yet written down as lost."""

    @property
    def keeps_permitted(self) -> bool:
        """Whether what is permitted is worth a note."""
        return self._per_mille > 0

    def note(
        self,
        site: str,
        event_id: str,
        fates: Mapping[str, str],
        policy_hash: str,
        at_ms: int,
        subjects: Sequence[bytes] = (),
    ) -> None:
        """What became of an event, by destination. Nothing of it may be changed afterwards."""
        if len(self._waiting) < self._most_waiting:
            self._waiting.append((site, event_id, fates, policy_hash, at_ms, subjects))
        else:
            self.missing += 1

    def close(self) -> None:
        """Tell `run` to write what waits and to end."""
        self._closing.set()

    async def run(self) -> None:
        """Write once a second until told to close."""
        while not self._closing.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_S):
                    await self._closing.wait()
            await self._flush()
        await self._flush()
        await asyncio.to_thread(self._close_segments)
        if self._own is not None:
            os.close(self._own[1])
            self._own = self._hour = None

    async def _flush(self) -> None:
        notes, self._waiting = self._waiting, []
        now_s = self._clock()
        is_due = now_s - self._synced_s >= SYNC_S
        if not notes and not self.missing and not (is_due and self._segments):
            return
        try:
            await self._turn_to(datetime.fromtimestamp(now_s, UTC))
            for start in range(0, len(notes), _AT_A_TIME):
                for note in notes[start : start + _AT_A_TIME]:
                    self._sort_out(note)
                await asyncio.sleep(0)
            missing, self.missing = self.missing, 0
            unwritten = await asyncio.to_thread(self._write, missing)  # a slow disk must not stop the loop
            self.missing += unwritten
            self._say("not_written" if unwritten else "dropped" if missing else None, missing + unwritten)
        except Exception as error:  # noqa: BLE001 -- no directory to write to, or whatever it is: serving goes on
            self.missing += len(notes)
            self._say(type(error).__name__, self.missing)
        if is_due:
            self._synced_s = now_s
            await asyncio.to_thread(self._sync)

    def _sort_out(self, note: _Note) -> None:
        site, event_id, fates, policy_hash, at_ms, subjects = note
        refused, permitted = _sorted(site, policy_hash, tuple(fates.items()))
        try:
            event = reference(self._keys.subject(site), "event", event_id)
        except KeyMissing:
            self.missing += 1
            return
        minute = at_ms // MINUTE_MS
        if refused is not None:
            self._segments[REFUSED].add(event, minute, refused)
        if permitted is not None and is_sampled(event, self._per_mille):
            self._segments[KEPT].add(event, minute, permitted, subjects)

    def _write(self, missing: int) -> int:
        """Write everything, and that so many are missing; answers how many are still to be reported as missing."""
        return self._segments[REFUSED].write(missing + self._segments[KEPT].write())

    def _sync(self) -> None:
        for segment in self._segments.values():
            segment.sync()

    def _close_segments(self) -> None:
        for segment in self._segments.values():
            segment.close()

    async def _turn_to(self, now: datetime) -> None:
        """Take the files of this hour; raises OSError if there is no directory for them."""
        if self._own is None:
            self._own = held_folder(self._folder, self._process)
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            await asyncio.to_thread(self._close_segments)
            self._hour = hour
            self._segments = {kind: Segment(self._own[0] / name_of(kind, hour)) for kind in (REFUSED, KEPT)}

    def _say(self, trouble: str | None, count: int) -> None:
        """Log when records begin to be lost, and when they are written again."""
        if trouble and not self._in_trouble:
            log.error("decision_records_lost", why=trouble, count=count)
        if not trouble and self._in_trouble:
            log.warning("decision_records_written_again")
        self._in_trouble = bool(trouble)


def is_sampled(event: bytes, per_mille: int) -> bool:
    """Whether what is permitted of an event is kept: the same answer at the door and at delivery."""
    return int.from_bytes(event[:4], "big") % 1000 < per_mille


@lru_cache(maxsize=4096)
def _sorted(
    site: str, policy_hash: str, fates: tuple[tuple[str, str], ...]
) -> tuple[Combination | None, Combination | None]:
    """What was not permitted and what was; a duplicate is neither."""
    refused = tuple(one for one in fates if one[1].startswith(_REFUSALS))
    permitted = tuple(one for one in fates if one[1].startswith(_PERMITTED))
    return (
        Combination(site, policy_hash, refused) if refused else None,
        Combination(site, policy_hash, permitted) if permitted else None,
    )
