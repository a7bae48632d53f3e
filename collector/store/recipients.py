"""Since when each recipient of a site is configured: whom a choice of back then can have meant.

1. Those of a site's very first start were there from the beginning (0); one that is added later counts from the first
   start that has it. `serve` asks at its start; several may at once.
2. One that was taken out and comes back is new: in between visitors were not told of it. Where processes run with
   different configurations for a while, the later moment stands, which is the stricter one.
3. A store that was emptied begins anew: its history is gone with it.
"""

from collections.abc import Iterable

from collector.store import keyspace
from collector.store.connection import Client, availability
from collector.store.scripts import RECIPIENTS
from consent.model import EVERY_RECIPIENT, Recipient


async def first_named(
    client: Client, site_id: str, recipients: Iterable[Recipient], now_ms: int, *, shard: int = 0
) -> dict[Recipient, int]:
    """Per recipient the epoch milliseconds since when it is configured. Raises StoreUnavailable."""
    names = sorted(recipients)
    with availability():  # no recipient may have the name that marks the first start
        since = await RECIPIENTS.run(client, [keyspace.recipients(site_id, shard)], [now_ms, EVERY_RECIPIENT, *names])
    return dict(zip(names, map(int, since), strict=True))
