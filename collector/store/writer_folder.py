"""A directory of its own for each process that writes files, so that no two ever write one file.

Withdrawals (withdrawal_book.py) and decision records (decision_log.py) are written so.
"""

import fcntl
import os
from itertools import count
from pathlib import Path


def held_folder(folder: Path, process: str) -> tuple[Path, int]:
    """The first directory `process`, `process-2`, ... that no living process holds, and what holds it; raises OSError.

    It is held until its handle is closed, by whatever ends the process.
    """
    for number in count(1):
        own = folder / (process if number == 1 else f"{process}-{number}")
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(own, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        else:
            return own, handle
    raise AssertionError("there is always one more")
