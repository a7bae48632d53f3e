"""The ledger: the latest choice of each identifier, and the receipts of acts. Durable before it answers.

Which choice holds is decided in one place (rows.py in words, scripts/ledger.lua in the store); events and
`POST /v1/consent` write through the same code. What takes something back is written through withdrawals.py.
"""

from collections.abc import Iterable, Sequence

import redis.asyncio as redis

from collector.store import keyspace
from collector.store.connection import availability, command
from collector.store.rows import Row, argument, decode, encode, siblings_of
from collector.store.scripts import RECORD
from consent.model import Choice

_MOST_ROWS = 1000  # per call: Lua unpacks no more than 8000 values
_HOPS = 3  # from the identifiers a withdrawal names to their siblings, to theirs, and once more


class Ledger:
    """Look-ups and writes of choices and receipts. Every method raises StoreUnavailable."""

    def __init__(self, client: redis.Redis, *, shard: int = 0) -> None:
        self._client = client
        self._shard = shard

    async def latest(self, subjects: Sequence[bytes]) -> list[Choice | None]:
        """The latest choice per 16-byte reference, None where nothing is recorded. One round trip."""
        return [None if text is None else decode(text) for text in await self._texts(subjects)]

    async def record(self, rows: Sequence[Row], *, lives_s: int = keyspace.LEDGER_SECONDS) -> None:
        """Write choices, each only if it holds against what is there; one that is brief lives shorter."""
        for start in range(0, len(rows), _MOST_ROWS):
            some = rows[start : start + _MOST_ROWS]
            keys = [keyspace.choice(row.subject, self._shard) for row in some]
            texts = [argument(row, encode(row.choice)) for row in some]
            with availability():
                await RECORD.run(self._client, keys, [lives_s, keyspace.BRIEF_LEDGER_SECONDS, *texts])

    async def linked(self, subjects: Iterable[bytes]) -> dict[bytes, Choice | None]:
        """These references and all that are linked to them, each with its latest choice."""
        found: dict[bytes, Choice | None] = {}
        asked = list(dict.fromkeys(subjects))
        for _ in range(1 + _HOPS):
            texts = await self._texts(asked)
            found |= {one: None if text is None else decode(text) for one, text in zip(asked, texts, strict=True)}
            siblings = [sibling for text in texts if text for sibling in siblings_of(text)]
            asked = [one for one in dict.fromkeys(siblings) if one not in found]
            if not asked:
                break
        return found

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
