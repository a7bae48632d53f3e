"""What the operating system says about processes: from /proc, or from `ps` where there is none."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def children_of(parent: int) -> dict[int, str]:
    """The command lines of the children of a process, by process id; one without any is on its way in or out."""
    return {pid: command for pid, its_parent, command in _table() if its_parent == parent and command}


def is_alive(pid: int) -> bool:
    """Whether it still runs; a process that ended and waits to be noticed does not."""
    return any(pid == one for one, _, _ in _table())


def _table() -> Iterator[tuple[int, int, str]]:
    return _from_proc() if (PROC / "self" / "stat").exists() else _from_ps()


def _from_proc() -> Iterator[tuple[int, int, str]]:
    for folder in PROC.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it ended while we looked
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        if state not in "ZX":
            yield int(folder.name), int(parent), command.replace(b"\0", b" ").decode(errors="replace").strip()


def _from_ps() -> Iterator[tuple[int, int, str]]:
    listed = subprocess.run(["ps", "-axo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        pid, parent, state, command = (*line.split(maxsplit=3), "")[:4]
        if not state.startswith("Z"):
            yield int(pid), int(parent), command
