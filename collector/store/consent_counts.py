"""What consent answered, counted per day: no event, no visitor, numbers only.

One hash a day (UTC); a field is `site|recipient|purpose|region|signal|answer`, none of which holds a `|`. Counts under
the same flush id are added once, however often they are handed in, and each addition gives its day its end anew.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import redis.asyncio as redis

from collector.store import keyspace
from collector.store.connection import availability, command
from collector.store.scripts import COUNT_DAY

GRANTED: Final = "granted"
_SECONDS: Final = keyspace.CONSENT_DAYS * 86_400


class Said(NamedTuple):
    """One recipient and purpose, for visitors of one region: what decided, and what it answered."""

    site: str
    recipient: str
    purpose: str
    region: str
    """The country of the statement; empty if none was stated."""
    signal: str
    """The signal that granted or denied, or the regime where silence is a yes; empty if none of them spoke."""
    answer: str
    """`granted`, or the reason."""


async def count_consent(
    client: redis.Redis, day: str, counts: Mapping[Said, int], *, flush_id: str = "", shard: int = 0
) -> None:
    """Add to the counters of a day (yyyymmdd), all or none; raises StoreUnavailable: outcome unknown."""
    if not counts:
        return
    additions = [part for said, count in counts.items() for part in ("|".join(said), count)]
    keys = (keyspace.consent(day, shard), keyspace.flush(flush_id or secrets.token_hex(8), shard))
    with availability():
        await COUNT_DAY.run(client, keys, (keyspace.FLUSH_SECONDS, _SECONDS, *additions))


async def read_consent(client: redis.Redis, days: Iterable[str], *, shard: int = 0) -> Counter[Said]:
    """The counts of these days (yyyymmdd) together; raises StoreUnavailable."""
    total = Counter[Said]()
    for day in days:
        with availability():
            found = await command(client, "HGETALL", keyspace.consent(day, shard))
        for field, count in found.items():
            total[Said(*field.decode().split("|"))] += int(count)
    return total
