"""A store that forgot: withdrawals are put back, and until then nothing may be handed over."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis.asyncio as redis

from collector.store import keyspace
from collector.store.balance import read_balance
from collector.store.connection import StoreUnavailable, connect_readers
from collector.store.ledger import Ledger
from collector.store.restoring import NotRestored, RestoredLedger, Restorer
from collector.store.rows import Row, encode
from collector.store.withdrawal_book import Kept, WithdrawalBook, line_of
from consent.model import EVERYTHING, NOTHING, Choice

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
DAY_MS = 86_400_000
SUBJECT, OTHER = b"s" * 16, b"o" * 16
YES = Choice(NOW_MS - 60_000, {"google": EVERYTHING, "meta": EVERYTHING})
NO = Choice(NOW_MS - 30_000, {"google": NOTHING, "meta": NOTHING})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "withdrawals"


@pytest.fixture
def book(folder: Path) -> Iterator[WithdrawalBook]:
    """Written half a minute ago."""
    made = WithdrawalBook(folder, "serve", lambda: (NOW_MS - 30_000) / 1000)
    yield made
    made.close()


@pytest.fixture
def restorer(client: redis.Redis, folder: Path) -> Restorer:
    return Restorer(client, folder)


def act(subject: bytes, choice: Choice) -> Row:
    return Row(subject, choice, lowers=False)


def written(folder: Path, *lines: Kept, writer: str = "serve") -> Path:
    """A file as a process left it."""
    path = folder / writer / datetime.fromtimestamp(lines[0].kept_ms / 1000, UTC).strftime("%Y%m%d")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(line_of, lines)))
    return path


async def withdrawn(client: redis.Redis, book: WithdrawalBook, *subjects: bytes) -> None:
    """As it is done: the file, then the ledger."""
    rows = [act(subject, NO) for subject in subjects]
    await book.keep("shop", rows)
    await Ledger(client).record(rows)


# ── Delivery waits ────────────────────────────────────────────────────────────────────────────────


async def test_delivery_may_see_the_ledger_once_its_withdrawals_are_restored(
    client: redis.Redis, restorer: Restorer
) -> None:
    await Ledger(client).record([act(SUBJECT, YES)])
    delivery = RestoredLedger(client)
    with pytest.raises(NotRestored):
        await delivery.latest([SUBJECT])
    assert await restorer.restore(NOW_MS) == 0
    assert await delivery.latest([SUBJECT, OTHER]) == [YES, None]
    assert await delivery.latest([]) == []


async def test_an_epoch_alone_is_no_restoring(client: redis.Redis) -> None:
    await read_balance(client, ["ga4"])
    assert await client.exists(keyspace.epoch())
    with pytest.raises(NotRestored):
        await RestoredLedger(client).latest([SUBJECT])


async def test_a_mark_of_another_epoch_is_none(client: redis.Redis, restorer: Restorer) -> None:
    await restorer.restore(NOW_MS)
    await client.set(keyspace.epoch(), "another")
    with pytest.raises(NotRestored):
        await RestoredLedger(client).latest([SUBJECT])
    assert await restorer.restore(NOW_MS) == 0
    assert await RestoredLedger(client).latest([SUBJECT]) == [None]


async def test_a_store_that_is_emptied_closes_at_once(client: redis.Redis, restorer: Restorer) -> None:
    await restorer.restore(NOW_MS)
    await client.flushall()
    with pytest.raises(NotRestored):
        await RestoredLedger(client).latest([SUBJECT])


async def test_what_is_restored_is_not_restored_again(client: redis.Redis, restorer: Restorer) -> None:
    assert await restorer.restore(NOW_MS) == 0
    assert await restorer.restore(NOW_MS) is None


async def test_the_epoch_of_the_balance_is_the_one_that_is_marked(client: redis.Redis, restorer: Restorer) -> None:
    epoch = (await read_balance(client, ["ga4"])).epoch
    await restorer.restore(NOW_MS)
    assert (await client.get(keyspace.restored()) or b"").decode() == epoch
    assert (await read_balance(client, ["ga4"])).epoch == epoch


# ── What comes back ───────────────────────────────────────────────────────────────────────────────


async def test_withdrawals_come_back_and_a_stale_choice_does_not_undo_them(
    client: redis.Redis, book: WithdrawalBook, restorer: Restorer
) -> None:
    await withdrawn(client, book, SUBJECT, OTHER)
    await client.flushall()
    await Ledger(client).record([act(SUBJECT, YES)])  # a tab that still has the old choice
    assert await restorer.restore(NOW_MS) == 2
    await Ledger(client).record([act(SUBJECT, YES)])
    assert await RestoredLedger(client).latest([SUBJECT, OTHER]) == [NO, NO]


async def test_without_the_file_the_stale_choice_would_stand(
    client: redis.Redis, book: WithdrawalBook, folder: Path
) -> None:
    """Negative control: it is the file that brings it back."""
    await withdrawn(client, book, SUBJECT)
    await client.flushall()
    await Ledger(client).record([act(SUBJECT, YES)])
    await Restorer(client, folder.with_name("nowhere")).restore(NOW_MS)
    assert await RestoredLedger(client).latest([SUBJECT]) == [YES]


async def test_what_a_visitor_chose_later_stands(client: redis.Redis, book: WithdrawalBook, restorer: Restorer) -> None:
    await withdrawn(client, book, SUBJECT)
    again = Choice(NO.decided_ms + 1, YES.granted)
    await client.flushall()
    await Ledger(client).record([act(SUBJECT, again)])
    await restorer.restore(NOW_MS)
    assert await RestoredLedger(client).latest([SUBJECT]) == [again]


async def test_a_partial_objection_comes_back_as_it_was(
    client: redis.Redis, book: WithdrawalBook, restorer: Restorer
) -> None:
    partial = Choice(NO.decided_ms, {"google": EVERYTHING, "meta": NOTHING})
    await book.keep("shop", [act(SUBJECT, partial)])
    await restorer.restore(NOW_MS)
    assert await RestoredLedger(client).latest([SUBJECT]) == [partial]


async def test_the_files_of_every_process_are_read(client: redis.Redis, folder: Path, restorer: Restorer) -> None:
    subjects = [bytes([number]) * 16 for number in range(4)]
    for writer, subject in zip(("serve", "serve-2", "cli", "another-host"), subjects, strict=True):
        written(folder, Kept(NOW_MS - DAY_MS, "shop", act(subject, NO)), writer=writer)
    assert await restorer.restore(NOW_MS) == 4
    assert await RestoredLedger(client).latest(subjects) == [NO] * 4


async def test_a_restored_row_lives_as_long_as_it_would_have_lived(
    client: redis.Redis, folder: Path, restorer: Restorer
) -> None:
    ages = (0, 100, 394, 395, 396)
    for age in ages:
        written(folder, Kept(NOW_MS - age * DAY_MS, "shop", act(bytes([age % 256]) * 16, NO)))
    assert await restorer.restore(NOW_MS) == 4
    left = [await client.ttl(keyspace.choice(bytes([age % 256]) * 16)) / 86_400 for age in ages]
    assert left[:4] == pytest.approx([395, 296, 2, 1], abs=0.01)
    assert left[4] < 0, "its time was over"


async def test_a_line_that_cannot_be_read_keeps_no_other_away(
    client: redis.Redis, folder: Path, restorer: Restorer
) -> None:
    path = written(folder, *(Kept(NOW_MS, "shop", act(bytes([number]) * 16, NO)) for number in range(3)))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\n" + lines[1].replace(b"shop", b"shoq") + lines[2])
    assert await restorer.restore(NOW_MS) == 2
    assert restorer.unreadable == 1
    assert await RestoredLedger(client).latest([b"\0" * 16, b"\1" * 16, b"\2" * 16]) == [NO, None, NO]


async def test_files_that_cannot_be_read_keep_delivery_closed(
    client: redis.Redis, folder: Path, restorer: Restorer
) -> None:
    (folder / "serve" / "20261121").mkdir(parents=True)
    with pytest.raises(OSError, match="Is a directory"):
        await restorer.restore(NOW_MS)
    with pytest.raises(NotRestored):
        await RestoredLedger(client).latest([SUBJECT])


async def test_a_store_that_is_emptied_while_it_is_restored_is_restored_again(
    client: redis.Redis, folder: Path
) -> None:
    """The mark is for the epoch that was begun with: it does not hold in the next one."""
    written(folder, Kept(NOW_MS, "shop", act(SUBJECT, NO)))
    restorer = Restorer(client, folder)
    epoch, _ = await restorer._mark("")
    await client.flushall()
    await restorer._mark(epoch)
    with pytest.raises(NotRestored):
        await RestoredLedger(client).latest([SUBJECT])
    assert await restorer.restore(NOW_MS) == 1
    assert await RestoredLedger(client).latest([SUBJECT]) == [NO]


async def test_ten_thousand_withdrawals_come_back_in_bounded_calls(
    client: redis.Redis, folder: Path, restorer: Restorer
) -> None:
    lines = [Kept(NOW_MS, "shop", act(number.to_bytes(16, "big"), NO)) for number in range(10_000)]
    written(folder, *lines)
    calls = [len(rows) for _, rows in restorer._rows(NOW_MS)]
    assert (sum(calls), max(calls)) == (10_000, 500)
    assert await restorer.restore(NOW_MS) == 10_000
    some = [kept.row.subject for kept in lines[::1000]]
    assert await RestoredLedger(client).latest(some) == [NO] * 10


async def test_without_the_store_it_is_tried_again_later(folder: Path) -> None:
    away = connect_readers("unix:///nowhere/none.sock", 0.2, 1)
    with pytest.raises(StoreUnavailable):
        await Restorer(away, folder).restore(NOW_MS)
    with pytest.raises(StoreUnavailable):
        await RestoredLedger(away).latest([SUBJECT])
    await away.aclose()


# ── A store that was put back to an earlier state ─────────────────────────────────────────────────


async def test_a_store_without_its_newest_withdrawal_is_closed_and_restored(
    client: redis.Redis, book: WithdrawalBook, restorer: Restorer
) -> None:
    await Ledger(client).record([act(SUBJECT, YES)])
    await restorer.restore(NOW_MS)
    await withdrawn(client, book, SUBJECT)
    assert not await restorer.forget_if_missing(NOW_MS)
    await client.set(keyspace.choice(SUBJECT), encode(YES))  # as a backup of yesterday has it
    assert await restorer.forget_if_missing(NOW_MS)
    with pytest.raises(NotRestored):
        await RestoredLedger(client).latest([SUBJECT])
    await restorer.restore(NOW_MS)
    assert await RestoredLedger(client).latest([SUBJECT]) == [NO]
    assert not await restorer.forget_if_missing(NOW_MS)


@pytest.mark.parametrize("kept_ago_ms", [0, 9_999, 396 * DAY_MS])
async def test_a_line_whose_row_is_on_its_way_or_over_is_not_missed(
    kept_ago_ms: int, client: redis.Redis, folder: Path, restorer: Restorer
) -> None:
    await restorer.restore(NOW_MS)
    written(folder, Kept(NOW_MS - kept_ago_ms, "shop", act(SUBJECT, NO)))
    assert not await restorer.forget_if_missing(NOW_MS)


async def test_a_later_choice_is_not_taken_for_a_missing_withdrawal(
    client: redis.Redis, book: WithdrawalBook, restorer: Restorer
) -> None:
    await restorer.restore(NOW_MS)
    await withdrawn(client, book, SUBJECT)
    await Ledger(client).record([act(SUBJECT, Choice(NOW_MS, YES.granted))])
    assert not await restorer.forget_if_missing(NOW_MS)


async def test_of_a_long_file_only_the_end_is_looked_at(client: redis.Redis, folder: Path, restorer: Restorer) -> None:
    lines = [Kept(NOW_MS - 60_000, "shop", act(number.to_bytes(16, "big"), NO)) for number in range(1000)]
    written(folder, *lines)
    await restorer.restore(NOW_MS)
    await client.delete(keyspace.choice(lines[0].row.subject))
    assert not await restorer.forget_if_missing(NOW_MS)
    await client.delete(keyspace.choice(lines[-1].row.subject))
    assert await restorer.forget_if_missing(NOW_MS)


async def test_withdrawals_while_it_is_restored_are_all_there_at_the_end(
    client: redis.Redis, book: WithdrawalBook, folder: Path, restorer: Restorer
) -> None:
    written(folder, *(Kept(NOW_MS, "shop", act(n.to_bytes(16, "big"), NO)) for n in range(3000)), writer="serve-2")
    more = [bytes([number]) * 16 for number in range(20)]
    await asyncio.gather(restorer.restore(NOW_MS), *(withdrawn(client, book, one) for one in more))
    assert await RestoredLedger(client).latest(more) == [NO] * 20
