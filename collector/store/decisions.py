"""Decision records on file: why each event was sent, or not. Found, exported, forgotten and ended here.

    {var}/decisions/<writer>/refused-YYYYMMDDHH     what was not sent, without any subject
    {var}/decisions/<writer>/kept-YYYYMMDDHH        what was permitted, with the references of its visitor

1. They are pseudonymous personal data: keyed references, names of the configuration and closed words, nothing else.
2. A file holds one hour of one writer (decision_log.py) and is deleted as a whole, when its hour began as many days
   ago as its class may live. So none outlives its days by more than the janitor's hour.
3. Reading is a scan, in bounded memory. A line that is torn is skipped and counted, never an error.
4. Who writes to a segment holds its lock meanwhile (`locked`). A rewrite is made beside it and takes its place durably.
"""

import fcntl
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from collector.store.decision_lines import DecisionRecord, Reader, Row, TornLine, lost_in, text_of
from collector.store.decision_segment import locked
from collector.store.master import sync_directory

REFUSED: Final = "refused"
KEPT: Final = "kept"
_NAME: Final = re.compile(rf"({REFUSED}|{KEPT})-(\d{{10}})")
_HOUR: Final = "%Y%m%d%H"
_DRAFT: Final = ".draft-"
_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 16


def name_of(kind: str, hour: datetime) -> str:
    """The name of a segment."""
    return f"{kind}-{hour:{_HOUR}}"


@dataclass(slots=True)
class Found:
    """The records that were asked for, oldest file first, and what is known to be missing in the files read."""

    records: list[DecisionRecord] = field(default_factory=list)
    lost: int = 0
    """Records that were not written: too many at once, or a disk that refused."""
    torn: int = 0
    """Lines that cannot be read: what a crash left of a last line, or a fault of the disk."""


class DecisionRecords:
    """All segments below `{var}/decisions`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, *events: bytes) -> Found:
        """Every record of an event, by its reference on each site it may belong to."""
        found, wanted = Found(), [text_of(one) for one in events]
        for segment in self._segments():
            with suppress(FileNotFoundError):  # ended meanwhile
                _find(segment, wanted, found)
        return found

    def of_subjects(self, references: Collection[bytes]) -> Iterator[DecisionRecord]:
        """Every record of a visitor, for an export: under their references, or of an event that once was.

        A refusal holds no subject, so one of an event that was permitted nowhere is found by its event id only.
        """
        is_theirs = self._belonging(references)
        for segment in self._segments():
            with _opened(segment) as (file, size):
                for row, _ in _rows(file, size):
                    if row is not None and is_theirs(row):
                        yield from row.records()

    def forget(self, references: Collection[bytes]) -> int:
        """Remove what `of_subjects` answers; how many lines went. Torn lines of a rewritten file go too.

        What a running process has not written yet (a second's worth) is not reached: call it again then.
        """
        is_theirs = self._belonging(references)
        return sum(_rewritten(segment, is_theirs) for segment in self._segments())

    def end(self, now: datetime, refused_days: int, kept_days: int) -> int:
        """Delete the segments whose days are over, and drafts that a crash left; answers how many files went."""
        days, ended = {REFUSED: refused_days, KEPT: kept_days}, 0
        for file in self._folder.glob("*/*"):
            named = _NAME.fullmatch(file.name.removeprefix(_DRAFT))
            if named is None:
                continue
            begun = datetime.strptime(named[2], _HOUR).replace(tzinfo=UTC)
            if begun + timedelta(days=days[named[1]]) <= now or _is_left_behind(file, now):
                file.unlink(missing_ok=True)
                ended += 1
        return ended

    def _segments(self) -> list[Path]:
        """By hour, whoever wrote them."""
        named = [file for file in self._folder.glob("*/*") if _NAME.fullmatch(file.name)]
        return sorted(named, key=lambda file: (file.name.rpartition("-")[2], file))

    def _belonging(self, references: Collection[bytes]) -> Callable[[Row], bool]:
        """Whether a row is a visitor's, by a subject or by its event. Events are linked in a scan of their own."""
        wanted = {text_of(one) for one in references}
        events = set(wanted)
        for segment in self._segments():
            with _opened(segment) as (file, size):
                events.update(row.event for row, _ in _rows(file, size) if row and not wanted.isdisjoint(row.subjects))
        return lambda row: row.event in events or not wanted.isdisjoint(row.subjects)


def _is_left_behind(file: Path, now: datetime) -> bool:
    """Whether it is the draft of a rewrite that was never finished."""
    if not file.name.startswith(_DRAFT):
        return False
    with suppress(FileNotFoundError):
        return file.stat().st_mtime <= (now - timedelta(hours=1)).timestamp()
    return False


@contextmanager
def _opened(segment: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A segment and its size between two writes; nothing of one that ended meanwhile."""
    try:
        file = segment.open("rb")
    except FileNotFoundError:
        with Path(os.devnull).open("rb") as nothing:
            yield nothing, 0
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        size = os.fstat(file.fileno()).st_size
        fcntl.flock(file, fcntl.LOCK_UN)
        yield file, size


def _rows(file: BinaryIO, size: int) -> Iterator[tuple[Row | None, bytes]]:
    """Each line with the record in it, if there is one; a torn one comes as no record and no line."""
    reader = Reader()
    while size > 0 and (line := file.readline(min(size, _LONGEST_LINE))):
        size -= len(line)
        try:
            yield reader.row(line), line
        except TornLine:
            yield None, b""


def _find(segment: Path, wanted: list[bytes], found: Found) -> None:
    """Look for the text first, at the speed of the disk; understand the lines only of a file that has it."""
    with _opened(segment) as (file, size):
        is_there, found.lost = _look_through(file, size, wanted, found.lost)
        if is_there:
            file.seek(0)
            for row, line in _rows(file, size):
                found.torn += not line
                if row is not None and row.event in wanted:
                    found.records += row.records()
        elif size:
            file.seek(size - 1)
            found.torn += file.read(1) != b"\n"


def _look_through(file: BinaryIO, size: int, wanted: list[bytes], lost: int) -> tuple[bool, int]:
    """Whether a text is in the file, and `lost` with what the file says is missing. Blocks end at the end of a line."""
    is_there = False
    while size > 0:
        block = file.read(min(size, _BLOCK))
        block += file.readline(min(size - len(block), _LONGEST_LINE))
        if not block:
            break
        size -= len(block)
        is_there = is_there or any(text in block for text in wanted)
        if block.startswith(b"!") or b"\n!" in block:
            lost += sum(map(lost_in, block.splitlines(keepends=True)))
    return is_there, lost


def _rewritten(segment: Path, goes: Callable[[Row], bool]) -> int:
    """Write a segment again without some of its records; it is left alone if it has none of them."""
    try:
        handle = locked(segment, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    with os.fdopen(handle, "rb") as file:  # its writer waits meanwhile, and then opens the new one
        size = os.fstat(handle).st_size
        count = sum(1 for row, _ in _rows(file, size) if row is not None and goes(row))
        if count == 0:
            return 0
        file.seek(0)
        draft = segment.with_name(f"{_DRAFT}{segment.name}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.writelines(line for row, line in _rows(file, size) if row is None or not goes(row))
            out.flush()
            os.fsync(out.fileno())
        draft.replace(segment)
        sync_directory(segment.parent)
    return count
