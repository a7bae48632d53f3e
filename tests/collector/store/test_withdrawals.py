"""Withdrawals on a real Valkey: whom they reach, what holds, in which order it is written, and what fails how."""

from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
import redis.asyncio as redis

from collector.intake.site import Site
from collector.settings import parse
from collector.store import keyspace
from collector.store.connection import StoreUnavailable, connect_readers
from collector.store.ledger import Ledger
from collector.store.rows import Row, others, siblings_of
from collector.store.withdrawal_book import NotKept
from collector.store.withdrawals import Withdrawals
from collector.web.sites import Sites
from consent.model import EVERYTHING, NOTHING, Choice
from tests.collector.test_settings import META, MINIMAL

pytestmark = pytest.mark.anyio

CHOICE_ID, CLIENT_ID, USER_ID, OTHER_CLIENT, STRANGER = (name * 16 for name in (b"a", b"c", b"u", b"d", b"x"))
NOW_MS = 1_763_719_200_000
YES = Choice(NOW_MS - 1000, {"google": EVERYTHING, "meta": EVERYTHING})
NO = Choice(NOW_MS, {"google": NOTHING, "meta": NOTHING})
(SHOP,) = Sites(parse(MINIMAL + META, Path("sluis.toml"), {})).all


class NotedBook:
    """Notes what is kept, and what the ledger and the receipts held at that moment."""

    def __init__(self, client: redis.Redis | None = None) -> None:
        self.client = client
        self.kept: list[tuple[str, bytes, Choice]] = []
        self.held: list[Sequence[Choice | None]] = []
        self.receipts = 0
        self.is_full = False

    async def keep(self, site: str, rows: Sequence[Row]) -> None:
        if self.is_full:
            raise NotKept("full")
        self.kept += [(site, row.subject, row.choice) for row in rows]
        if self.client is not None:
            self.held.append(await Ledger(self.client).latest([row.subject for row in rows]))
            self.receipts += len(await self.client.keys("*receipt*"))


@pytest.fixture
def ledger(client: redis.Redis) -> Ledger:
    return Ledger(client)


@pytest.fixture
def book(client: redis.Redis) -> NotedBook:
    return NotedBook(client)


@pytest.fixture
def withdrawals(ledger: Ledger, book: NotedBook) -> Withdrawals:
    return Withdrawals(ledger, book, 1000)


async def seen_together(ledger: Ledger, *subjects: bytes, said: Choice = YES) -> None:
    """An event with these identifiers carried a choice."""
    await ledger.record([Row(one, said, lowers=False, siblings=others(one, subjects)) for one in subjects])


async def reach(withdrawals: Withdrawals, *subjects: bytes, site: Site = SHOP) -> int:
    """Withdraw; how many identifiers it reached."""
    return (await withdrawals.withdraw(site, subjects, NOW_MS)).identifiers


async def test_a_withdrawal_under_one_identifier_reaches_the_others_of_the_visitor(
    ledger: Ledger, withdrawals: Withdrawals
) -> None:
    await seen_together(ledger, CHOICE_ID, CLIENT_ID)
    await seen_together(ledger, STRANGER)
    assert await reach(withdrawals, CLIENT_ID) == 2
    assert await ledger.latest([CHOICE_ID, CLIENT_ID, STRANGER]) == [NO, NO, YES]


async def test_a_withdrawal_goes_from_sibling_to_sibling(ledger: Ledger, withdrawals: Withdrawals) -> None:
    await seen_together(ledger, CLIENT_ID, USER_ID)
    await seen_together(ledger, USER_ID, CHOICE_ID)
    await seen_together(ledger, CHOICE_ID, OTHER_CLIENT)
    assert await reach(withdrawals, CLIENT_ID) == 4
    assert await ledger.latest([CLIENT_ID, USER_ID, CHOICE_ID, OTHER_CLIENT]) == [NO] * 4
    await seen_together(ledger, CHOICE_ID)
    assert await ledger.latest([CHOICE_ID]) == [NO], "an event that carries the old choice does not undo it"


async def test_a_withdrawal_of_somebody_unknown_is_remembered(
    ledger: Ledger, withdrawals: Withdrawals, client: redis.Redis
) -> None:
    assert await reach(withdrawals, CLIENT_ID, CHOICE_ID, CLIENT_ID) == 2
    assert await ledger.latest([CLIENT_ID, CHOICE_ID]) == [NO, NO]
    assert siblings_of(await client.get(keyspace.choice(CLIENT_ID)) or b"") == (CHOICE_ID,)


async def test_a_choice_dated_ahead_of_our_clock_is_withdrawn_too(
    ledger: Ledger, withdrawals: Withdrawals, book: NotedBook
) -> None:
    ahead = Choice(NOW_MS + 60_000, YES.granted)
    await seen_together(ledger, CHOICE_ID, CLIENT_ID, said=ahead)
    await reach(withdrawals, CLIENT_ID)
    await seen_together(ledger, CHOICE_ID, CLIENT_ID, said=ahead)
    emptied = Choice(ahead.decided_ms, NO.granted)
    assert await ledger.latest([CHOICE_ID, CLIENT_ID]) == [emptied] * 2
    assert book.kept == [("shop", one, emptied) for one in (CLIENT_ID, CHOICE_ID)], "the file knows the later date"


async def test_a_later_act_of_the_visitor_raises_again_after_a_withdrawal(
    ledger: Ledger, withdrawals: Withdrawals
) -> None:
    again = Choice(NOW_MS + 1, YES.granted)
    await seen_together(ledger, CHOICE_ID, CLIENT_ID)
    await reach(withdrawals, CLIENT_ID)
    await seen_together(ledger, CHOICE_ID, CLIENT_ID, said=again)
    assert await ledger.latest([CHOICE_ID, CLIENT_ID]) == [again, again]


async def test_repeating_it_does_no_harm(ledger: Ledger, withdrawals: Withdrawals) -> None:
    await seen_together(ledger, CHOICE_ID, CLIENT_ID)
    assert [await reach(withdrawals, CLIENT_ID) for _ in range(2)] == [2, 2]
    assert await ledger.latest([CHOICE_ID, CLIENT_ID]) == [NO, NO]


# ── The order, and what fails ─────────────────────────────────────────────────────────────────────


async def test_the_file_comes_first(ledger: Ledger, withdrawals: Withdrawals, book: NotedBook) -> None:
    """What is lost with the store after that is restored; the other way round a loss in between would be for good."""
    await seen_together(ledger, CHOICE_ID, CLIENT_ID)
    await reach(withdrawals, CLIENT_ID)
    assert (book.held, book.receipts) == ([[YES, YES]], 0)
    assert book.kept == [("shop", CLIENT_ID, NO), ("shop", CHOICE_ID, NO)]


async def test_what_cannot_be_written_down_is_not_withdrawn(
    ledger: Ledger, withdrawals: Withdrawals, book: NotedBook, client: redis.Redis
) -> None:
    await seen_together(ledger, CLIENT_ID)
    book.is_full = True
    with pytest.raises(NotKept):
        await reach(withdrawals, CLIENT_ID)
    assert await ledger.latest([CLIENT_ID]) == [YES]
    assert await client.keys("*receipt*") == []


async def test_without_the_store_nothing_is_promised() -> None:
    away = connect_readers("unix:///nowhere/none.sock", 0.2, 1)
    with pytest.raises(StoreUnavailable):
        await Withdrawals(Ledger(away), NotedBook(), 1000).withdraw(SHOP, [CLIENT_ID], NOW_MS)
    await away.aclose()


class MeanwhileLedger(Ledger):
    """In the moment between the file and the ledger the visitor's event arrives."""

    meanwhile: tuple[tuple[bytes, ...], Choice] | None = None

    async def put_receipt(self, receipt_id: str, receipt: bytes, ttl_s: int) -> None:
        await super().put_receipt(receipt_id, receipt, ttl_s)
        if self.meanwhile is not None:
            await seen_together(Ledger(self._client), *self.meanwhile[0], said=self.meanwhile[1])


async def test_an_identifier_that_is_linked_meanwhile_is_reached(client: redis.Redis, book: NotedBook) -> None:
    ledger = MeanwhileLedger(client)
    ledger.meanwhile = ((CLIENT_ID, USER_ID), YES)
    await seen_together(ledger, CLIENT_ID)
    assert await reach(Withdrawals(ledger, book, 1000), CLIENT_ID) == 2
    assert await ledger.latest([CLIENT_ID, USER_ID]) == [NO, NO]
    assert ("shop", USER_ID, NO) in book.kept


async def test_an_act_dated_ahead_that_comes_in_meanwhile_is_withdrawn_too_and_the_file_knows_its_date(
    client: redis.Redis, book: NotedBook
) -> None:
    ledger = MeanwhileLedger(client)
    ledger.meanwhile = ((CLIENT_ID,), Choice(NOW_MS + 60_000, YES.granted))
    await reach(Withdrawals(ledger, book, 1000), CLIENT_ID)
    emptied = Choice(NOW_MS + 60_000, NO.granted)
    assert await ledger.latest([CLIENT_ID]) == [emptied]
    assert [choice for _, _, choice in book.kept] == [NO, emptied]


# ── The receipt ───────────────────────────────────────────────────────────────────────────────────


async def test_its_receipt_says_who_had_been_granted_what(
    ledger: Ledger, withdrawals: Withdrawals, client: redis.Redis
) -> None:
    await seen_together(ledger, CHOICE_ID, CLIENT_ID)
    made, _ = await withdrawals.withdraw(SHOP, [CLIENT_ID], NOW_MS)
    assert (made["state"], made["in_effect"], made["subjects"]) == ("withdrawn", True, [CLIENT_ID.hex()])
    assert [one["recipient"] for one in made["notify"]] == ["google", "meta"]
    stored = await ledger.get_receipt(made["receipt_id"])
    assert stored is not None
    assert orjson.loads(stored) == made
    assert 0 < await client.ttl(keyspace.receipt(made["receipt_id"])) <= 1000


# ── An act of POST ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("takes_back", [True, False])
async def test_an_act_is_written_down_if_it_takes_something_back(
    takes_back: bool, ledger: Ledger, withdrawals: Withdrawals, book: NotedBook
) -> None:
    await withdrawals.record(SHOP, [Row(CLIENT_ID, NO, lowers=False)], takes_back=takes_back)
    assert await ledger.latest([CLIENT_ID]) == [NO]
    assert book.kept == ([("shop", CLIENT_ID, NO)] if takes_back else [])
    assert book.held == ([[None]] if takes_back else [])
