"""The buffer as delivery sees it, with a witness: what was settled is noted as a decision record.

An entry is sealed, so the records that are worth a note are opened once more: refusals always, what was handed over or
refused by a vendor only where the configuration keeps permitted ones. Noted is what the store has settled. A record
that nobody can open (its key is destroyed, or it is forged) names no event and leaves no note; the balance counts it.
"""

from collections.abc import Callable, Sequence

from collector.intake.record import Record, UnreadableRecord, from_bytes
from collector.store.buffer import Append, Buffer, Dropped, Entry, Fate, Retry
from collector.store.decision_log import DecisionLog
from collector.store.entry import counter
from collector.store.sealing import Opened, Unreadable


class WitnessedBuffer(Buffer):
    """A buffer whose settlements are noted. `policy_hash` is that of the configuration that delivers now."""

    def __init__(
        self,
        buffer: Buffer,
        opened: Callable[[bytes], Opened],
        decisions: DecisionLog,
        policy_hash: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._buffer = buffer
        self._opened = opened
        self._decisions = decisions
        self._policy_hash = policy_hash
        self._now_ms = now_ms

    async def append(self, items: Sequence[Append]) -> list[tuple[bool, ...]]:
        """As the buffer does."""
        return await self._buffer.append(items)

    async def claim(self, destination: str, count: int, block_ms: int) -> list[Entry]:
        """As the buffer does."""
        return await self._buffer.claim(destination, count, block_ms)

    async def settle(self, destination: str, fates: Sequence[tuple[Entry, Fate]]) -> int:
        """As the buffer does; then note it."""
        counted = await self._buffer.settle(destination, fates)
        for entry, fate in fates:
            if isinstance(fate, Dropped) or (self._decisions.keeps_permitted and not isinstance(fate, Retry)):
                self._note(destination, entry, fate)
        return counted

    def _note(self, destination: str, entry: Entry, fate: Fate) -> None:
        record = self._record(entry)
        if record is None or record.destination != destination:
            return
        kind, _, _ = counter(fate, destination, record.site).partition("|")
        fates = {destination: kind}
        self._decisions.note(record.site, record.event_id, fates, self._policy_hash, self._now_ms(), record.subjects)

    def _record(self, entry: Entry) -> Record | None:
        try:
            return from_bytes(self._opened(entry.sealed).plaintext)
        except (Unreadable, UnreadableRecord):
            return None
