"""Delivery at full speed to a slow vendor, and visitors who withdraw at random moments.

A second later nothing of theirs starts to be written, and every record has one fate. The same race without the recheck
is the control, and loses.
"""

import asyncio
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from collector.embedded import arguments, find_server
from collector.intake.record import Record, to_bytes
from collector.store import keyspace
from collector.store.buffer import Append, RedisBuffer
from collector.store.connection import Client, StoreUnavailable, command, connect_readers
from collector.store.ledger import Ledger
from collector.store.rows import Row
from consent.model import NOTHING, Choice
from forwarders.contract import Answer, Delivery, Judgement, Skip, Verdict
from forwarders.transport import HttpTransport, loopback_endpoints
from forwarders.worker import Lane, Means, Worker
from tests.support.delivery import ANALYTICS, PlainOpener, a_record, a_site

pytestmark = pytest.mark.anyio

VISITORS, EACH = 120, 12
CONCURRENCY = 16
LATE_S = 1.05  # promise 3, and what a busy machine needs to note the time


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store_url(tmp_path: Path) -> Iterator[str]:
    socket = tmp_path / "valkey.sock"
    words = [str(find_server(os.defpath)), *arguments(tmp_path, socket)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as running:
        yield f"unix://{socket}"
        running.terminate()


@dataclass
class SlowVendor:
    """Notes when the first byte of each visitor's request comes, and takes its time to answer."""

    port: int = 0
    began: list[tuple[str, float]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chance = random.Random(1)  # noqa: S311 -- a race that can be run again
        try:
            while first := await reader.read(1):
                at = time.monotonic()
                head = first + await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                self.began.append(((await reader.readexactly(length)).decode(), at))
                await asyncio.sleep(chance.uniform(0.01, 0.07))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


@dataclass
class ToVendor:
    """Sends the visitor's name."""

    port: int
    name: str = "ga4"
    kind: str = "ga4"

    def compose(self, record: Record, _now_ms: int) -> Delivery | Skip:
        return Delivery("POST", f"http://127.0.0.1:{self.port}/", {}, record.client_id.encode())

    def judge(self, answer: Answer) -> Judgement:
        return Judgement(Verdict.HANDED_OVER if answer.status == 204 else Verdict.RETRY, "")


class WithoutRecheck(Ledger):
    """The control: what was granted once is believed for ever."""

    async def latest(self, subjects: Sequence[bytes]) -> list[Choice | None]:
        return [Choice(time.time_ns() // 1_000_000, {"google": ANALYTICS}) for _ in subjects]


def visitor(number: int) -> bytes:
    return number.to_bytes(16, "big")


async def prepare(client: Client, now_ms: int) -> None:
    """Everything of everybody is stored, in one random order, granted."""
    items = []
    for number in range(VISITORS * EACH):
        one = visitor(number % VISITORS)
        record = a_record(
            event_id=f"e{number}", client_id=one.hex(), subjects=[one], received_ms=now_ms, occurred_ms=now_ms
        )
        rows = (Row(one, Choice(now_ms - 60_000, {"google": ANALYTICS}), lowers=False),)
        items.append(Append("shop", number.to_bytes(10, "big"), ("ga4",), (to_bytes(record),), rows))
    random.Random(2).shuffle(items)  # noqa: S311 -- as above
    buffer = RedisBuffer(client)
    for start in range(0, len(items), 200):
        for _ in range(100):
            try:
                await buffer.append(items[start : start + 200])
            except StoreUnavailable:  # it is still starting
                await asyncio.sleep(0.05)
            else:
                break


@asynccontextmanager
async def delivering(client: Client, vendor: SlowVendor, ledger: Ledger) -> AsyncIterator[None]:
    transport = HttpTransport(
        connections=CONCURRENCY, loopback=loopback_endpoints([f"http://127.0.0.1:{vendor.port}/"])
    )
    site = a_site("ga4")
    lane = Lane(
        destination=ToVendor(vendor.port),
        recipient="google",
        required=ANALYTICS,
        sites={"shop": site},
        max_age_ms=3_600_000,
        concurrency=CONCURRENCY,
    )
    means = Means(
        buffer=RedisBuffer(client),
        opener=PlainOpener(),
        ledger=ledger,
        transport=transport,
        now_ms=lambda: time.time_ns() // 1_000_000,
        clock=time.monotonic,
        chance=lambda: 0.5,
    )
    worker = Worker(lane, means)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await running
        await transport.close()


async def race(store_url: str, kind: type[Ledger]) -> tuple[list[float], Counter[str], int]:
    """How long after a withdrawal's answer each later request of its visitor began; the fates; how many withdrew."""
    client, vendor, now_ms = connect_readers(store_url, 2.0), SlowVendor(), time.time_ns() // 1_000_000
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.port = server.sockets[0].getsockname()[1]
    withdrawn: dict[str, float] = {}

    async def withdraw(number: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        nothing = Choice(time.time_ns() // 1_000_000, {"google": NOTHING})
        await Ledger(client).record([Row(visitor(number), nothing, lowers=False)])
        withdrawn[visitor(number).hex()] = time.monotonic()

    try:
        await prepare(client, now_ms)
        chance = random.Random(3)  # noqa: S311 -- as above
        async with delivering(client, vendor, kind(client)), asyncio.timeout(60):
            await asyncio.gather(*(withdraw(number, chance.uniform(0, 2.0)) for number in range(0, VISITORS, 2)))
            while await command(client, "XLEN", keyspace.stream("ga4")):  # noqa: ASYNC110 -- the store tells nobody
                await asyncio.sleep(0.05)
        counters: dict[bytes, bytes] = await command(client, "HGETALL", keyspace.counters())
    finally:
        server.close()
        await client.aclose()
    late = [at - withdrawn[name] for name, at in vendor.began if name in withdrawn]
    fates = Counter({name.decode().split("|")[0]: int(count) for name, count in counters.items()})
    assert fates["handed_over"] == len(vendor.began), "what the vendor got is what was counted"
    return late, fates, len(withdrawn)


async def test_a_second_after_its_withdrawal_nothing_of_a_visitor_starts_to_be_written(store_url: str) -> None:
    late, fates, withdrew = await race(store_url, Ledger)
    assert withdrew == VISITORS // 2
    assert max(late) <= LATE_S
    assert fates["dropped:withdrawn"] > EACH * 5, "the race was on: many were still waiting"
    assert fates["accepted"] == VISITORS * EACH == fates["handed_over"] + fates["dropped:withdrawn"]


async def test_without_the_recheck_the_race_is_lost(store_url: str) -> None:
    late, fates, _ = await race(store_url, WithoutRecheck)
    assert max(late) > LATE_S
    assert fates["handed_over"] == VISITORS * EACH
