"""Withdrawals in files: what a visitor took back holds even if the store forgets everything.

    {var}/withdrawals/<writer>/<yyyymmdd>       one day of one process, mode 0600
    sum kept_ms site reference row              a line; the row is the ledger's own text (rows.py)

1. A line is fsynced, and so is the name of its file, before anybody is told that it is kept (NotKept otherwise).
2. One directory per writer, held by a lock, so that no two processes ever write one file.
3. What is written begins with an end of line: whatever a crash or a full disk left before it is a line of its own.
   After a failed fsync nothing is said about what was written then; whoever asked writes it again.
4. A line with a wrong sum is skipped and counted. A withdrawal that was answered never has one, unless the disk errs.
5. Keyed references, names of the configuration and moments, nothing else. A file ends as a whole, 395 days after its
   day: when no row in it would live any more.
"""

import asyncio
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from collector.store.keyspace import LEDGER_SECONDS
from collector.store.master import sync_directory
from collector.store.rows import Row, decode, encode
from collector.store.writer_folder import held_folder

_DAY: Final = "%Y%m%d"
_NAME: Final = re.compile(r"\d{8}")
_SUM_BYTES: Final = 8
_LINE: Final = re.compile(rb"(\d{1,15}) ([a-z0-9_-]{1,40}) ([0-9a-f]{32}) (-?\d{1,15}\|[^| ]*)")
_LONGEST_LINE: Final = 1 << 16


class NotKept(Exception):
    """The disk refused, or perhaps did not keep, what was to be written. The message says why."""


class Kept(NamedTuple):
    """One line: a choice that takes something back, whose it is, and when it was written down."""

    kept_ms: int
    site: str
    row: Row


class WithdrawalBook:
    """The withdrawals of one process."""

    def __init__(
        self,
        folder: Path,
        process: str,
        clock: Callable[[], float] = time.time,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        self._folder, self._process, self._clock, self._sync = folder, process, clock, sync
        self._own: tuple[Path, int] | None = None
        self._day, self._handle = "", -1
        self._writing = threading.Lock()

    def open(self) -> "WithdrawalBook":
        """Take the directory now instead of with the first line; raises NotKept."""
        try:
            self._take()
        except OSError as error:
            sentence = f"Withdrawals cannot be written down in {self._folder}: {error.strerror or error}."
            raise NotKept(f"{sentence} Let this process write there.") from error
        return self

    async def keep(self, site: str, rows: Sequence[Row]) -> None:
        """Write rows down durably, all of them; raises NotKept, and then some may be there."""
        if rows:
            await asyncio.to_thread(self._keep, site, rows)

    def close(self) -> None:
        """Let go of the file and the directory."""
        with self._writing:
            self._let_go()

    def _keep(self, site: str, rows: Sequence[Row]) -> None:
        now_s = self._clock()
        lines = b"".join(line_of(Kept(int(now_s * 1000), site, row)) for row in rows)
        with self._writing:
            try:
                self._turn_to(datetime.fromtimestamp(now_s, UTC).strftime(_DAY))
                rest = memoryview(b"\n" + lines)
                while rest:
                    rest = rest[os.write(self._handle, rest) :]
                self._sync(self._handle)
            except OSError as error:
                self._let_go()
                raise NotKept(f"{self._folder}: {error.strerror or error}") from error

    def _turn_to(self, day: str) -> None:
        """Take the file of this day, again if it was taken away, and make its name durable."""
        own = self._take()
        if day == self._day and _is_still(self._handle, own / day):
            return
        self._close_file()
        self._handle = os.open(own / day, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._day = day
        sync_directory(own)

    def _take(self) -> Path:
        if self._own is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own = held_folder(self._folder, self._process)
            sync_directory(self._folder)
            sync_directory(self._folder.parent)
        return self._own[0]

    def _let_go(self) -> None:
        self._close_file()
        if self._own is not None:
            os.close(self._own[1])
            self._own = None

    def _close_file(self) -> None:
        if self._day:
            os.close(self._handle)
        self._day = ""


def line_of(kept: Kept) -> bytes:
    """A line with its sum."""
    said = f"{kept.kept_ms} {kept.site} {kept.row.subject.hex()} {encode(kept.row.choice)}".encode()
    return b"%b %b\n" % (_sum(said), said)


def read_line(line: bytes) -> Kept | None:
    """What a line says; None if it is none."""
    stated, _, said = line.rstrip(b"\n").partition(b" ")
    found = _LINE.fullmatch(said)
    if found is None or stated != _sum(said):
        return None
    return Kept(int(found[1]), found[2].decode(), Row(bytes.fromhex(found[3].decode()), decode(found[4]), lowers=False))


def read_file(file: BinaryIO) -> Iterator[Kept | None]:
    """Each line of a file in the order of writing, None for what is no line; a few at a time in memory."""
    while line := file.readline(_LONGEST_LINE):
        if line != b"\n":
            yield read_line(line)


def files(folder: Path) -> list[Path]:
    """Every file of every writer, by day. Raises OSError if the folder is there and cannot be read."""
    if not folder.exists():
        return []
    writers = [writer for writer in folder.iterdir() if writer.is_dir()]
    named = [file for writer in writers for file in writer.iterdir() if _NAME.fullmatch(file.name)]
    return sorted(named, key=lambda file: (file.name, file))


def end(folder: Path, now: datetime) -> int:
    """Delete the files whose last row would be over; answers how many."""
    over = (now - timedelta(seconds=LEDGER_SECONDS, days=1)).strftime(_DAY)
    ended = [file for file in files(folder) if file.name <= over]
    for file in ended:
        file.unlink(missing_ok=True)
    return len(ended)


def _is_still(handle: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    return path.exists() and os.path.samestat(os.fstat(handle), path.stat())


def _sum(said: bytes) -> bytes:
    return hashlib.blake2b(said, digest_size=_SUM_BYTES).hexdigest().encode()
