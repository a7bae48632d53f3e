"""Since when each recipient of a site is configured."""

import asyncio

import pytest
import redis.asyncio as redis

from collector.store import keyspace
from collector.store.connection import StoreUnavailable, connect_readers
from collector.store.recipients import first_named
from consent.policy import ConsentSource, SitePolicy

pytestmark = pytest.mark.anyio
START_MS, LATER_MS = 1_763_719_200_000, 1_763_805_600_000


async def test_those_of_the_first_start_were_there_from_the_beginning(client: redis.Redis) -> None:
    assert await first_named(client, "shop", ["google", "meta"], START_MS) == {"google": 0, "meta": 0}
    assert await first_named(client, "shop", ["google", "meta"], LATER_MS) == {"google": 0, "meta": 0}


async def test_one_that_is_added_later_counts_from_then_on(client: redis.Redis) -> None:
    await first_named(client, "shop", ["google"], START_MS)
    since = {"google": 0, "tiktok": LATER_MS}
    assert await first_named(client, "shop", ["google", "tiktok"], LATER_MS) == since
    assert await first_named(client, "shop", ["google", "tiktok"], LATER_MS + 1) == since


async def test_a_site_that_began_without_recipients_had_none_from_the_beginning(client: redis.Redis) -> None:
    assert await first_named(client, "shop", [], START_MS) == {}
    assert await first_named(client, "shop", ["google"], LATER_MS) == {"google": LATER_MS}


async def test_one_that_comes_back_is_new_also_where_it_was_the_only_one(client: redis.Redis) -> None:
    await first_named(client, "shop", ["meta"], START_MS)
    assert await first_named(client, "shop", [], START_MS + 1) == {}
    assert await first_named(client, "shop", ["meta"], LATER_MS) == {"meta": LATER_MS}


async def test_sites_have_histories_of_their_own(client: redis.Redis) -> None:
    await first_named(client, "shop", ["google"], START_MS)
    assert await first_named(client, "blog", ["google", "meta"], LATER_MS) == {"google": 0, "meta": 0}


async def test_several_that_start_at_once_agree(client: redis.Redis) -> None:
    await first_named(client, "shop", ["google"], START_MS)
    asked = [first_named(client, "shop", ["google", "meta"], LATER_MS + late) for late in range(8)]
    (since,) = {tuple(sorted(found.items())) for found in await asyncio.gather(*asked)}
    assert dict(since) == {"google": 0, "meta": LATER_MS}


async def test_a_history_has_no_end_and_its_key_a_class(client: redis.Redis) -> None:
    await first_named(client, "shop", ["google"], START_MS)
    (key,) = await client.keys("*")
    assert key == keyspace.recipients("shop")
    assert await client.ttl(key) == -1


async def test_without_the_store_there_is_no_answer() -> None:
    away = connect_readers("unix:///nowhere/none.sock", 0.2, 1)
    with pytest.raises(StoreUnavailable):
        await first_named(away, "shop", ["google"], START_MS)
    await away.aclose()


async def test_a_choice_covers_whom_the_history_says_and_without_one_everybody(client: redis.Redis) -> None:
    """What it is for, with its negative control."""
    recipients = frozenset({"google", "tiktok"})
    await first_named(client, "shop", ["google"], START_MS)
    since = await first_named(client, "shop", recipients, LATER_MS)

    def policy(history: dict[str, int]) -> SitePolicy:
        return SitePolicy(
            site="shop",
            establishment="BE",
            consent_source=ConsentSource.PAGE,
            recipients=recipients,
            since=history,
        )

    assert policy(since).covered(None, LATER_MS - 1) == {"google"}
    assert policy(since).covered(None, LATER_MS) == recipients
    assert policy({}).covered(None, LATER_MS - 1) == recipients
