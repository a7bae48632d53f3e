"""The contract of the buffer, held against the one in memory and the one in a real Valkey."""

import random
from collections import Counter

import pytest
import redis.asyncio as redis

from collector.store.buffer import Dead, Dropped, Entry, Fate, HandedOver, Retry, Row
from consent.model import EVERYTHING, NOTHING, Choice
from tests.collector.store.stores import WINDOW_MS, MemoryStore, Store, ValkeyStore, event

pytestmark = pytest.mark.anyio
SIX_HOURS_MS = 6 * 3_600_000


@pytest.fixture(params=["memory", "valkey"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, client: redis.Redis) -> Store:
    return MemoryStore(SIX_HOURS_MS) if kind == "memory" else ValkeyStore(client, SIX_HOURS_MS)


@pytest.fixture
def store_of_short_memory(kind: str, client: redis.Redis) -> Store:
    return MemoryStore(WINDOW_MS) if kind == "memory" else ValkeyStore(client, WINDOW_MS)


async def claim_all(store: Store, destination: str) -> list[Entry]:
    entries: list[Entry] = []
    while found := await store.buffer.claim(destination, 7, 0):
        entries += found
    return entries


async def test_what_is_appended_is_claimed_in_order_with_its_site_and_bytes(store: Store) -> None:
    first, second = event("ga4", "meta"), event("ga4", site="blog")
    assert await store.buffer.append([first, second]) == [(True, True), (True,)]
    entries = await claim_all(store, "ga4")
    assert [(e.destination, e.site, e.attempt, e.sealed) for e in entries] == [
        ("ga4", "shop", 0, first.sealed[0]),
        ("ga4", "blog", 0, second.sealed[0]),
    ]
    assert all(abs(entry.received_ms - store.clock() * 1000) < 60_000 for entry in entries)
    assert [entry.sealed for entry in await claim_all(store, "meta")] == [first.sealed[1]]


async def test_an_empty_flush_and_an_empty_settlement_do_nothing(store: Store) -> None:
    assert await store.buffer.append([]) == []
    assert await store.buffer.settle("ga4", []) == 0
    assert await store.buffer.claim("ga4", 10, 0) == []


async def test_an_event_appended_again_is_a_duplicate_everywhere(store: Store) -> None:
    item = event("ga4", "meta")
    await store.buffer.append([item])
    assert await store.buffer.append([item]) == [(False, False)]
    assert await store.pending("ga4") == await store.pending("meta") == 1


async def test_an_event_stays_a_duplicate_after_it_was_settled(store: Store) -> None:
    item = event("ga4")
    await store.buffer.append([item])
    await store.buffer.settle("ga4", [(entry, HandedOver()) for entry in await claim_all(store, "ga4")])
    assert await store.buffer.append([item]) == [(False,)]


async def test_only_the_destination_that_lacks_the_event_gets_it(store: Store) -> None:
    item = event("ga4", "meta")
    await store.buffer.append([event("ga4", digest=item.digest)])
    assert await store.buffer.append([item]) == [(False, True)]
    assert await store.buffer.append([event("meta", "stdout", digest=item.digest)]) == [(False, True)]
    assert [await store.pending(name) for name in ("ga4", "meta", "stdout")] == [1, 1, 1]


async def test_the_same_event_twice_in_one_flush_counts_once(store: Store) -> None:
    item = event("ga4", "meta")
    again = event("meta", "stdout", digest=item.digest)
    assert await store.buffer.append([item, again, item]) == [(True, True), (False, True), (False, False)]
    assert (await store.counters()) == {
        "accepted|ga4|shop": 1,
        "accepted|meta|shop": 1,
        "accepted|stdout|shop": 1,
    }


async def test_a_flush_repeated_after_an_unknown_outcome_adds_nothing(store: Store) -> None:
    flush = [event("ga4", "meta") for _ in range(50)]
    await store.buffer.append(flush[:20])
    first = await store.buffer.append(flush)
    assert first == [(False, False)] * 20 + [(True, True)] * 30
    assert await store.buffer.append(flush) == [(False, False)] * 50
    assert await store.pending("ga4") == (await store.counters())["accepted|ga4|shop"] == 50


async def test_an_event_is_new_again_after_two_windows_and_not_after_one(
    store_of_short_memory: Store,
) -> None:
    store, item = store_of_short_memory, event("ga4")
    await store.buffer.append([item])
    await store.pass_windows(1)
    assert await store.buffer.append([item]) == [(False,)]
    await store.pass_windows(2)
    assert await store.buffer.append([item]) == [(True,)]


async def test_an_event_without_records_writes_its_rows_and_marks_nothing(store: Store) -> None:
    refused = Choice(5, {"google": NOTHING})
    item = event(rows=[Row(b"s" * 16, refused, lowers=True)])
    assert await store.buffer.append([item]) == [()]
    assert await store.choice(b"s" * 16) == refused
    assert await store.buffer.append([event("ga4", digest=item.digest)]) == [(True,)]


async def test_rows_apply_in_the_order_of_the_flush_even_for_a_duplicate(store: Store) -> None:
    accepted, refused = Choice(1, {"google": EVERYTHING}), Choice(2, {"google": NOTHING})
    item = event("ga4", rows=[Row(b"s" * 16, accepted, lowers=False)])
    await store.buffer.append([item])
    assert await store.choice(b"s" * 16) == accepted
    item.rows = (Row(b"s" * 16, refused, lowers=False), Row(b"s" * 16, accepted, lowers=False))
    assert await store.buffer.append([item]) == [(False,)]
    assert await store.choice(b"s" * 16) == refused


async def test_settling_twice_counts_once(store: Store) -> None:
    await store.buffer.append([event("ga4") for _ in range(3)])
    fates: list[tuple[Entry, Fate]] = [(entry, HandedOver()) for entry in await claim_all(store, "ga4")]
    assert await store.buffer.settle("ga4", [*fates, fates[0]]) == 3
    assert await store.buffer.settle("ga4", fates) == 0
    assert await store.counters() == {"accepted|ga4|shop": 3, "handed_over|ga4|shop": 3}


@pytest.mark.parametrize("second", [HandedOver(), Dropped("withdrawn"), Dead("refused"), Retry(5)], ids=str)
async def test_the_first_fate_of_an_entry_is_its_only_one(second: Fate, store: Store) -> None:
    await store.buffer.append([event("ga4")])
    (entry,) = await claim_all(store, "ga4")
    await store.buffer.settle("ga4", [(entry, Dropped("choice_unknown"))])
    assert await store.buffer.settle("ga4", [(entry, second)]) == 0
    assert await store.counters() == {"accepted|ga4|shop": 1, "dropped:choice_unknown|ga4|shop": 1}
    assert await store.pending("ga4") == 0


async def test_fates_of_one_settlement_are_counted_per_reason_cause_and_site(store: Store) -> None:
    await store.buffer.append([event("ga4", site=site) for site in ("shop", "shop", "blog", "blog")])
    one, two, three, four = await claim_all(store, "ga4")
    fates: list[tuple[Entry, Fate]] = [
        (one, HandedOver()),
        (two, Dropped("withdrawn")),
        (three, Dropped("withdrawn")),
        (four, Dead("rejected")),
    ]
    assert await store.buffer.settle("ga4", fates) == 4
    assert await store.counters() == {
        "accepted|ga4|shop": 2,
        "accepted|ga4|blog": 2,
        "handed_over|ga4|shop": 1,
        "dropped:withdrawn|ga4|shop": 1,
        "dropped:withdrawn|ga4|blog": 1,
        "dead:rejected|ga4|blog": 1,
    }


async def test_a_retry_stays_pending_and_returns_when_it_is_due_with_its_past(store: Store) -> None:
    await store.buffer.append([event("ga4", site="blog")])
    (entry,) = await claim_all(store, "ga4")
    for attempt in (1, 2):
        due_ms = int(store.clock() * 1000) + 5000
        assert await store.buffer.settle("ga4", [(entry, Retry(due_ms))]) == 1
        assert await store.pending("ga4") == 1
        store.clock.now_s += 4.9
        assert await claim_all(store, "ga4") == []
        store.clock.now_s += 0.2
        (again,) = await claim_all(store, "ga4")
        assert (again.attempt, again.site, again.sealed) == (attempt, "blog", entry.sealed)
        assert again.received_ms == entry.received_ms
        entry = again
    assert await store.counters() == {"accepted|ga4|blog": 1}


async def test_no_more_is_claimed_than_asked_for_even_if_more_is_due(store: Store) -> None:
    await store.buffer.append([event("ga4") for _ in range(10)])
    await store.buffer.settle("ga4", [(entry, Retry(0)) for entry in await claim_all(store, "ga4")])
    assert [len(await store.buffer.claim("ga4", 4, 0)) for _ in range(4)] == [4, 4, 2, 0]


async def test_a_dead_letter_keeps_its_cause_site_and_bytes(store: Store) -> None:
    item = event("meta", site="blog")
    await store.buffer.append([item])
    (entry,) = await claim_all(store, "meta")
    assert await store.buffer.settle("meta", [(entry, Dead("invalid_parameter"))]) == 1
    assert await store.dead("meta") == [("invalid_parameter", "blog", item.sealed[0])]
    assert await store.pending("meta") == 0


async def test_after_a_crash_of_the_consumer_its_entries_are_claimed_again_once(store: Store) -> None:
    await store.buffer.append([event("ga4") for _ in range(10)])
    before = await store.buffer.claim("ga4", 6, 0)
    await store.buffer.settle("ga4", [(before[0], HandedOver())])
    await store.crash()
    after = await claim_all(store, "ga4")
    assert len(after) == 9
    assert {entry.sealed for entry in before[1:]} <= {entry.sealed for entry in after}
    assert await claim_all(store, "ga4") == []


async def test_a_claim_waits_for_an_entry_no_longer_than_asked(store: Store) -> None:
    assert await store.buffer.claim("ga4", 1, 30) == []
    await store.buffer.append([event("ga4")])
    assert len(await store.buffer.claim("ga4", 1, 30)) == 1


@pytest.mark.parametrize("seed", range(4))
async def test_every_accepted_record_has_one_fate_after_random_operations(seed: int, store: Store) -> None:
    chance = random.Random(seed)  # noqa: S311 -- a repeatable choice, nothing secret
    names = ("ga4", "meta", "stdout")
    known = [event(*chance.sample(names, chance.randint(1, 3))) for _ in range(5)]
    for _ in range(60):
        known += [event(*chance.sample(names, chance.randint(1, 3)), site=chance.choice(["shop", "blog"]))]
        await store.buffer.append(chance.choices(known, k=chance.randint(1, 6)))
        name = chance.choice(names)
        entries = await store.buffer.claim(name, chance.randint(1, 5), 0)
        fates = (HandedOver(), Dropped("withdrawn"), Dead("rejected"), Retry(0), Retry(2**42))
        given = [(entry, chance.choice(fates)) for entry in entries if chance.random() < 0.8]
        assert await store.buffer.settle(name, given + given[:1]) == len(given)
        if chance.random() < 0.1:
            await store.crash()
    counted: Counter[str] = Counter()
    for text, count in (await store.counters()).items():
        kind, name, _ = text.split("|")
        counted[name] += count if kind == "accepted" else -count
    assert {name: counted[name] for name in names} == {name: await store.pending(name) for name in names}
    assert sum(counted.values()) > 0
