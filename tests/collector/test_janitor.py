"""The janitor's duties on a real Valkey, with the hours passing as arguments."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis
import structlog
from structlog.testing import capture_logs

from collector.first_run import lay_down
from collector.janitor import Janitor
from collector.settings import parse
from collector.store import keyspace
from collector.store.balance import read_balance
from collector.store.buffer import Append, Dead, RedisBuffer
from collector.store.connection import connect_readers
from collector.store.keyring import KeyRing, Master
from tests.collector.test_settings import META, MINIMAL

pytestmark = pytest.mark.anyio
TWO = MINIMAL + META


@pytest.fixture
def janitor(tmp_path: Path, client: redis.Redis) -> Janitor:
    settings = parse(TWO, tmp_path / "sluis.toml", {})
    lay_down(settings, datetime.now(UTC) - timedelta(days=1))
    return Janitor(settings, KeyRing.open(settings.keys.dir, Master.load(settings.keys)), client)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with capture_logs() as entries:
        yield entries


def events(logs: list[Any]) -> list[str]:
    return [entry["event"] for entry in logs]


def stored(number: int, *destinations: str) -> Append:
    return Append("shop", number.to_bytes(10, "big"), tuple((name, b"sealed") for name in destinations))


async def test_the_first_round_does_everything_and_the_next_only_what_is_due(janitor: Janitor, logs: list[Any]) -> None:
    names = [name for name, _, _ in janitor.duties()]
    await janitor.round(1000.0)
    assert janitor.done == dict.fromkeys(names, 1000.0)
    await janitor.round(1029.0)
    assert set(janitor.done.values()) == {1000.0}
    await janitor.round(1030.0)
    assert {name for name, done in janitor.done.items() if done == 1030.0} == {"keys", "balance"}
    await janitor.round(1000.0 + 3600)
    assert janitor.done["rewrite"] == 1000.0
    assert {name for name, done in janitor.done.items() if done == 4600.0} == set(names) - {"rewrite"}


async def test_keys_are_made_two_days_ahead_and_old_days_destroyed(janitor: Janitor, logs: list[Any]) -> None:
    old = datetime.now(UTC) - timedelta(days=30)
    janitor.keyring.create_due(old)
    await janitor.make_keys()
    ahead = f"day-{datetime.now(UTC) + timedelta(days=2):%Y%m%d}"
    assert ahead in {key.id for key in janitor.keyring.list()}
    assert janitor.keyring.root(f"day-{old:%Y%m%d}") is not None
    await janitor.destroy_keys()
    left = {key.id for key in janitor.keyring.list()}
    assert ahead in left
    assert f"day-{old:%Y%m%d}" not in left
    assert janitor.keyring.root(f"day-{old:%Y%m%d}") is None
    destroyed = {entry["key_id"] for entry in logs if entry["event"] == "key_destroyed"}
    assert f"day-{old:%Y%m%d}" in destroyed


async def test_a_store_that_was_emptied_is_named_as_lost(
    janitor: Janitor, client: redis.Redis, logs: list[Any]
) -> None:
    await RedisBuffer(client).append([stored(1, "ga4", "meta"), stored(2, "ga4")])
    await janitor.copy_balance()
    assert events(logs) == []
    await client.flushall()
    await janitor.copy_balance()
    lost = {entry["destination"]: entry["count"] for entry in logs if entry["event"] == "lost_external"}
    assert lost == {"ga4": 2, "meta": 1}
    assert {entry["log_level"] for entry in logs} == {"critical"}
    logs.clear()
    await janitor.copy_balance()
    assert events(logs) == []


async def test_dead_letters_end_after_their_days_and_not_before(
    janitor: Janitor, client: redis.Redis, logs: list[Any]
) -> None:
    buffer = RedisBuffer(client)
    await buffer.append([stored(1, "meta")])
    (entry,) = await buffer.claim("meta", 10, 0)
    await buffer.settle("meta", [(entry, Dead("http_400"))])
    eight_days_ago = int((datetime.now(UTC) - timedelta(days=8)).timestamp() * 1000)
    await client.xadd(keyspace.dead("ga4"), {"cause": "http_400"}, id=f"{eight_days_ago}-0")
    await buffer.append([stored(2, "ga4")])
    await janitor.end_dead_letters()
    assert await client.xlen(keyspace.dead("meta")) == 1
    assert await client.xlen(keyspace.dead("ga4")) == 0
    assert [(one["destination"], one["count"]) for one in logs if one["event"] == "dead_letters_ended"] == [("ga4", 1)]


async def test_what_waits_for_a_removed_destination_is_settled_with_a_reason(
    janitor: Janitor, client: redis.Redis, logs: list[Any]
) -> None:
    await RedisBuffer(client).append([stored(number, "gone", "ga4") for number in range(5)])
    await janitor.settle_removed()
    balance = await read_balance(client, janitor.settings.destination)
    gone = balance.destinations["gone"].sites["shop"]
    assert (gone.accepted, gone.dropped, gone.pending) == (5, {"destination_removed": 5}, 0)
    assert balance.destinations["ga4"].waiting == 5
    assert balance.unaccounted == 0
    logs.clear()
    await janitor.settle_removed()
    assert events(logs) == []


async def test_the_append_only_file_is_rewritten(janitor: Janitor, logs: list[Any]) -> None:
    await janitor.rewrite()
    assert events(logs)[0] in ("rewrite_started", "rewrite_under_way")


async def test_a_store_that_is_away_delays_its_duties_and_no_others(janitor: Janitor, logs: list[Any]) -> None:
    away = connect_readers(f"unix://{janitor.settings.var}/none.sock", 0.2, 1)
    janitor.client = away
    await janitor.round(1000.0)
    assert set(janitor.done) == {"keys", "expired_keys"}
    waiting = {entry["duty"] for entry in logs if entry["event"] == "store_unavailable"}
    assert waiting == {"balance", "dead_letters", "removed_destinations", "rewrite"}
    await away.aclose()


async def test_keys_that_cannot_be_used_stop_no_other_duty(janitor: Janitor, logs: list[Any]) -> None:
    janitor.settings.keys.dir.chmod(0o755)
    await janitor.round(1000.0)
    assert "keys" not in janitor.done
    assert "balance" in janitor.done
    assert [entry["duty"] for entry in logs if entry["event"] == "duty_failed"] == ["keys"]


async def test_the_copy_of_the_balance_holds_counters_and_nothing_else(janitor: Janitor, client: redis.Redis) -> None:
    await RedisBuffer(client).append([stored(1, "ga4")])
    await janitor.copy_balance()
    copy = json.loads((janitor.settings.var / "janitor" / "balance.json").read_text(encoding="utf-8"))
    assert copy["destinations"]["ga4"]["sites"] == {
        "shop": {"accepted": 1, "handed_over": 0, "dropped": {}, "dead": {}, "pending": 1}
    }
    assert "sealed" not in json.dumps(copy)
    assert logging.getLogger("collector").handlers == []
