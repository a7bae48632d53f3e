"""The composition root of `serve`: the only place in the collector where its parts meet.

Here live the loop, the listening socket, the committer, the door counters and the forgetting of destroyed keys;
everything else gets what it needs as an argument.
"""

import asyncio
import ctypes
import gc
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from collector.configuration import Settings
from collector.intake.domains import DomainKeys
from collector.listening import bind
from collector.store.balance import count_door
from collector.store.buffer import Append, RedisBuffer, StoreUnavailable
from collector.store.connection import Client, connect, connect_readers, verify
from collector.store.entry import sealed_bytes
from collector.store.group_commit import GroupCommit
from collector.store.keyring import KeyRing, Master
from collector.store.ledger import Ledger
from collector.store.sealing import SALT_BYTES, Sealer
from collector.telemetry import logger, set_up
from collector.web.consent_api import ConsentApi
from collector.web.demo_shop import demo_routes
from collector.web.health import Health
from collector.web.ingest import PATH, Ingest
from collector.web.intake_desk import Door, IntakeDesk
from collector.web.pixel import Pixel
from collector.web.protocol import Protocol
from collector.web.routes import allow, answer_fault, answer_http_error
from collector.web.sdk import sdk_routes
from collector.web.sites import Sites

log = logger(__name__)
STOP_GRACE_S: Final = 10
DOOR_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 60.0
MAX_QUEUED_BYTES: Final = 64 * 2**20
Flush = tuple[str, dict[tuple[str, str], int]]


class CannotServe(Exception):
    """`serve` cannot start; the message says why."""


class Front:
    """The hot route first, everything else in Starlette."""

    def __init__(self, ingest: Ingest, rest: ASGIApp) -> None:
        self.ingest = ingest
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await self.ingest(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def now_ms() -> int:
    """The wall clock, epoch milliseconds."""
    return time.time_ns() // 1_000_000


def serve(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Run the public collector until SIGTERM; raises CannotServe, CannotListen or KeyRingError."""
    set_up("serve")
    listening = bind(settings.listen.host, settings.listen.port, "port")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, listening, on_ready))


def _collect_garbage_less() -> None:
    """What start-up made stays; what requests make has no cycles, so looking for some 50 times a second is waste.

    Measured: 10 % of a single event's CPU, 20 % in batches. What compiling and importing left behind goes back to the
    system first (10 MB where no bytecode was cached).
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


async def _serve(settings: Settings, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    keyring = KeyRing.open(settings.keys.dir, Master.load(settings.keys))
    writer = connect(settings.store_url, settings.store.timeout_s)
    reader = connect_readers(settings.store_url, settings.store.timeout_s)
    await _refuse_weak_store(reader)
    buffer = RedisBuffer(writer, dedupe_ms=settings.retention.dedupe_hours * 3_600_000)
    ledger = Ledger(reader)
    commits = GroupCommit(
        _commit_all(buffer.append),
        weigh=len,
        max_weight=settings.store.flush_events,
        queue_weight=settings.store.queue_events,
        size=sealed_bytes,
        max_queued_bytes=MAX_QUEUED_BYTES,
        away=(StoreUnavailable,),
    )
    door: Door = Counter()
    unsent: list[Flush] = []
    keys = DomainKeys(keyring)
    desk = IntakeDesk(
        keys=keys,
        sealer=Sealer(keyring, secrets.token_bytes(SALT_BYTES)),
        commits=commits,
        ledger=ledger,
        limits=settings.limits,
        door=door,
        now_ms=now_ms,
    )
    sites = Sites(settings)
    health = Health({"store": _pings(reader.ping), "keys": _has_today(keyring)})
    ingest = Ingest(sites, desk)
    app = Front(ingest, _cool_routes(settings, sites, desk, ledger, keys, health))
    committing = asyncio.create_task(commits.run())
    counting = asyncio.create_task(_count_door(door, unsent, reader))
    forgetting = asyncio.create_task(_forget_destroyed(keys))
    on_ready()
    _collect_garbage_less()
    await _listen_until_told(app, partial(Protocol, ingest=ingest), listening)
    await commits.close()
    await committing
    counting.cancel()
    forgetting.cancel()
    for _ in range(2):  # what a cancelled flush left, then the rest
        await _flush_door(door, unsent, reader)


def _cool_routes(
    settings: Settings, sites: Sites, desk: IntakeDesk, ledger: Ledger, keys: DomainKeys, health: Health
) -> Starlette:
    routes: list[BaseRoute] = [
        *ConsentApi(desk, ledger, keys, settings.retention.receipt_days * 86_400).routes(),
        Pixel(desk).route(),
        Route("/v1/{rest:path}", allow, methods=["OPTIONS"]),
        *sdk_routes(),
        *health.routes(),
    ]
    listen = settings.listen
    if listen.demo:
        routes += demo_routes(f"http://127.0.0.1:{listen.sandbox_port}/", f"http://127.0.0.1:{listen.console_port}/")
    app = Starlette(routes=routes, exception_handlers={HTTPException: answer_http_error, Exception: answer_fault})
    app.state.sites = sites
    return app


async def _listen_until_told(app: ASGIApp, protocol: Callable[..., Protocol], listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http=protocol,  # type: ignore[arg-type]  # called like the class it makes
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nobody here wants to know the client's address
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=STOP_GRACE_S,
    )
    # uvicorn raises the signal again once it has stopped; what is left to do after that must not be cut short.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    await uvicorn.Server(config).serve(sockets=[listening])


async def _refuse_weak_store(client: Client) -> None:
    try:
        faults = await verify(client)
    except StoreUnavailable as error:
        raise CannotServe(f"The store does not answer: {error}") from None
    if faults:
        raise CannotServe("The store would break the promise that a 2xx is durable:\n  " + "\n  ".join(faults))


def _commit_all(
    append: Callable[[Sequence[Append]], Awaitable[list[tuple[bool, ...]]]],
) -> Callable[[list[list[Append]]], Awaitable[list[list[tuple[bool, ...]]]]]:
    """Commit many requests in one round trip, and give each its own answers back."""

    async def commit(requests: list[list[Append]]) -> list[list[tuple[bool, ...]]]:
        answers = iter(await append([one for request in requests for one in request]))
        return [[next(answers) for _ in request] for request in requests]

    return commit


def _pings(ping: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[str | None]]:
    async def check() -> str | None:
        try:
            async with asyncio.timeout(1):
                await ping()
        except Exception:  # noqa: BLE001 -- whatever it is, the store does not answer
            return "store_unavailable"
        return None

    return check


def _has_today(keyring: KeyRing) -> Callable[[], Awaitable[str | None]]:
    async def check() -> str | None:
        today = time.strftime("day-%Y%m%d", time.gmtime())
        return None if keyring.root(today) is not None else "day_key_missing"

    return check


async def _forget_destroyed(keys: DomainKeys) -> None:
    while True:
        await asyncio.sleep(FORGET_SECONDS)
        keys.forget_destroyed()


async def _count_door(door: Door, unsent: list[Flush], client: Client) -> None:
    while True:
        await asyncio.sleep(DOOR_SECONDS)
        await _flush_door(door, unsent, client)


async def _flush_door(door: Door, unsent: list[Flush], client: Client) -> None:
    """Hand the counts over. A flush whose answer was lost is handed in again under its own id, and counts once."""
    if not unsent and door:
        unsent.append((secrets.token_hex(8), dict(door)))
        door.clear()
    if unsent:
        flush_id, counted = unsent[0]
        try:
            await count_door(client, counted, flush_id=flush_id)
        except StoreUnavailable:
            return
        unsent.clear()
