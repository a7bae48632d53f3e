"""The `deliver` process put together: real Valkey, real keys, a vendor on loopback, a signal at the end."""

import asyncio
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collector.configuration import Settings
from collector.embedded import arguments, find_server
from collector.intake.record import Record, to_bytes
from collector.settings import parse
from collector.store import keyspace
from collector.store.buffer import Append, Entry, RedisBuffer
from collector.store.connection import StoreUnavailable, command, connect_readers
from collector.store.keyring import KeyRing, Master
from collector.store.restoring import Restorer
from collector.store.rows import Row
from collector.store.sealing import SALT_BYTES, Sealer
from collector.store.withdrawal_book import WithdrawalBook
from consent.model import EVERYTHING, NOTHING, Choice
from forwarders.deliver import WorkerEnded, consumer_name, run, work
from forwarders.worker import Worker
from tests.support.delivery import Bench, NotedBuffer, PlainDestination, a_record, until
from tests.support.vendor import answering, silent, vendor

pytestmark = pytest.mark.anyio

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
CONFIGURATION = """
[[site]]
id = "shop"
origins = ["http://127.0.0.1:8080"]
establishment = "BE"
consent_source = "page"
audience = "general"

[destination.ga4]
kind = "ga4"
measurement_id = "G-TEST1"
api_secret = "a-secret"
identity = "keyed"
endpoint = "http://127.0.0.1:{sandbox_port}/mp/collect"
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A configuration with keys, and the store it names."""
    made = parse(CONFIGURATION, tmp_path / "sluis.toml", {"SLUIS_LISTEN__SANDBOX_PORT": "1"})
    made.keys.master_file.parent.mkdir(mode=0o700, parents=True)
    Master.create(made.keys.master_file)
    KeyRing.open(made.keys.dir, Master.load(made.keys)).create_due(datetime.now(UTC))
    data = made.var / "valkey"
    data.mkdir(parents=True)
    server = find_server(os.defpath)
    words = [str(server), *arguments(data, Path(made.store_url.removeprefix("unix://")))]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as running:
        try:
            yield made
        finally:
            running.terminate()


def pointing_at(settings: Settings, port: int) -> Settings:
    """The same configuration with the endpoint on this port."""
    ga4 = settings.destination["ga4"].model_copy(update={"endpoint": f"http://127.0.0.1:{port}/mp/collect"})
    return settings.model_copy(update={"destination": {"ga4": ga4}})


async def store_records(settings: Settings, granted: list[tuple[Record, bool]], *, with_janitor: bool = True) -> None:
    """Append each record as `serve` does, with a ledger row that grants everything, or nothing."""
    keyring = KeyRing.open(settings.keys.dir, Master.load(settings.keys))
    sealer = Sealer(keyring, secrets.token_bytes(SALT_BYTES))
    items = []
    for record, yes in granted:
        sealed = sealer.seal("shop", "ga4", record.received_ms, to_bytes(record))
        choice = Choice(record.received_ms, {"google": EVERYTHING if yes else NOTHING})
        rows = tuple(Row(subject, choice, lowers=False) for subject in record.subjects)
        items.append(Append("shop", secrets.token_bytes(10), ("ga4",), (sealed,), rows))
    client = connect_readers(settings.store_url, 2.0)
    buffer = RedisBuffer(client)
    for _ in range(100):
        try:
            await buffer.append(items)
        except StoreUnavailable:  # it is still starting
            await asyncio.sleep(0.05)
        else:
            break
    if with_janitor:
        await restored(settings)
    await client.aclose()


async def restored(settings: Settings) -> None:
    """What the janitor does before anything may leave."""
    client = connect_readers(settings.store_url, 2.0)
    await Restorer(client, settings.var / "withdrawals").restore(time.time_ns() // 1_000_000)
    await client.aclose()


async def balance(settings: Settings, expected: int) -> dict[bytes, int]:
    """The counters, as soon as so many records have a fate."""
    client = connect_readers(settings.store_url, 2.0)
    counters: dict[bytes, int] = {}
    for _ in range(200):
        found = await command(client, "HGETALL", keyspace.counters())
        counters = {name: int(count) for name, count in found.items()}
        if sum(count for name, count in counters.items() if not name.startswith(b"accepted")) >= expected:
            break
        await asyncio.sleep(0.02)
    await client.aclose()
    return counters


def record(number: int) -> Record:
    now_ms = time.time_ns() // 1_000_000
    return a_record(
        event_id=f"e{number}",
        client_id=f"1.{number}",
        subjects=[number.to_bytes(16, "big")],
        occurred_ms=now_ms,
        received_ms=now_ms,
    )


async def test_what_is_stored_is_handed_over_what_is_withdrawn_is_not_and_sigterm_ends_it(
    settings: Settings,
) -> None:
    await store_records(settings, [(record(1), True), (record(2), False), (record(3), True)])
    async with vendor(answering(NO_CONTENT)) as server:
        delivering = asyncio.create_task(run(pointing_at(settings, server.port), lambda: None))
        counters = await balance(settings, expected=3)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await delivering
    assert counters == {
        b"accepted|ga4|shop": 3,
        b"handed_over|ga4|shop": 2,
        b"dropped:withdrawn|ga4|shop": 1,
    }
    sent = b"".join(server.requests)
    assert [f'"{client_id}"'.encode() in sent for client_id in ("1.1", "1.2", "1.3")] == [True, False, True]


async def test_without_a_janitor_it_waits_and_says_so(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    await store_records(settings, [(record(1), True), (record(2), True)], with_janitor=False)
    async with vendor(answering(NO_CONTENT)) as server:
        delivering = asyncio.create_task(run(pointing_at(settings, server.port), lambda: None))
        await until(lambda: "withdrawals are not restored yet; the janitor does that" in caplog.text)
        await asyncio.sleep(0.6)
        assert server.requests == []
        await restored(settings)
        counters = await balance(settings, expected=2)
        os.kill(os.getpid(), signal.SIGTERM)
        await delivering
    assert counters == {b"accepted|ga4|shop": 2, b"handed_over|ga4|shop": 2}


@pytest.mark.parametrize("files_are_there", [True, False])
async def test_after_a_loss_of_the_store_a_stale_event_of_somebody_who_withdrew_stays(
    files_are_there: bool, settings: Settings
) -> None:
    """And where there are no files to restore from (negative control) it is handed over."""
    stale = record(1)
    if files_are_there:
        withdrawal = Choice(stale.received_ms + 1, {"google": NOTHING})
        book = WithdrawalBook(settings.var / "withdrawals", "serve")
        await book.keep("shop", [Row(stale.subjects[0], withdrawal, lowers=False)])
        book.close()
    async with vendor(answering(NO_CONTENT)) as server:
        delivering = asyncio.create_task(run(pointing_at(settings, server.port), lambda: None))
        await store_records(settings, [(stale, True)])  # the store is empty; the stale choice comes with the event
        counters = await balance(settings, expected=1)
        os.kill(os.getpid(), signal.SIGTERM)
        await delivering
    fate = b"dropped:withdrawn" if files_are_there else b"handed_over"
    assert counters == {b"accepted|ga4|shop": 1, fate + b"|ga4|shop": 1}
    assert len(server.requests) == (0 if files_are_there else 1)


def start_deliver(settings: Settings, port: int) -> subprocess.Popen[bytes]:
    """`sluis deliver` as a process of its own, with the endpoint on this port."""
    file = settings.var.parent / "sluis.toml"
    file.write_text(CONFIGURATION.replace("{sandbox_port}", str(port)), encoding="utf-8")
    environment = {"PATH": os.defpath, "SLUIS_CONFIG": str(file), "SLUIS_VAR": str(settings.var)}
    words = [sys.executable, "-m", "collector", "deliver"]
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


async def status(process: subprocess.Popen[bytes], within_s: float) -> int | None:
    """How the process ended, None if it did not in time."""
    for _ in range(int(within_s * 50)):
        if process.poll() is not None:
            break
        await asyncio.sleep(0.02)
    return process.poll()


async def test_a_second_sigterm_ends_the_process_at_once(settings: Settings) -> None:
    await store_records(settings, [(record(1), True)])
    async with vendor(silent) as server:
        with start_deliver(settings, server.port) as process:
            try:
                for _ in range(500):
                    if server.requests:
                        break
                    await asyncio.sleep(0.02)
                assert len(server.requests) == 1
                process.terminate()
                assert await status(process, 0.5) is None, "what is in flight has its grace"
                process.terminate()
                assert await status(process, 1.0) == -signal.SIGTERM
            finally:
                process.kill()
    assert await balance(settings, expected=0) == {b"accepted|ga4|shop": 1}


async def test_a_worker_that_fails_ends_the_process_with_one_line(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await store_records(settings, [(record(1), True)])
    client = connect_readers(settings.store_url, 2.0)
    await command(client, "DEL", keyspace.stream("ga4"))
    await command(client, "SET", keyspace.stream("ga4"), "foreign")
    await client.aclose()
    with pytest.raises(SystemExit) as ended:
        async with asyncio.timeout(10):
            await run(pointing_at(settings, 9), lambda: None)
    assert ended.value.code == 1
    told = [line.getMessage() for line in caplog.records if line.levelno >= logging.ERROR]
    assert told == ["the worker of ga4 ended: ResponseError"]


async def test_one_worker_that_ends_ends_the_others_in_good_order() -> None:
    class Failing(NotedBuffer):
        async def claim(self, *_: Any, **__: Any) -> list[Entry]:
            raise KeyError("jane@example.com")

    good, bad = Bench(), Bench(buffer=Failing(), destination=PlainDestination(name="meta"))
    with pytest.raises(WorkerEnded, match=r"^the worker of meta ended: KeyError$") as ended:
        await work([good.worker(), bad.worker()], asyncio.Event())
    assert not ended.value.stuck


async def test_a_worker_that_loses_its_carrier_ends_the_process_too() -> None:
    worker = Bench().worker()
    working = asyncio.create_task(work([worker], asyncio.Event()))
    await asyncio.sleep(0.02)
    (carrier,) = [task for task in asyncio.all_tasks() if "Recheck.run" in repr(task)]
    carrier.cancel()
    with pytest.raises(WorkerEnded, match=r"^the worker of ga4 ended$"):
        await working


async def test_a_worker_that_does_not_end_is_named_and_not_waited_for() -> None:
    class Stuck(Worker):
        async def run(self) -> None:
            while not released.is_set():
                with suppress(asyncio.CancelledError):
                    await released.wait()

    released, told = asyncio.Event(), asyncio.Event()
    workers = [Bench(destination=PlainDestination(name="meta")).worker(), Bench(kind_of_worker=Stuck).worker()]
    working = asyncio.create_task(work(workers, told, stop_s=0.2))
    await asyncio.sleep(0.02)
    told.set()
    with pytest.raises(WorkerEnded, match=r"^the worker of ga4 does not end$") as ended:
        await working
    assert ended.value.stuck
    released.set()


async def test_what_a_killed_process_had_claimed_is_handed_over_by_the_next(settings: Settings) -> None:
    await store_records(settings, [(record(1), True)])
    client = connect_readers(settings.store_url, 2.0)
    killed = RedisBuffer(client, consumer=consumer_name())
    assert len(await killed.claim("ga4", 10, 1000)) == 1
    await client.aclose()
    async with vendor(answering(NO_CONTENT)) as server:
        delivering = asyncio.create_task(run(pointing_at(settings, server.port), lambda: None))
        counters = await balance(settings, expected=1)
        os.kill(os.getpid(), signal.SIGTERM)
        await delivering
    assert counters == {b"accepted|ga4|shop": 1, b"handed_over|ga4|shop": 1}
    assert len(server.requests) == 1
