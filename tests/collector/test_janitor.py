"""The janitor's duties on a real Valkey, with the hours passing as arguments."""

import json
import logging
import time
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
from collector.store.restoring import NotRestored, RestoredLedger
from collector.store.rows import Row
from collector.store.withdrawal_book import WithdrawalBook
from consent.model import NOTHING, Choice
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
    return Append("shop", number.to_bytes(10, "big"), destinations, (b"sealed",) * len(destinations))


async def test_the_first_round_does_everything_and_the_next_only_what_is_due(janitor: Janitor, logs: list[Any]) -> None:
    names = [name for name, _, _ in janitor.duties()]
    await janitor.round(1000.0)
    assert janitor.done == dict.fromkeys(names, 1000.0)
    await janitor.round(1029.0)
    assert {name for name, done in janitor.done.items() if done == 1029.0} == {"withdrawals"}
    await janitor.round(1030.0)
    half_a_minute = {"keys", "withdrawals", "missing_withdrawals", "balance"}
    assert {name for name, done in janitor.done.items() if done == 1030.0} == half_a_minute
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


async def test_decision_records_end_after_the_days_of_their_class(janitor: Janitor, logs: list[Any]) -> None:
    folder = janitor.settings.var / "decisions" / "serve"
    folder.mkdir(parents=True)
    for days in (29, 31, 89, 91):
        for kind in ("refused", "kept"):
            (folder / f"{kind}-{datetime.now(UTC) - timedelta(days=days):%Y%m%d%H}").touch()
    await janitor.end_decision_records()
    left = sorted(file.name.partition("-")[0] for file in folder.iterdir())
    assert left == ["kept", "kept", "kept", "refused"]
    assert [(one["event"], one["files"]) for one in logs] == [("decision_records_ended", 4)]
    await janitor.end_decision_records()
    assert len(logs) == 1


async def test_withdrawals_come_back_to_an_emptied_store_before_anything_may_leave(
    janitor: Janitor, client: redis.Redis, logs: list[Any]
) -> None:
    no, subject = Choice(time.time_ns() // 1_000_000, {"google": NOTHING}), b"s" * 16
    book = WithdrawalBook(janitor.settings.var / "withdrawals", "serve")
    await book.keep("shop", [Row(subject, no, lowers=False)])
    delivery = RestoredLedger(client)
    with pytest.raises(NotRestored):
        await delivery.latest([subject])
    await janitor.round(1000.0)
    assert await delivery.latest([subject]) == [no]
    await client.flushall()
    with pytest.raises(NotRestored):
        await delivery.latest([subject])
    await janitor.round(1001.0)
    assert await delivery.latest([subject]) == [no]
    assert [one["count"] for one in logs if one["event"] == "withdrawals_restored"] == [1, 1]
    book.close()


async def test_on_a_first_start_delivery_may_begin_at_once(
    janitor: Janitor, client: redis.Redis, logs: list[Any]
) -> None:
    await janitor.round(1000.0)
    assert await RestoredLedger(client).latest([b"s" * 16]) == [None]
    assert "withdrawals_restored" not in events(logs)


async def test_a_missing_withdrawal_is_named_and_put_back(
    janitor: Janitor, client: redis.Redis, logs: list[Any]
) -> None:
    a_minute_ago_s = time.time() - 60
    no, subject = Choice(int(a_minute_ago_s * 1000), {"google": NOTHING}), b"s" * 16
    book = WithdrawalBook(janitor.settings.var / "withdrawals", "serve", lambda: a_minute_ago_s)
    await janitor.round(1000.0)
    await book.keep("shop", [Row(subject, no, lowers=False)])
    await janitor.round(1030.0)
    assert events(logs)[-2:] == ["withdrawals_missing", "withdrawals_restored"]
    assert await RestoredLedger(client).latest([subject]) == [no]
    book.close()


async def test_withdrawals_that_cannot_be_read_keep_delivery_closed(
    janitor: Janitor, client: redis.Redis, logs: list[Any]
) -> None:
    (janitor.settings.var / "withdrawals" / "serve" / "20261121").mkdir(parents=True)
    await janitor.round(1000.0)
    failed = {entry["duty"] for entry in logs if entry["event"] == "duty_failed"}
    assert failed == {"missing_withdrawals", "withdrawals"}
    with pytest.raises(NotRestored):
        await RestoredLedger(client).latest([b"s" * 16])


async def test_files_of_withdrawals_end(janitor: Janitor, logs: list[Any]) -> None:
    folder = janitor.settings.var / "withdrawals" / "serve"
    folder.mkdir(parents=True)
    for days in (10, 397, 400):
        (folder / f"{datetime.now(UTC) - timedelta(days=days):%Y%m%d}").touch()
    await janitor.end_withdrawals()
    assert len(list(folder.iterdir())) == 1
    assert [(one["event"], one["files"]) for one in logs] == [("withdrawals_ended", 2)]


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
    files_only = {"keys", "expired_keys", "decision_records", "missing_withdrawals", "ended_withdrawals"}
    assert set(janitor.done) == files_only
    waiting = {entry["duty"] for entry in logs if entry["event"] == "store_unavailable"}
    assert waiting == {"withdrawals", "balance", "dead_letters", "removed_destinations", "rewrite"}
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
