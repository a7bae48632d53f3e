"""The composition root of `deliver`: the only place in the forwarders where its parts meet.

One worker and one set of connections to a vendor per destination; one pool of connections to the store, with
room for every worker to claim, recheck and settle at the same time. SIGTERM or SIGINT: stop claiming, finish what
is in flight, settle it, end. A kill loses nothing either: what was claimed is claimed again.
"""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import SystemRandom

from collector.configuration import DestinationSettings, Settings, StdoutSettings
from collector.store.buffer import RedisBuffer
from collector.store.connection import connect_readers
from collector.store.keyring import KeyRing, Master
from collector.store.ledger import Ledger
from collector.store.sealing import Opener
from consent.kinds import KINDS
from forwarders.contract import Destination
from forwarders.registry import RegistryError, build
from forwarders.transport import HttpTransport, loopback_endpoints
from forwarders.worker import Lane, Means, Worker

_CALLS_AT_ONCE = 3  # of one worker: claim, recheck, settle


async def run(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Deliver until SIGTERM or SIGINT; raises RegistryError or KeyRingError if it cannot start."""
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    try:
        await deliver(settings, told_to_stop, on_ready)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def deliver(settings: Settings, told_to_stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
    """Run a worker per configured destination until told to stop."""
    async with AsyncExitStack() as open_things:
        workers = await _workers(settings, open_things)  # outside the group: what it raises is a sentence of its own
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(worker.run()) for worker in workers]
            on_ready()
            await told_to_stop.wait()
            for task in running:
                task.cancel()


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
    buffer = RedisBuffer(client, consumer=consumer_name())
    ledger = Ledger(client)
    opener = Opener(keyring)
    chance = SystemRandom().random
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
        workers.append(Worker(_lane(settings, name, destination), means))
    return workers


def _lane(settings: Settings, name: str, destination: Destination) -> Lane:
    """What the configuration says now; records that wait are held to it."""
    return Lane(
        destination=destination,
        recipient=settings.recipient_of(name),
        required=settings.required_of(name),
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
