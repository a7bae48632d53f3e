"""Counts of what consent answered: each flush once, each day with an end, whatever happens to an answer on its way."""

from collections import Counter
from typing import Any

import pytest
import redis.asyncio as redis

from collector.store import keyspace
from collector.store.connection import StoreUnavailable, connect_readers
from collector.store.consent_counts import GRANTED, Said, count_consent, read_consent
from collector.store.handover import Handover

pytestmark = pytest.mark.anyio
YES = Said("shop", "google", "analytics_storage", "BE", "site", GRANTED)
SILENT = Said("shop", "meta", "ad_storage", "", "", "choice_unknown")


async def test_counts_of_a_day_add_up_and_days_are_apart(client: redis.Redis) -> None:
    await count_consent(client, "20261121", {YES: 2, SILENT: 1})
    await count_consent(client, "20261121", {YES: 3})
    await count_consent(client, "20261122", {SILENT: 4})
    assert await read_consent(client, ["20261121"]) == {YES: 5, SILENT: 1}
    assert await read_consent(client, ["20261121", "20261122", "20261123"]) == {YES: 5, SILENT: 5}


async def test_a_flush_that_is_handed_in_again_counts_once(client: redis.Redis) -> None:
    for _ in range(3):
        await count_consent(client, "20261121", {YES: 2}, flush_id="f1")
    await count_consent(client, "20261121", {YES: 2}, flush_id="f2")
    assert await read_consent(client, ["20261121"]) == {YES: 4}


async def test_every_key_that_is_written_has_an_end_and_a_class(client: redis.Redis) -> None:
    await count_consent(client, "20261121", {YES: 1}, flush_id="f1")
    await count_consent(client, "20261121", {})
    keys = await client.keys("*")
    assert set(keys) == {keyspace.consent("20261121"), keyspace.flush("f1")}
    for key in keys:
        row = keyspace.class_of(key)
        assert row is not None
        assert row.expires
    assert 89 * 86_400 < await client.ttl(keyspace.consent("20261121")) <= 90 * 86_400


async def test_a_store_that_is_away_is_said() -> None:
    away = connect_readers("unix:///nowhere/none.sock", 0.2, 1)
    with pytest.raises(StoreUnavailable):
        await count_consent(away, "20261121", {YES: 1})
    with pytest.raises(StoreUnavailable):
        await read_consent(away, ["20261121"])
    await away.aclose()


class Gathered:
    """Counts that gather, and a store that takes them, or takes them and loses its answer, or is away."""

    def __init__(self, *moods: str) -> None:
        self.gathering = Counter[str]()
        self.moods = list(moods)
        self.calls: list[tuple[Any, str]] = []

    def take(self) -> dict[str, int]:
        taken = dict(self.gathering)
        self.gathering.clear()
        return taken

    async def send(self, counted: dict[str, int], flush_id: str) -> None:
        self.calls.append((counted, flush_id))
        if self.moods and self.moods.pop(0) == "silent":
            raise StoreUnavailable("no answer")


async def test_what_was_not_answered_is_handed_over_again_under_its_id_before_anything_else() -> None:
    gathered = Gathered("silent", "silent", "well")
    counts = Handover(gathered.take, gathered.send)
    for number in range(4):
        gathered.gathering["events"] += 10**number
        await counts.flush()
    (first, first_id), *again, (rest, rest_id) = gathered.calls
    assert (first, rest) == ({"events": 1}, {"events": 1110})
    assert again == [(first, first_id)] * 2
    assert rest_id != first_id
    await counts.flush()
    assert len(gathered.calls) == 4, "nothing has gathered since"
