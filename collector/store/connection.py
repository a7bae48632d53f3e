"""Connections to Redis or Valkey, and what an error of theirs means.

1. A producer never re-sends by itself: redis-py's default of ten retries turned one lost reply into three
   entries. It has one connection of its own and no retries; repeating is the script's business.
2. Readers share a pool that makes them wait, and may retry: what they call is idempotent or claimed.
   Neither kind has a socket time-out of redis-py's: its `asyncio.wait_for` loses a cancellation that comes just as the
   answer does (Python 3.11), so each attempt stands in an `asyncio.timeout` of ours.
3. An answer that did not come, or a server that refuses to write, is `StoreUnavailable`.
4. A server that is set up against promise 4 (2xx means durable) is refused with a sentence.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import hiredis
import redis.asyncio as redis
from redis.asyncio.connection import (
    BlockingConnectionPool,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Client = redis.Redis
"""What others hold without importing redis themselves."""

MINIMUM_REDIS = (7, 0)
MINIMUM_VALKEY = (8, 0)
_PAUSES_S = (0.05, 0.1, 0.2)  # before a reader's second, third and fourth attempt

_REFUSALS = (
    "OOM",
    "READONLY",
    "MISCONF",
    "LOADING",
    "BUSY",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "UNBLOCKED",
)


class StoreUnavailable(Exception):
    """The store refused, or did not answer in time: the outcome is unknown and the caller may repeat."""

    why: ClassVar[str] = "the store is away"
    """For logs and health: it says nothing of what was asked."""


@contextmanager
def availability() -> Iterator[None]:
    """Turn every error that means *not now* into StoreUnavailable; others pass."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, TimeoutError, OSError) as error:
        raise StoreUnavailable(f"no answer from the store: {type(error).__name__}: {error}") from error
    except ResponseError as error:
        if refuses(error):
            raise StoreUnavailable(f"the store refuses: {error}") from error
        raise


def refuses(error: Exception) -> bool:
    """Whether the server says that it cannot do this now (memory, disk, role)."""
    text = str(error)
    return type(error).__name__ in {"OutOfMemoryError", "ReadOnlyError", "BusyLoadingError"} or (
        text.startswith(_REFUSALS) or "used memory > 'maxmemory'" in text
    )


class _PackedInC:
    """Packs scripts' arguments in C; the asyncio connection of redis-py 8.1 does it in Python (2 us each)."""

    def pack_command(self, *args: Any) -> list[bytes]:
        if args[0] in {"EVALSHA", "EVAL"}:
            return [hiredis.pack_command(args)]
        packed: list[bytes] = super().pack_command(*args)  # type: ignore[misc]  # the other base has it
        return packed


class _Tcp(_PackedInC, Connection):
    pass


class _Tls(_PackedInC, SSLConnection):
    pass


class _Unix(_PackedInC, UnixDomainSocketConnection):
    pass


_PACKED = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


class _Timed(redis.Redis):
    """A client that bounds each attempt by itself, connecting included."""

    timeout_s: float


class _Committer(_Timed):
    """A client of one connection that sends each command once.

    redis-py's own way (a task per write, retries, metrics of its own) costs twice the CPU of a small flush.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send and read, within the time-out; on any error but a reply the connection is closed."""
        async with asyncio.timeout(self.timeout_s):
            connection = self.connection or (await self.initialize()).connection
            if connection is None:
                raise RedisConnectionError("the client is closed")
            async with self._single_conn_lock:
                await connection.send_packed_command(connection.pack_command(*args), check_health=False)
                return await self.parse_response(connection, args[0], **options)


class _Reader(_Timed):
    """A client over a pool that tries again where no answer came."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send and read, a few times if need be; on any error but a reply the connection is closed."""
        for pause_s in _PAUSES_S:
            try:
                return await self._attempt(args, options)
            except (RedisConnectionError, RedisTimeoutError, TimeoutError):
                await asyncio.sleep(pause_s)
        return await self._attempt(args, options)

    async def _attempt(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        taken: Callable[[], Awaitable[Any]] = self.connection_pool.get_connection
        async with asyncio.timeout(self.timeout_s):
            connection = await taken()
            try:
                await connection.send_packed_command(connection.pack_command(*args), check_health=False)
                return await self.parse_response(connection, args[0], **options)
            finally:
                await self.connection_pool.release(connection)


def _options(url: str, timeout_s: float) -> dict[str, Any]:
    options: dict[str, Any] = dict(parse_url(url))
    options["connection_class"] = _PACKED[options.get("connection_class", Connection)]
    return {
        **options,
        "protocol": 2,
        "socket_timeout": None,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
    }


def connect(url: str, timeout_s: float) -> redis.Redis:
    """One dedicated connection that never repeats a command: for the committer of a shard. No pipelines."""
    pool = ConnectionPool(**_options(url, timeout_s), max_connections=1)
    client = _Committer(connection_pool=pool, single_connection_client=True)
    client.timeout_s = timeout_s
    return _owning(client)


def connect_readers(url: str, timeout_s: float, connections: int = 16) -> redis.Redis:
    """A pool that waits for a free connection; three quick retries. For claims, look-ups and reports."""
    pool = BlockingConnectionPool(**_options(url, timeout_s), max_connections=connections, timeout=timeout_s)
    client = _Reader(connection_pool=pool)
    client.timeout_s = timeout_s
    return _owning(client)


def _owning(client: redis.Redis) -> redis.Redis:
    """`aclose` closes the pool as well: nobody else has it."""
    client.auto_close_connection_pool = True
    return client


async def command(client: redis.Redis, *arguments: Any) -> Any:
    """One command, its reply as the client gives it; errors are the client's."""
    call: Callable[..., Awaitable[Any]] = client.execute_command
    return await call(*arguments)


async def verify(client: redis.Redis) -> list[str]:
    """A sentence for every setting of the server that would break a promise; empty if there is none."""
    with availability():
        server = await client.info("server")
        faults = version_faults(server)
        try:
            found = await client.config_get("appendonly", "appendfsync", "maxmemory-policy")
        except ResponseError as error:
            return [
                *faults,
                f"The store does not let us read its settings ({error}): {_UNREADABLE}",
            ]
    wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
    return faults + [
        f"The store has {name} {_text(found.get(name, '?'))}: {_WHY[name]} Set {name} {value}."
        for name, value in wanted.items()
        if _text(found.get(name, "?")) != value
    ]


_UNREADABLE = (
    "allow CONFIG GET, or make sure yourself of appendonly yes, appendfsync always and maxmemory-policy noeviction."
)
_WHY = {
    "appendonly": "a restart would lose what was answered with 2xx.",
    "appendfsync": "a power cut would lose what was answered with 2xx.",
    "maxmemory-policy": "a full store would evict records and choices silently.",
}


def version_faults(server: dict[str, Any]) -> list[str]:
    """A sentence if the server (the answer to INFO server) is older than what the scripts need."""
    is_valkey = "valkey_version" in server
    name, minimum = ("Valkey", MINIMUM_VALKEY) if is_valkey else ("Redis", MINIMUM_REDIS)
    version = _text(server.get("valkey_version") or server.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) >= minimum:
        return []
    return [f"The store is {name} {version}: Sluis needs Redis 7.0 or Valkey 8.0 at least."]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
