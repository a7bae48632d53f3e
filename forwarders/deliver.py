"""The composition root of `deliver`: the only place in the forwarders where its parts meet.

One worker and one set of connections to a vendor per destination; one pool of connections to the store, with
room for every worker to claim, recheck and settle at the same time. SIGTERM or SIGINT: stop claiming, finish what
is in flight, settle it, end. A second one ends the process at once, and loses nothing either: what was claimed is
claimed again. A worker that ends by itself ends the process, so that whoever watches it starts all of it again.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from random import SystemRandom

from collector.configuration import DestinationSettings, Settings, StdoutSettings
from collector.intake.domains import DomainKeys
from collector.intake.site import Site
from collector.store.buffer import Buffer, RedisBuffer
from collector.store.connection import connect_readers
from collector.store.decision_log import DecisionLog
from collector.store.keyring import KeyRing, Master
from collector.store.restoring import RestoredLedger
from collector.store.sealing import Opener
from collector.web.sites import Sites
from consent.kinds import KINDS
from forwarders.contract import Destination
from forwarders.registry import RegistryError, build
from forwarders.transport import HttpTransport, loopback_endpoints
from forwarders.witness import WitnessedBuffer
from forwarders.worker import GRACE_S, Lane, Means, Worker, cancel_until_done

_CALLS_AT_ONCE = 3  # of one worker: claim, recheck, settle
_STOPS = (signal.SIGTERM, signal.SIGINT)
_BEYOND_GRACE_S = 4.0  # a claim that is under way when the worker is told, and closing

_log = logging.getLogger("sluis.deliver")


class WorkerEnded(Exception):
    """A worker ended by itself, or (`stuck`) does not end. The message names destinations and types, nothing else."""

    def __init__(self, message: str, *, stuck: bool = False) -> None:
        super().__init__(message)
        self.stuck = stuck


async def run(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Deliver until SIGTERM or SIGINT; raises RegistryError or KeyRingError if it cannot start.

    SystemExit if a worker ended by itself.
    """
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _STOPS}

    def stop() -> None:
        told_to_stop.set()
        for number in _STOPS:  # from now on the system answers them: the process ends at once
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in _STOPS:
        loop.add_signal_handler(number, stop)
    try:
        await deliver(settings, told_to_stop, on_ready)
    except WorkerEnded as fault:
        _log.critical("%s", fault)
        if fault.stuck:  # leaving in good order would wait for it
            os.kill(os.getpid(), signal.SIGKILL)
        sys.exit(1)
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def deliver(settings: Settings, told_to_stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
    """Run a worker per configured destination until told to stop; raises WorkerEnded."""
    async with AsyncExitStack() as open_things:
        workers = await _workers(settings, open_things)
        working = asyncio.create_task(work(workers, told_to_stop))
        on_ready()
        await working


async def work(
    workers: Sequence[Worker], told_to_stop: asyncio.Event, stop_s: float = GRACE_S + _BEYOND_GRACE_S
) -> None:
    """Run workers until told to stop, then end them within `stop_s` and a little; raises WorkerEnded."""
    running = {asyncio.create_task(worker.run(), name=worker.name): worker for worker in workers}
    telling = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait({*running, telling}, return_when=asyncio.FIRST_COMPLETED)
    early = set() if told_to_stop.is_set() else {task for task in running if task.done()}
    telling.cancel()
    for worker in workers:
        worker.stop()
    _, late = await asyncio.wait(running, timeout=stop_s)
    stuck = await cancel_until_done(late)
    failed = {task for task in running if task.done() and not task.cancelled() and task.exception()}
    if named := [_said(task) for task in running if task in early | failed | stuck]:
        raise WorkerEnded("; ".join(named), stuck=bool(stuck))


def _said(worker: asyncio.Task[None]) -> str:
    if not worker.done():
        return f"the worker of {worker.get_name()} does not end"
    error = None if worker.cancelled() else worker.exception()
    return f"the worker of {worker.get_name()} ended" + (f": {type(error).__name__}" if error else "")


def consumer_name() -> str:
    """The name this process claims under, stable across restarts: it finds at once what it had claimed.

    One `deliver` per host (or container). A second one of the same name would send what the first has in work.
    """
    return f"deliver-{socket.gethostname()}"


async def _workers(settings: Settings, open_things: AsyncExitStack) -> list[Worker]:
    if missing := settings.missing_secrets():
        raise RegistryError("\n".join(missing))
    destinations = build(settings)
    keyring = KeyRing.open(settings.keys.dir, Master.load(settings.keys))
    client = connect_readers(
        settings.store_url,
        settings.store.timeout_s,
        connections=_CALLS_AT_ONCE * len(destinations) + 1,
    )
    open_things.push_async_callback(client.aclose)
    ledger = RestoredLedger(client)
    opener = Opener(keyring, is_unreadable=keyring.is_unreadable)
    buffer = _witnessed(RedisBuffer(client, consumer=consumer_name()), opener, keyring, settings, open_things)
    chance = SystemRandom().random
    sites = {site.id: site for site in Sites(settings).all}
    workers = []
    for name, destination in destinations.items():
        transport = _transport(settings.destination[name])
        open_things.push_async_callback(transport.close)
        means = Means(
            buffer=buffer,
            opener=opener,
            ledger=ledger,
            transport=transport,
            now_ms=_now_ms,
            clock=time.monotonic,
            chance=chance,
        )
        workers.append(Worker(_lane(settings, name, destination, sites), means))
    return workers


def _witnessed(
    buffer: Buffer, opener: Opener, keyring: KeyRing, settings: Settings, open_things: AsyncExitStack
) -> Buffer:
    """The buffer, with decision records of what is settled, unless they are switched off."""
    if settings.decisions.level == "off":
        return buffer
    decisions = DecisionLog(settings.var / "decisions", "deliver", settings.decisions, DomainKeys(keyring))
    recording = asyncio.create_task(decisions.run())

    async def end() -> None:
        decisions.close()
        await recording

    open_things.push_async_callback(end)
    return WitnessedBuffer(buffer, opener.open, decisions, settings.policy_hash, _now_ms)


def _lane(settings: Settings, name: str, destination: Destination, sites: Mapping[str, Site]) -> Lane:
    """What the configuration says now; records that wait are held to it."""
    return Lane(
        destination=destination,
        recipient=settings.recipient_of(name),
        required=settings.required_of(name),
        sites=sites,
        max_age_ms=int(KINDS[destination.kind].max_age.total_seconds() * 1000),
        concurrency=settings.destination[name].concurrency,
    )


def _transport(configured: DestinationSettings) -> HttpTransport:
    """Connections to where this destination's events go: loopback only if its own endpoint says so."""
    if isinstance(configured, StdoutSettings):
        return HttpTransport(connections=1, printer=sys.stdout)
    return HttpTransport(connections=configured.concurrency, loopback=loopback_endpoints([configured.endpoint]))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
