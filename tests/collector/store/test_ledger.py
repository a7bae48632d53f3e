"""Which choice holds: one table, read by the Python code and by the script in the store."""

import json
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from collector.store import keyspace
from collector.store.ledger import Ledger
from collector.store.rows import Row, decode, encode, newest
from consent.model import EVERYTHING, NOTHING, Choice, purposes

pytestmark = pytest.mark.anyio

TABLE = json.loads((Path(__file__).parent / "fixtures" / "choices.json").read_text(encoding="utf-8"))
SUBJECT = bytes(range(16))


def choice(said: dict[str, Any]) -> Choice:
    return Choice(said["decided_ms"], {who: purposes(what) for who, what in said["granted"].items()})


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["title"])
async def test_the_choice_that_holds_is_the_same_in_python_and_in_the_store(
    case: dict[str, Any], client: redis.Redis
) -> None:
    ledger = Ledger(client)
    stored = case["stored"] and choice(case["stored"])
    row = Row(SUBJECT, choice(case["write"]), case["write"]["lowers"])
    if stored:
        await ledger.record([Row(SUBJECT, stored, lowers=False)])
    await ledger.record([row])
    expected = choice(case["expect"])
    assert newest(stored, row) == expected
    assert await ledger.latest([SUBJECT]) == [expected]


async def test_rows_of_one_call_apply_one_after_the_other(client: redis.Redis) -> None:
    ledger = Ledger(client)
    accepted, refused = Choice(1, {"google": EVERYTHING}), Choice(2, {"google": NOTHING})
    await ledger.record([Row(SUBJECT, refused, lowers=False), Row(SUBJECT, accepted, lowers=False)])
    assert await ledger.latest([SUBJECT]) == [refused]


async def test_a_look_up_answers_in_order_and_none_for_the_unknown(client: redis.Redis) -> None:
    ledger = Ledger(client)
    known = Choice(5, {"meta": EVERYTHING})
    await ledger.record([Row(SUBJECT, known, lowers=False)])
    assert await ledger.latest([b"u" * 16, SUBJECT, b"v" * 16]) == [None, known, None]
    assert await ledger.latest([]) == []


async def test_a_row_ends_after_395_days(client: redis.Redis) -> None:
    await Ledger(client).record([Row(SUBJECT, Choice(5, {}), lowers=False)])
    left = await client.ttl(keyspace.choice(SUBJECT))
    assert 395 * 86_400 - 60 < left <= 395 * 86_400


async def test_the_same_row_again_does_not_extend_its_life(client: redis.Redis) -> None:
    ledger, row = Ledger(client), Row(SUBJECT, Choice(5, {"google": EVERYTHING}), lowers=False)
    await ledger.record([row])
    await client.expire(keyspace.choice(SUBJECT), 100)
    await ledger.record([row])
    assert await client.ttl(keyspace.choice(SUBJECT)) <= 100


@pytest.mark.parametrize("text", [b"", b"x|google=1", b"5|google", b"5|google=x", b"\xff|", b"5|google=1=2"])
async def test_an_unreadable_row_grants_nothing_and_a_new_act_replaces_it(text: bytes, client: redis.Redis) -> None:
    assert not decode(text).granted
    ledger, act = Ledger(client), Choice(9, {"google": EVERYTHING})
    await client.set(keyspace.choice(SUBJECT), text)
    await ledger.record([Row(SUBJECT, Choice(4, {"google": EVERYTHING}), lowers=True)])
    assert not any((await ledger.latest([SUBJECT]))[0].granted.values())  # type: ignore[union-attr]
    await ledger.record([Row(SUBJECT, act, lowers=False)])
    assert await ledger.latest([SUBJECT]) == [act]


def test_the_text_of_a_row_is_what_the_documentation_says() -> None:
    said = Choice(1763719080000, {"meta": purposes(["ad_user_data"]), "google": purposes(["ad_storage"])})
    assert encode(said) == "1763719080000|google=1,meta=4"
    assert decode(b"1763719080000|google=1,meta=4") == said


async def test_a_receipt_is_kept_for_its_time_and_never_replaced(client: redis.Redis) -> None:
    ledger = Ledger(client)
    await ledger.put_receipt("r-1", b"first", 1000)
    await ledger.put_receipt("r-1", b"second", 1000)
    assert await ledger.get_receipt("r-1") == b"first"
    assert 0 < await client.ttl(keyspace.receipt("r-1")) <= 1000
    assert await ledger.get_receipt("r-2") is None
