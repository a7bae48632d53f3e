"""The balance is exact, and shows what somebody else did to the store."""

import asyncio
import json
import os
import random
import signal
from pathlib import Path

import pytest
import redis.asyncio as redis

from collector.store import keyspace
from collector.store.balance import Balance, BalanceCopy, count_door, read_balance
from collector.store.buffer import Dead, Dropped, Fate, HandedOver, Retry
from collector.store.connection import command, connect_readers
from tests.collector.store.stores import ValkeyStore, event

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(client: redis.Redis) -> ValkeyStore:
    return ValkeyStore(client, 6 * 3_600_000)


async def some_fates(store: ValkeyStore) -> None:
    """Five accepted: one handed over, one dropped, one dead, one due later, one waiting."""
    await store.buffer.append([event("ga4") for _ in range(5)])
    fates: tuple[Fate, ...] = (HandedOver(), Dropped("withdrawn"), Dead("rejected"), Retry(2**42))
    entries = await store.buffer.claim("ga4", 4, 0)
    await store.buffer.settle("ga4", list(zip(entries, fates, strict=True)))


async def test_a_balance_names_every_fate_and_what_waits(store: ValkeyStore) -> None:
    await some_fates(store)
    balance = await read_balance(store.client, ["ga4", "meta"])
    ga4, meta = balance.destinations["ga4"], balance.destinations["meta"]
    shop = ga4.sites["shop"]
    assert (shop.accepted, shop.handed_over, shop.dropped, shop.dead, shop.pending) == (
        5, 1, {"withdrawn": 1}, {"rejected": 1}, 2,
    )  # fmt: skip
    assert (ga4.in_stream, ga4.due, ga4.waiting, ga4.dead_letters, ga4.unaccounted) == (1, 1, 2, 1, 0)
    assert ga4.oldest_pending_ms is not None
    assert 0 <= ga4.oldest_pending_ms < 10_000
    assert (meta.accepted, meta.waiting, meta.oldest_pending_ms) == (0, 0, None)


async def test_a_destination_that_is_not_configured_any_more_still_shows(store: ValkeyStore) -> None:
    await some_fates(store)
    assert (await read_balance(store.client, [])).destinations["ga4"].accepted == 5


async def test_a_retried_entry_is_as_old_as_its_receipt(store: ValkeyStore) -> None:
    await store.buffer.append([event("ga4")])
    (entry,) = await store.buffer.claim("ga4", 1, 0)
    entry.received_ms -= 3_600_000
    await store.buffer.settle("ga4", [(entry, Retry(0))])
    waiting = (await read_balance(store.client, [])).destinations["ga4"].oldest_pending_ms
    await store.buffer.claim("ga4", 1, 0)
    returned = (await read_balance(store.client, [])).destinations["ga4"].oldest_pending_ms
    assert waiting is not None
    assert returned is not None
    assert 3_600_000 <= waiting <= returned < 3_700_000


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_unaccounted_at_any_instant_of_random_work(seed: int, store: ValkeyStore) -> None:
    chance = random.Random(seed)  # noqa: S311 -- a repeatable choice, nothing secret
    fates = (HandedOver(), Dropped("too_old"), Dead("rejected"), Retry(0))
    for _ in range(40):
        items = [event("ga4", "meta", site=chance.choice(["shop", "blog"])) for _ in range(3)]
        await store.buffer.append([*items, items[0]])
        name = chance.choice(["ga4", "meta"])
        entries = await store.buffer.claim(name, chance.randint(1, 6), 0)
        await store.buffer.settle(name, [(entry, chance.choice(fates)) for entry in entries])
        assert (await read_balance(store.client, [])).unaccounted == 0
    balance = await read_balance(store.client, [])
    assert [balance.destinations[name].accepted for name in ("ga4", "meta")] == [120, 120]


async def test_a_stream_trimmed_behind_our_back_is_unaccounted_and_does_not_cancel_out(
    store: ValkeyStore,
) -> None:
    await store.buffer.append([event("ga4", "meta") for _ in range(10)])
    await store.client.xtrim(keyspace.stream("ga4"), maxlen=7, approximate=False)
    await store.client.xadd(keyspace.stream("meta"), {"shop": "foreign"})
    balance = await read_balance(store.client, [])
    assert (balance.destinations["ga4"].unaccounted, balance.destinations["meta"].unaccounted) == (3, -1)
    assert balance.unaccounted == 4


async def test_the_epoch_stays_until_the_store_is_emptied(store: ValkeyStore) -> None:
    epochs = [(await read_balance(store.client, [])).epoch for _ in range(2)]
    await store.client.flushall()
    epochs.append((await read_balance(store.client, [])).epoch)
    assert epochs[0] == epochs[1] != epochs[2]


async def test_the_door_counts_per_site_and_outcome(client: redis.Redis) -> None:
    await count_door(client, {("shop", "refused"): 2, ("blog", "invalid"): 1})
    await count_door(client, {("shop", "refused"): 3})
    await count_door(client, {})
    assert (await read_balance(client, [])).door == {"refused": {"shop": 5}, "invalid": {"blog": 1}}


async def test_a_flush_of_the_door_whose_answer_was_lost_is_counted_once(client: redis.Redis) -> None:
    for _ in range(3):
        await count_door(client, {("shop", "refused"): 2}, flush_id="one")
    await count_door(client, {("shop", "refused"): 2}, flush_id="two")
    assert (await read_balance(client, [])).door == {"refused": {"shop": 4}}
    assert 0 < await client.ttl(keyspace.flush("one")) <= keyspace.FLUSH_SECONDS


async def test_the_door_counts_once_however_often_the_client_asks(client: redis.Redis, store_url: str) -> None:
    """A store that stands still longer than the time-out runs what was sent to it, each time it was sent."""
    impatient = connect_readers(store_url, 0.15)
    await count_door(impatient, {("shop", "refused"): 1})  # the script is known
    store_id = (await client.info("server"))["process_id"]
    os.kill(store_id, signal.SIGSTOP)
    try:
        counting = asyncio.create_task(count_door(impatient, {("shop", "refused"): 1}))
        await asyncio.sleep(0.4)
    finally:
        os.kill(store_id, signal.SIGCONT)
    await counting
    await impatient.aclose()
    assert (await read_balance(client, [])).door == {"refused": {"shop": 2}}


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_balance_survives_its_json_and_its_copy(store: ValkeyStore, tmp_path: Path) -> None:
    await some_fates(store)
    await count_door(store.client, {("shop", "filtered"): 1})
    balance = await read_balance(store.client, ["meta"])
    file = tmp_path / "balance.json"
    assert BalanceCopy.load(file) is None
    BalanceCopy.save(file, Balance("old", 0))
    BalanceCopy.save(file, balance)
    assert BalanceCopy.load(file) == balance
    said = json.loads(file.read_text())
    assert (said["unaccounted"], said["destinations"]["ga4"]["sites"]["shop"]["pending"]) == (0, 2)
    assert names_in(tmp_path) == ["balance.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"epoch": "e", "taken_ms": 1, "destinations": {"a": {}}}'])
def test_a_damaged_copy_is_not_taken_for_a_balance(text: str, tmp_path: Path) -> None:
    file = tmp_path / "balance.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"not a copy|Expecting"):
        BalanceCopy.load(file)


async def test_ordinary_work_is_no_loss(store: ValkeyStore) -> None:
    await some_fates(store)
    before = await read_balance(store.client, [])
    await some_fates(store)
    assert BalanceCopy.compare(before, await read_balance(store.client, [])) == {}


async def test_an_emptied_store_shows_what_was_pending_as_lost(store: ValkeyStore) -> None:
    await some_fates(store)
    before = await read_balance(store.client, ["meta"])
    await store.client.flushall()
    await store.buffer.append([event("ga4") for _ in range(50)])
    after = await read_balance(store.client, ["meta"])
    assert after.unaccounted == 0, "the counters alone would say that all is well"
    assert BalanceCopy.compare(before, after) == {"ga4": 2, "meta": 0}


async def test_a_rolled_back_store_shows_what_it_had_accepted_since_as_lost(store: ValkeyStore) -> None:
    await some_fates(store)
    past = {key: await command(store.client, "DUMP", key) for key in await store.client.keys("*")}
    epoch = (await read_balance(store.client, [])).epoch
    await some_fates(store)
    before = await read_balance(store.client, [])
    await store.client.flushall()
    for key, value in past.items():
        await store.client.restore(key, 0, value)
    await store.client.set(keyspace.epoch(), epoch)
    assert BalanceCopy.compare(before, await read_balance(store.client, [])) == {"ga4": 5}
