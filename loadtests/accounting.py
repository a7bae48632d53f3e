"""What the operating system says of a process: CPU time, resident memory, and on which core it may run.

CPU time is utime + stime of /proc/PID/stat, in which the kernel sums all threads of a process, ended ones
included (proc(5)). It counts in ticks, of 10 ms nearly everywhere: a round has to be long enough for that.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_UTIME: Final = 11  # fields 14 and 15 of proc(5), counted from the state, which follows the name
_STIME: Final = 12


class CannotMeasure(Exception):
    """This machine cannot do the measurement; the message says why."""


def cpu_seconds(stat: str, ticks_per_second: int) -> float:
    """User and system time in the text of /proc/PID/stat. The name in it may hold blanks and brackets."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / ticks_per_second


def resident_bytes(status: str) -> int:
    """VmRSS in the text of /proc/PID/status, which counts in KiB."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise CannotMeasure("The process has ended: its status names no resident memory.")


def cpu_of(pid: int) -> float:
    """CPU seconds of a running process, all threads, since it began."""
    return cpu_seconds(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"), os.sysconf("SC_CLK_TCK"))


def memory_of(pid: int) -> int:
    """Resident bytes of a running process."""
    return resident_bytes(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))


def two_cores() -> tuple[int, int]:
    """A core for the server and another for everything else; raises CannotMeasure."""
    if not hasattr(os, "sched_getaffinity"):
        raise CannotMeasure("The measurement pins processes to cores and reads /proc: it needs Linux.")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise CannotMeasure("The measurement needs two cores: one for the server, one for the load.")
    return cores[0], cores[1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Whatever is started inside runs on that core only; afterwards the caller is where it was."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine(cores: tuple[int, int]) -> dict[str, Any]:
    """What a reader must know of the machine to compare results."""
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        "cores": list(cores),
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
