"""The composition root of `serve`: the only place in the collector where its parts meet.

Here live the loop, the listening socket, the committer, the counters, the writing of decision records and the
forgetting of destroyed keys; everything else gets what it needs as an argument.
"""

import asyncio
import ctypes
import gc
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

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
from collector.store.consent_counts import count_consent
from collector.store.decision_log import DecisionLog
from collector.store.entry import sealed_bytes
from collector.store.group_commit import GroupCommit
from collector.store.handover import Handover
from collector.store.keyring import KeyRing, Master
from collector.store.ledger import Ledger
from collector.store.recipients import first_named
from collector.store.sealing import SALT_BYTES, Sealer
from collector.store.withdrawal_book import WithdrawalBook
from collector.store.withdrawals import Withdrawals
from collector.telemetry import logger, set_up
from collector.web.consent_api import ConsentApi
from collector.web.consent_tally import ConsentTally
from collector.web.demo_shop import demo_routes
from collector.web.health import Health, has_today, pings
from collector.web.ingest import PATH, Ingest
from collector.web.intake_desk import Door, IntakeDesk
from collector.web.pixel import Pixel
from collector.web.protocol import Protocol
from collector.web.routes import allow, answer_fault, answer_http_error
from collector.web.sdk import sdk_routes
from collector.web.sites import Sites
from collector.web.whereabouts import Unusable, Whereabouts, open_addresses
from collector.web.witness import DecisionWitness, Witness

log = logger(__name__)
STOP_GRACE_S: Final = 10
COUNT_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 60.0
MAX_QUEUED_BYTES: Final = 64 * 2**20
Counts = Sequence[Handover[Any]]


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
    """Run the public collector until SIGTERM; raises CannotServe, CannotListen, KeyRingError or NotKept."""
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
    book = WithdrawalBook(settings.var / "withdrawals", "serve").open()
    withdrawals = Withdrawals(ledger, book, settings.retention.receipt_days * 86_400)
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
    tally = ConsentTally()
    keys = DomainKeys(keyring)
    decisions = DecisionLog(settings.var / "decisions", "serve", settings.decisions, keys)
    desk = IntakeDesk(
        keys=keys,
        sealer=Sealer(keyring, secrets.token_bytes(SALT_BYTES)),
        commits=commits,
        ledger=ledger,
        limits=settings.limits,
        door=door,
        now_ms=now_ms,
        witnesses=_witnesses(settings, tally, decisions),
    )
    sites = await _sites(settings, reader)
    health = Health({"store": pings(reader.ping), "keys": has_today(keyring)})
    where = _whereabouts(settings)
    ingest = Ingest(sites, desk, where)
    app = Front(ingest, _cool_routes(settings, sites, desk, withdrawals, keys, health, where))
    committing = asyncio.create_task(commits.run())
    async with _beside(_counts(door, tally, reader), decisions, keys):
        on_ready()
        _collect_garbage_less()
        await _listen_until_told(app, partial(Protocol, ingest=ingest), listening)
        await commits.close()
        await committing


@asynccontextmanager
async def _beside(counts: Counts, decisions: DecisionLog, keys: DomainKeys) -> AsyncIterator[None]:
    """What goes on beside the requests: counting, recording, forgetting. What is left of it is done at the end."""
    recording = asyncio.create_task(decisions.run())
    others = [asyncio.create_task(_count(counts)), asyncio.create_task(_forget_destroyed(keys))]
    yield
    decisions.close()
    await recording
    for task in others:
        task.cancel()
    for one in (*counts, *counts):  # what a cancelled flush left, then the rest
        await one.flush()


def _witnesses(settings: Settings, tally: ConsentTally, decisions: DecisionLog) -> list[Witness]:
    return [tally] if settings.decisions.level == "off" else [tally, DecisionWitness(decisions)]


def _cool_routes(
    settings: Settings,
    sites: Sites,
    desk: IntakeDesk,
    withdrawals: Withdrawals,
    keys: DomainKeys,
    health: Health,
    where: Whereabouts,
) -> Starlette:
    routes: list[BaseRoute] = [
        *ConsentApi(desk, withdrawals, keys, where).routes(),
        Pixel(desk, where).route(),
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


async def _sites(settings: Settings, reader: Client) -> Sites:
    """The sites, each knowing since when its recipients are there."""
    since: dict[str, dict[str, int]] = {}
    for site in Sites(settings).all:
        try:
            since[site.id] = await first_named(reader, site.id, site.policy.recipients, now_ms())
        except StoreUnavailable as error:
            raise CannotServe(f"The store does not answer: {error}") from None
    return Sites(settings, since)


def _whereabouts(settings: Settings) -> Whereabouts:
    listen = settings.listen
    try:
        addresses = None if listen.region_file is None else open_addresses(listen.region_file)
    except Unusable as error:
        raise CannotServe(str(error)) from None
    return Whereabouts(listen.region_header, addresses, listen.trusted_proxies)


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


async def _forget_destroyed(keys: DomainKeys) -> None:
    while True:
        await asyncio.sleep(FORGET_SECONDS)
        keys.forget_destroyed()


def _counts(door: Door, tally: ConsentTally, client: Client) -> Counts:
    """What gathers here and belongs into the store."""

    def emptied() -> dict[tuple[str, str], int]:
        counted = dict(door)
        door.clear()
        return counted

    def today() -> str:
        return time.strftime("%Y%m%d", time.gmtime())

    return (
        Handover(emptied, lambda counted, flush_id: count_door(client, counted, flush_id=flush_id)),
        Handover(tally.take, lambda counted, flush_id: count_consent(client, today(), counted, flush_id=flush_id)),
    )


async def _count(counts: Counts) -> None:
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        for one in counts:
            await one.flush()
