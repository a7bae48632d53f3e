"""Withdrawals in files: what is kept, durably, by whom, what a fault leaves, and when it ends."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.store.rows import Row
from collector.store.withdrawal_book import (
    Kept,
    NotKept,
    WithdrawalBook,
    end,
    files,
    line_of,
    read_file,
    read_line,
)
from consent.model import ADS, NOTHING, Choice

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
NOTHING_LEFT = {"google": NOTHING, "meta": NOTHING}
REPOSITORY = Path(__file__).parents[3]


def row(number: int, decided_ms: int = NOW_MS) -> Row:
    return Row(number.to_bytes(16, "big"), Choice(decided_ms, NOTHING_LEFT), lowers=False)


def _at(hours: float) -> float:
    return (NOW + timedelta(hours=hours)).timestamp()


def keep(book: WithdrawalBook, site: str, *rows: Row) -> None:
    asyncio.run(book.keep(site, rows))


def everything(folder: Path) -> list[Kept | None]:
    found: list[Kept | None] = []
    for path in files(folder):
        with path.open("rb") as file:
            found += read_file(file)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "withdrawals"


@pytest.fixture
def book(folder: Path) -> Iterator[WithdrawalBook]:
    made = WithdrawalBook(folder, "serve", NOW.timestamp)
    yield made
    made.close()


def test_what_is_kept_can_be_read_again(book: WithdrawalBook, folder: Path) -> None:
    keep(book, "shop", row(1), row(2, NOW_MS + 60_000))
    partial = Row(b"p" * 16, Choice(NOW_MS, {"meta": NOTHING, "google ads": ADS}), lowers=False)
    keep(book, "blog", partial)
    keep(book, "blog")
    assert everything(folder) == [
        Kept(NOW_MS, "shop", row(1)),
        Kept(NOW_MS, "shop", row(2, NOW_MS + 60_000)),
        Kept(NOW_MS, "blog", partial),
    ]


def test_a_line_is_what_the_documentation_says() -> None:
    line = line_of(Kept(NOW_MS, "shop", row(258)))
    checksum, _, said = line.decode().partition(" ")
    assert said == f"{NOW_MS} shop 00000000000000000000000000000102 {NOW_MS}|google=0,meta=0\n"
    assert len(bytes.fromhex(checksum)) == 8


def test_only_its_owner_may_read_it(book: WithdrawalBook, folder: Path) -> None:
    before = os.umask(0o022)
    try:
        keep(book, "shop", row(1))
    finally:
        os.umask(before)
    (file,) = files(folder)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, file.parent, file)]
    assert modes == [0o700, 0o700, 0o600]
    assert str(file.relative_to(folder)) == "serve/20261121"


def test_every_day_and_every_writer_has_a_file_of_its_own(folder: Path) -> None:
    hours = iter([0.0, 13.0, 15.0])
    first = WithdrawalBook(folder, "serve", lambda: _at(next(hours))).open()
    second = WithdrawalBook(folder, "serve", NOW.timestamp)
    for number in range(3):
        keep(first, "shop", row(number))
    keep(second, "shop", row(9))
    named = [str(file.relative_to(folder)) for file in files(folder)]
    assert named == ["serve/20261121", "serve-2/20261121", "serve/20261122"]
    first.close()
    again = WithdrawalBook(folder, "serve", NOW.timestamp)
    keep(again, "shop", row(5))
    assert len(everything(folder)) == 5
    assert len(files(folder)) == 3, "a directory is taken again once its process has ended"
    again.close()
    second.close()


def test_many_at_once_are_all_kept(book: WithdrawalBook, folder: Path) -> None:
    async def all_at_once() -> None:
        await asyncio.gather(*(book.keep("shop", [row(number)]) for number in range(50)))

    asyncio.run(all_at_once())
    kept = {one.row.subject for one in everything(folder) if one is not None}
    assert kept == {row(number).subject for number in range(50)}


def test_a_line_is_on_the_disk_before_it_is_called_kept(folder: Path) -> None:
    """A process that is killed right after the answer has lost nothing, and its lock is free."""
    program = (
        "import asyncio, os, signal, sys; from pathlib import Path; "
        "from collector.store.rows import Row; from collector.store.withdrawal_book import WithdrawalBook; "
        "from consent.model import Choice; "
        "asyncio.run(WithdrawalBook(Path(sys.argv[1]), 'serve').keep('shop', [Row(b'k' * 16, Choice(7, {}), False)])); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=REPOSITORY, check=False)
    assert done.returncode == -9
    (kept,) = everything(folder)
    assert kept is not None
    assert kept.row == Row(b"k" * 16, Choice(7, {}), lowers=False)
    book = WithdrawalBook(folder, "serve")
    assert [path.name for path in folder.iterdir()] == ["serve"]
    keep(book, "shop", row(1))
    assert [path.name for path in folder.iterdir()] == ["serve"]
    book.close()


@pytest.mark.parametrize(
    "left",
    [b"", b"torn without an end", b"\0" * 100, b"0123456789abcdef 17 shop", line_of(Kept(1, "shop", row(7)))[:-9]],
)
def test_whatever_a_crash_left_harms_no_line_after_it(left: bytes, book: WithdrawalBook, folder: Path) -> None:
    keep(book, "shop", row(1))
    (path,) = files(folder)
    with path.open("ab") as file:
        file.write(left)
    keep(book, "shop", row(2))
    read = everything(folder)
    assert [one.row for one in read if one is not None] == [row(1), row(2)]
    assert read.count(None) == bool(left)


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_line_that_was_changed_is_none(place: int) -> None:
    line = bytearray(line_of(Kept(NOW_MS, "shop", row(1))))
    assert read_line(bytes(line)) is not None
    line[place % (len(line) - 1)] ^= 1
    assert read_line(bytes(line)) is None


def test_a_folder_that_cannot_be_is_a_sentence(folder: Path) -> None:
    folder.parent.write_text("a file where a folder should be")
    with pytest.raises(NotKept, match=r"cannot be written down in .*withdrawals: Not a directory\. Let this process"):
        WithdrawalBook(folder, "serve").open()


def test_a_disk_that_refuses_is_said_and_the_next_one_is_kept(book: WithdrawalBook, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where a folder should be")
    with pytest.raises(NotKept):
        keep(book, "shop", row(1))
    folder.unlink()
    keep(book, "shop", row(1))
    assert everything(folder) == [Kept(NOW_MS, "shop", row(1))]


def test_nothing_is_called_kept_that_was_not_synced(folder: Path) -> None:
    """A disk that takes every write and fails to keep it: what is in its cache proves nothing."""
    answers = iter([None, OSError(5, "Input/output error"), None])
    synced: list[int] = []

    def sync(handle: int) -> None:
        fault = next(answers)
        if fault is not None:
            raise fault
        synced.append(os.fstat(handle).st_size)

    book = WithdrawalBook(folder, "serve", NOW.timestamp, sync)
    keep(book, "shop", row(1))
    (path,) = files(folder)
    assert synced == [path.stat().st_size]
    with pytest.raises(NotKept, match="Input/output error"):
        keep(book, "shop", row(2))
    assert len(synced) == 1
    keep(book, "shop", row(2))
    assert synced[-1] == path.stat().st_size
    assert everything(folder)[-1] == Kept(NOW_MS, "shop", row(2))
    book.close()


def test_a_file_or_a_folder_that_is_taken_away_is_made_again(book: WithdrawalBook, folder: Path) -> None:
    keep(book, "shop", row(1))
    (path,) = files(folder)
    path.unlink()
    keep(book, "shop", row(2))
    assert everything(folder) == [Kept(NOW_MS, "shop", row(2))]
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(NotKept):
        keep(book, "shop", row(3))
    keep(book, "shop", row(3))
    assert everything(folder) == [Kept(NOW_MS, "shop", row(3))]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """/dev/full answers every write as a full disk does."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this machine")
    folder = tmp_path / "withdrawals"
    book = WithdrawalBook(folder, "serve", NOW.timestamp).open()
    (folder / "serve" / "20261121").symlink_to("/dev/full")
    with pytest.raises(NotKept, match="No space left"):
        keep(book, "shop", row(1))
    (folder / "serve" / "20261121").unlink()
    keep(book, "shop", row(2))
    assert [one and one.row for one in everything(folder)] == [row(2)]
    book.close()


def test_a_file_ends_when_its_last_row_would(folder: Path) -> None:
    for days in (397, 396, 395, 0):
        book = WithdrawalBook(folder, "serve", lambda days=days: (NOW - timedelta(days=days)).timestamp())  # type: ignore[misc]
        keep(book, "shop", row(days))
        book.close()
    assert end(folder, NOW) == 2
    left = [one.row.subject for one in everything(folder) if one is not None]
    assert left == [row(395).subject, row(0).subject]
    assert end(folder, NOW) == 0
    assert end(folder, NOW + timedelta(hours=13, minutes=59)) == 0
    assert end(folder, NOW + timedelta(hours=14)) == 1


def test_without_a_folder_there_is_nothing(tmp_path: Path) -> None:
    assert files(tmp_path / "none") == []
    assert end(tmp_path / "none", NOW) == 0
