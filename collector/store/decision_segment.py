"""One file of decision records while it is written.

1. Who writes to a file, or puts another in its place, holds its lock meanwhile (`locked`).
2. What could not be written whole is taken back, so that a file ends at the end of a line. What a crash left of a last
   line is cut off when the file is opened again, and the file says that a record is missing.
"""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.store.decision_lines import Combination, Writer, lost

_TAIL: Final = 1 << 16


class Segment:
    """A file, and the lines that wait to be written to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = Writer()
        self._waiting: list[bytes] = []
        self._handle: int | None = None

    def add(self, event: bytes, minute: int, combination: Combination, subjects: Sequence[bytes] = ()) -> None:
        """Put a record in line."""
        self._waiting.append(self._lines.row(event, minute, combination, subjects))

    def write(self, missing: int = 0) -> int:
        """Write what waits, after a line about `missing` ones; answers how many could not be written, these included.

        What could not be written does not wait on.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting and not missing:
            return 0
        try:
            self._append((lost(missing) if missing else b"") + b"".join(waiting))
        except OSError:
            self._lines.begin_again()
            self.close()
            return len(waiting) + missing
        return 0

    def sync(self) -> None:
        """Make what was written durable, as far as the disk allows."""
        if self._handle is not None:
            with suppress(OSError):
                os.fsync(self._handle)

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _append(self, data: bytes) -> None:
        handle = self._locked()
        start = os.fstat(handle).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, start)
            raise
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def _locked(self) -> int:
        """The file, locked; opened again if another has taken its place."""
        if self._handle is not None:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            if _is_still(self._handle, self._path):
                return self._handle
            os.close(self._handle)
            self._lines.begin_again()
        self._handle = locked(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        _cut_torn_line(self._handle)
        return self._handle


def locked(path: Path, flags: int) -> int:
    """Open a file and lock it. Raises OSError, such as FileNotFoundError where it is not there and not to be made."""
    while True:
        handle = os.open(path, flags, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_still(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_still(handle: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _cut_torn_line(handle: int) -> None:
    size = os.fstat(handle).st_size
    tail = os.pread(handle, _TAIL, max(0, size - _TAIL))
    torn = len(tail) - 1 - tail.rfind(b"\n")
    if torn > 0:
        os.ftruncate(handle, size - torn)
        os.write(handle, lost(1))
