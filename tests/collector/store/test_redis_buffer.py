"""What only the buffer in Valkey can show: lost groups, other consumers, lost answers, a server that refuses."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as redis
from redis.exceptions import ResponseError

from collector.store import keyspace
from collector.store.balance import read_balance
from collector.store.buffer import Append, Dead, HandedOver, RedisBuffer, Retry, StoreUnavailable
from collector.store.connection import command, connect, connect_readers
from collector.store.group_commit import GroupCommit
from tests.collector.store.stores import ValkeyStore, event

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(client: redis.Redis) -> ValkeyStore:
    return ValkeyStore(client, 6 * 3_600_000)


@pytest.fixture
async def producer(store_url: str, client: redis.Redis) -> AsyncIterator[redis.Redis]:
    made = connect(store_url, 0.3)
    yield made
    await made.aclose()


async def test_the_group_is_made_again_from_the_start_when_it_is_gone(store: ValkeyStore) -> None:
    await store.buffer.append([event("ga4")])
    assert len(await store.buffer.claim("ga4", 9, 0)) == 1
    await store.client.xgroup_destroy(keyspace.stream("ga4"), keyspace.GROUP)
    await store.buffer.append([event("ga4")])
    assert len(await store.buffer.claim("ga4", 9, 0)) == 1, "the first one is in work here"
    await store.crash()
    assert len(await store.buffer.claim("ga4", 9, 0)) == 2


async def test_what_somebody_else_put_into_a_stream_can_be_settled_and_shows_in_the_balance(
    store: ValkeyStore,
) -> None:
    await store.client.xadd(keyspace.stream("ga4"), {b"\xff|x|y": b"noise", b"more": b"noise"})
    (entry,) = await store.buffer.claim("ga4", 9, 0)
    assert entry.sealed == b"noise"
    assert await store.buffer.settle("ga4", [(entry, Dead("unknown_format"))]) == 1
    assert (await read_balance(store.client, [])).unaccounted == 1


async def test_an_emptied_store_works_again_at_once(store: ValkeyStore) -> None:
    await store.buffer.append([event("ga4")])
    await store.buffer.claim("ga4", 9, 0)
    await store.client.flushall()
    assert await store.buffer.claim("ga4", 9, 10) == []
    await store.buffer.append([event("ga4")])
    assert len(await store.buffer.claim("ga4", 9, 10)) == 1


async def test_a_store_emptied_during_a_blocking_claim_is_no_error(store: ValkeyStore) -> None:
    await store.buffer.claim("ga4", 1, 0)
    waiting = asyncio.create_task(store.buffer.claim("ga4", 1, 900))
    await asyncio.sleep(0.05)
    await store.client.flushall()
    await store.buffer.append([event("ga4")])
    assert len(await waiting) == 1


async def test_another_consumer_takes_over_what_has_been_idle_too_long(store: ValkeyStore) -> None:
    await store.buffer.append([event("ga4") for _ in range(5)])
    mine = await store.buffer.claim("ga4", 9, 0)
    other = store.consumer("deliver-1", reclaim_idle_ms=50)
    assert await other.claim("ga4", 9, 0) == []
    await asyncio.sleep(0.06)
    store.clock.now_s += 1
    taken = [entry for _ in range(3) for entry in await other.claim("ga4", 2, 0)]
    assert {entry.id for entry in taken} == {entry.id for entry in mine}
    assert await other.settle("ga4", [(entry, HandedOver()) for entry in taken]) == 5
    assert await store.buffer.settle("ga4", [(entry, HandedOver()) for entry in mine]) == 0


async def test_what_is_in_work_here_is_not_claimed_here_again(store: ValkeyStore) -> None:
    slow = store.consumer("deliver-0", reclaim_idle_ms=10)
    await slow.append([event("ga4")])
    (entry,) = await slow.claim("ga4", 9, 0)
    await asyncio.sleep(0.02)
    store.clock.now_s += 1
    assert await slow.claim("ga4", 9, 0) == []
    assert await slow.settle("ga4", [(entry, HandedOver())]) == 1


async def test_what_was_handed_over_is_not_claimed_here_again_while_its_settling_fails(
    store: ValkeyStore, store_url: str
) -> None:
    """The vendor has it; the store was away when that was to be noted, for longer than entries may lie idle."""
    impatient = connect_readers(store_url, 0.05)
    buffer = RedisBuffer(impatient, reclaim_idle_ms=10, clock=store.clock)
    await store.buffer.append([event("ga4")])
    (entry,) = await buffer.claim("ga4", 9, 0)
    await store.client.client_pause(2000, all=False)
    with pytest.raises(StoreUnavailable):
        await buffer.settle("ga4", [(entry, Retry(2**42))])
    await store.client.client_unpause()
    store.clock.now_s += 1
    assert await buffer.claim("ga4", 9, 0) == []
    await impatient.aclose()


async def test_an_entry_deleted_behind_our_back_is_skipped_after_a_crash(store: ValkeyStore) -> None:
    await store.buffer.append([event("ga4"), event("ga4")])
    gone, left = await store.buffer.claim("ga4", 9, 0)
    await store.client.xdel(keyspace.stream("ga4"), gone.id)
    await store.crash()
    assert [entry.id for entry in await store.buffer.claim("ga4", 9, 0)] == [left.id]
    assert (await store.client.xpending(keyspace.stream("ga4"), keyspace.GROUP))["pending"] == 1


async def test_scripts_are_loaded_again_by_a_server_that_forgot_them(store: ValkeyStore) -> None:
    await store.client.script_flush()
    await store.buffer.append([event("ga4")])
    (entry,) = await store.buffer.claim("ga4", 9, 0)
    await store.client.script_flush()
    assert await store.buffer.settle("ga4", [(entry, Retry(0))]) == 1
    await store.client.script_flush()
    assert len(await store.buffer.claim("ga4", 9, 0)) == 1


async def test_a_destination_keeps_its_mark_whatever_order_a_process_first_sees_it_in(
    store: ValkeyStore,
) -> None:
    item = event("ga4", "meta")
    await store.buffer.append([item])
    other = store.consumer("deliver-1")
    await other.append([event("stdout"), event("meta")])
    assert await other.append([event("meta", "ga4", "stdout", digest=item.digest)]) == [(False, False, True)]


async def test_the_32nd_destination_name_is_refused_and_nothing_of_it_is_stored(store: ValkeyStore) -> None:
    for number in range(31):
        await store.consumer("c").append([event(f"d{number}")])
    with pytest.raises(ResponseError, match="31 destination names"):
        await store.consumer("c").append([event("one-more")])
    assert await store.client.xlen(keyspace.stream("one-more")) == 0


async def test_an_append_whose_answer_was_lost_can_be_repeated(store: ValkeyStore, producer: redis.Redis) -> None:
    flush = [event("ga4", "meta") for _ in range(5)]
    buffer = RedisBuffer(producer)
    await buffer.append([event("ga4")])
    await store.client.client_pause(500, all=False)
    with pytest.raises(StoreUnavailable, match="no answer"):
        await buffer.append(flush)
    await store.client.client_unpause()
    await asyncio.sleep(0.05)
    outcome = await buffer.append(flush)
    assert outcome in ([(True, True)] * 5, [(False, False)] * 5)
    assert await store.pending("meta") == 5
    assert await buffer.append(flush) == [(False, False)] * 5


async def test_concurrent_callers_share_flushes_and_every_record_arrives_once(
    store: ValkeyStore, producer: redis.Redis
) -> None:
    sizes: list[int] = []
    buffer = RedisBuffer(producer)

    async def flush(items: list[Append]) -> list[tuple[bool, ...]]:
        sizes.append(len(items))
        return await buffer.append(items)

    group = GroupCommit(flush, max_weight=64)
    running = asyncio.create_task(group.run())
    items = [event("ga4", "meta") for _ in range(300)]
    answers = await asyncio.gather(*(group.submit(item) for item in [*items, *items]))
    await group.close()
    await running
    assert answers == [(True, True)] * 300 + [(False, False)] * 300
    assert max(sizes) == 64
    assert [entry.sealed for entry in await store.buffer.claim("meta", 999, 0)] == [item.sealed[1] for item in items]


async def test_a_store_that_is_away_is_unavailable(tmp_path: Path) -> None:
    for make in (connect, connect_readers):
        client = make(f"unix://{tmp_path}/nobody.sock", 0.2)
        buffer = RedisBuffer(client)
        with pytest.raises(StoreUnavailable):
            await buffer.append([event("ga4")])
        with pytest.raises(StoreUnavailable):
            await buffer.claim("ga4", 1, 0)
        await client.aclose()


async def test_a_full_store_refuses_new_records_and_still_lets_old_ones_out(
    store: ValkeyStore, producer: redis.Redis
) -> None:
    await store.buffer.append([event("ga4"), event("ga4")])
    one, two = await store.buffer.claim("ga4", 9, 0)
    await store.client.config_set("maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailable, match="refuses"):
            await RedisBuffer(producer).append([event("ga4")])
        assert await store.buffer.settle("ga4", [(one, HandedOver()), (two, Retry(0))]) == 2
        (again,) = await store.buffer.claim("ga4", 9, 0)
        assert await store.buffer.settle("ga4", [(again, HandedOver())]) == 1
    finally:
        await store.client.config_set("maxmemory", "0")
    assert (await store.counters())["handed_over|ga4|shop"] == 2


async def test_a_stream_of_another_type_fails_the_flush_but_not_what_came_before_it(
    store: ValkeyStore,
) -> None:
    await store.client.set(keyspace.stream("meta"), "foreign")
    item = event("ga4", "meta")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await store.buffer.append([item])
    await store.client.delete(keyspace.stream("meta"))
    assert await store.buffer.append([item]) == [(False, True)]
    assert await store.counters() == {"accepted|ga4|shop": 1, "accepted|meta|shop": 1}


async def test_a_claim_never_blocks_longer_than_half_the_socket_timeout(store_url: str) -> None:
    client = connect_readers(store_url, 0.4)
    started = asyncio.get_running_loop().time()
    assert await RedisBuffer(client).claim("nothing", 1, 60_000) == []
    assert asyncio.get_running_loop().time() - started < 0.4
    await client.aclose()


async def test_every_key_that_was_written_has_a_class_and_the_promised_end(store: ValkeyStore) -> None:
    await store.buffer.append([event("ga4", "meta")])
    for name in ("ga4", "meta"):
        for entry in await store.buffer.claim(name, 9, 0):
            await store.buffer.settle(name, [(entry, Retry(2**42))])
    for key in await command(store.client, "KEYS", "*"):
        row = keyspace.class_of(key)
        assert row is not None, key
        assert (await store.client.pttl(key) > 0) == row.expires, key
