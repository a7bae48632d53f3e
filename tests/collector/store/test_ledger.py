"""Which choice holds: one table, read by the Python code and by the script in the store."""

import json
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from collector.store import keyspace
from collector.store.buffer import Append, RedisBuffer
from collector.store.ledger import Ledger
from collector.store.rows import Row, argument, decode, encode, gathered, newest, others, siblings_of
from consent.kinds import KINDS
from consent.model import EVERYTHING, NOTHING, Choice, purposes

pytestmark = pytest.mark.anyio

TABLE = json.loads((Path(__file__).parent / "fixtures" / "choices.json").read_text(encoding="utf-8"))
SUBJECT = bytes(range(16))


def choice(said: dict[str, Any]) -> Choice:
    return Choice(said["decided_ms"], {who: purposes(what) for who, what in said["granted"].items()})


def siblings(said: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(name.encode().ljust(16) for name in said.get("siblings", ()))


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["title"])
async def test_the_choice_that_holds_is_the_same_in_python_and_in_the_store(
    case: dict[str, Any], client: redis.Redis
) -> None:
    ledger = Ledger(client)
    stored = case["stored"] and choice(case["stored"])
    row = Row(SUBJECT, choice(case["write"]), case["write"]["lowers"], siblings(case["write"]))
    if stored:
        await ledger.record([Row(SUBJECT, stored, lowers=False, siblings=siblings(case["stored"]))])
    await ledger.record([row])
    expected = choice(case["expect"])
    assert newest(stored, row) == expected
    assert await ledger.latest([SUBJECT]) == [expected]
    linked = siblings_of(await client.get(keyspace.choice(SUBJECT)) or b"")
    assert linked == gathered(siblings(case["stored"] or {}), row.siblings) == siblings(case["expect"])


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


async def test_a_row_of_a_single_event_outlives_its_records_and_no_more(client: redis.Redis) -> None:
    long_lived = b"l" * 16
    brief = Row(SUBJECT, Choice(5, {}), lowers=False, brief=True)
    lowering = Row(b"b" * 16, Choice(5, {"google": NOTHING}), lowers=True, brief=True)
    await Ledger(client).record([brief, Row(long_lived, Choice(5, {}), lowers=False), lowering])
    for subject in (SUBJECT, b"b" * 16):
        left = await client.ttl(keyspace.choice(subject))
        assert keyspace.BRIEF_LEDGER_SECONDS - 60 < left <= keyspace.BRIEF_LEDGER_SECONDS
    assert await client.ttl(keyspace.choice(long_lived)) > keyspace.BRIEF_LEDGER_SECONDS
    longest = max(kind.max_age.total_seconds() for kind in KINDS.values())
    assert longest + 86_400 <= keyspace.BRIEF_LEDGER_SECONDS


async def test_a_new_sibling_alone_does_not_extend_the_life_of_a_row(client: redis.Redis) -> None:
    ledger, said = Ledger(client), Choice(5, {"google": EVERYTHING})
    await ledger.record([Row(SUBJECT, said, lowers=False)])
    await client.expire(keyspace.choice(SUBJECT), 100)
    await ledger.record([Row(SUBJECT, said, lowers=False, siblings=(b"c" * 16,))])
    assert siblings_of(await client.get(keyspace.choice(SUBJECT)) or b"") == (b"c" * 16,)
    assert 0 < await client.ttl(keyspace.choice(SUBJECT)) <= 100


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


def test_the_text_of_a_row_with_siblings_is_what_the_documentation_says() -> None:
    row = Row(b"s" * 16, Choice(7, {"google": EVERYTHING}), lowers=True, siblings=(SUBJECT, b"\xff" * 16), brief=True)
    text = argument(row, encode(row.choice))
    assert text == f"37|google=127|000102030405060708090a0b0c0d0e0f,{'ff' * 16}"
    assert decode(text[1:].encode()) == row.choice
    assert siblings_of(text[1:].encode()) == row.siblings


@pytest.mark.parametrize("text", [b"7|google=127", b"7|google=127|", b"7|google=127|zz", b"\xff|x|y", b""])
def test_a_row_without_readable_siblings_has_none(text: bytes) -> None:
    assert [one for one in siblings_of(text) if one] == []


# ── Linked identifiers ────────────────────────────────────────────────────────────────────────────

CHOICE_ID, CLIENT_ID, USER_ID, OTHER_CLIENT, STRANGER = (name * 16 for name in (b"a", b"c", b"u", b"d", b"x"))
NOW_MS = 1_763_719_200_000
YES = Choice(NOW_MS - 1000, {"google": EVERYTHING, "meta": EVERYTHING})


async def test_what_was_stated_together_is_found_from_sibling_to_sibling(client: redis.Redis) -> None:
    ledger = Ledger(client)
    for pair in ((CLIENT_ID, USER_ID), (USER_ID, CHOICE_ID), (CHOICE_ID, OTHER_CLIENT)):
        await ledger.record([Row(one, YES, lowers=False, siblings=others(one, pair)) for one in pair])
    await ledger.record([Row(STRANGER, YES, lowers=False)])
    everybody = [CLIENT_ID, USER_ID, CHOICE_ID, OTHER_CLIENT]
    assert await ledger.linked([CLIENT_ID]) == dict.fromkeys(everybody, YES)
    assert await ledger.linked([b"n" * 16, STRANGER]) == {b"n" * 16: None, STRANGER: YES}
    assert await ledger.linked([]) == {}


async def test_rows_may_be_given_fewer_days_than_usual(client: redis.Redis) -> None:
    await Ledger(client).record([Row(SUBJECT, YES, lowers=False)], lives_s=1000)
    assert 0 < await client.ttl(keyspace.choice(SUBJECT)) <= 1000


async def test_an_append_carries_siblings_and_short_lives_as_well(client: redis.Redis) -> None:
    linked = Row(CHOICE_ID, YES, lowers=False, siblings=(CLIENT_ID,))
    brief = Row(STRANGER, YES, lowers=False, brief=True)
    await RedisBuffer(client).append([Append("shop", b"0123456789", ("ga4",), (b"sealed",), (linked, brief))])
    assert siblings_of(await client.get(keyspace.choice(CHOICE_ID)) or b"") == (CLIENT_ID,)
    assert await client.ttl(keyspace.choice(CHOICE_ID)) > keyspace.BRIEF_LEDGER_SECONDS
    assert 0 < await client.ttl(keyspace.choice(STRANGER)) <= keyspace.BRIEF_LEDGER_SECONDS


# ── Receipts ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_receipt_is_kept_for_its_time_and_never_replaced(client: redis.Redis) -> None:
    ledger = Ledger(client)
    await ledger.put_receipt("r-1", b"first", 1000)
    await ledger.put_receipt("r-1", b"second", 1000)
    assert await ledger.get_receipt("r-1") == b"first"
    assert 0 < await client.ttl(keyspace.receipt("r-1")) <= 1000
    assert await ledger.get_receipt("r-2") is None
