"""Ending what has to end in the store: dead letters past their days, and settled records still on disk."""

import redis.asyncio as redis
from redis.exceptions import ResponseError

from collector.store import keyspace
from collector.store.connection import availability

_SOME = 200


async def end_dead_letters(client: redis.Redis, destination: str, before_ms: int, *, shard: int = 0) -> int:
    """Delete dead letters that died before `before_ms`; answers how many. Their fate was counted when they died."""
    key = keyspace.dead(destination, shard)
    ended = 0
    with availability():
        while old := await client.xrange(key, max=str(before_ms), count=_SOME):
            ended += await client.xdel(key, *(entry_id or b"" for entry_id, _ in old))
    return ended


async def rewrite_append_only_file(client: redis.Redis) -> bool:
    """Start a rewrite: deleted entries stay in the file until then. False if one is under way, which is as good."""
    with availability():
        try:
            await client.bgrewriteaof()
        except ResponseError:
            return False
    return True
