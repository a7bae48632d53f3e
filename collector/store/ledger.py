"""The ledger: the latest choice of each identifier, and the receipts of acts. Durable before it answers.

Which choice holds is decided in one place (rows.py in words, scripts/ledger.lua in the store); events and
`POST /v1/consent` write through the same code. A withdrawal reaches every identifier that was stated together with
the one it names (rows.py, rule 4).
"""

from collections.abc import Iterable, Sequence

import redis.asyncio as redis

from collector.store import keyspace
from collector.store.connection import availability, command
from collector.store.rows import MOST_SIBLINGS, Row, argument, decode, encode, siblings_of
from collector.store.scripts import RECORD
from consent.model import NOTHING, Choice, Recipient

_MOST_ROWS = 1000  # per call: Lua unpacks no more than 8000 values
_LIVES = (keyspace.LEDGER_SECONDS, keyspace.BRIEF_LEDGER_SECONDS)
_HOPS = 3  # from the identifiers a withdrawal names to their siblings, to theirs, and once more


class Ledger:
    """Look-ups and writes of choices and receipts. Every method raises StoreUnavailable."""

    def __init__(self, client: redis.Redis, *, shard: int = 0) -> None:
        self._client = client
        self._shard = shard

    async def latest(self, subjects: Sequence[bytes]) -> list[Choice | None]:
        """The latest choice per 16-byte reference, None where nothing is recorded. One round trip."""
        return [None if text is None else decode(text) for text in await self._texts(subjects)]

    async def record(self, rows: Sequence[Row]) -> None:
        """Write choices, each only if it holds against what is there."""
        for start in range(0, len(rows), _MOST_ROWS):
            some = rows[start : start + _MOST_ROWS]
            keys = [keyspace.choice(row.subject, self._shard) for row in some]
            texts = [argument(row, encode(row.choice)) for row in some]
            with availability():
                await RECORD.run(self._client, keys, [*_LIVES, *texts])

    async def withdraw(self, subjects: Iterable[bytes], now_ms: int, recipients: Iterable[Recipient]) -> int:
        """From now on nothing is granted, under these references and all that are linked to them.

        Durable when it answers how many references were written. Repeating it does no harm.
        """
        nothing = Choice(now_ms, dict.fromkeys(recipients, NOTHING))
        found = list(dict.fromkeys(subjects))
        written: set[bytes] = set()
        for _ in range(1 + _HOPS):
            await self.record([row for subject in found for row in _emptied(subject, nothing, found)])
            written.update(found)
            linked = [siblings_of(text) for text in await self._texts(found) if text]
            found = list(dict.fromkeys(one for siblings in linked for one in siblings if one not in written))
            if not found:
                break
        return len(written)

    async def _texts(self, subjects: Sequence[bytes]) -> list[bytes | None]:
        if not subjects:
            return []
        keys = [keyspace.choice(subject, self._shard) for subject in subjects]
        with availability():
            found: list[bytes | None] = await command(self._client, "MGET", *keys)
        return found

    async def put_receipt(self, receipt_id: str, receipt: bytes, ttl_s: int) -> None:
        """Keep a receipt for `ttl_s` seconds. An id is used once; an existing receipt is never replaced."""
        key = keyspace.receipt(receipt_id, self._shard)
        with availability():
            await command(self._client, "SET", key, receipt, "EX", ttl_s, "NX")

    async def get_receipt(self, receipt_id: str) -> bytes | None:
        """A receipt, or None if there is none (any more)."""
        with availability():
            found: bytes | None = await command(self._client, "GET", keyspace.receipt(receipt_id, self._shard))
        return found


def _emptied(subject: bytes, nothing: Choice, together: Sequence[bytes]) -> tuple[Row, Row]:
    """A withdrawal as an act, and as a lowering: a choice whose date lies ahead of our clock ends as well."""
    siblings = tuple(one for one in together if one != subject)[:MOST_SIBLINGS]
    return Row(subject, nothing, lowers=False, siblings=siblings), Row(subject, nothing, lowers=True)
