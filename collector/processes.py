"""One child process of `sluis up`: started, watched, restarted with a growing pause, stopped.

A child leads its own process group in the supervisor's session: Ctrl-C reaches the supervisor alone, which stops
the children in order, the store last. If the supervisor is killed, Linux tells the children to stop
(PR_SET_PDEATHSIG), and they hold its lock file open, so that nobody starts a second server on the same data.
"""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0
STEADY_S: Final = 30.0  # a child that ran this long starts over with the first pause
_PR_SET_PDEATHSIG: Final = 1


@dataclass(slots=True)
class Child:
    """A command that should run as long as `up` does. `ready` says whether it can do its work."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    ready: Callable[[], bool]
    lock_fd: int
    grace_s: float = 15.0
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    pause_s: float = FIRST_PAUSE_S
    started_at: float = 0.0
    restart_at: float = 0.0
    _log: IO[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it; its output goes to its log file."""
        if self._log is None:
            if self.log.exists():
                self.log.replace(self.log.with_suffix(".log.1"))
            self._log = self.log.open("ab")
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 -- our own commands
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=dict(self.environment),
            pass_fds=(self.lock_fd,),
            process_group=0,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 -- no threads here
        )

    def watch(self, say: Callable[[str], None]) -> None:
        """Notice that it died, and start it again when its pause is over."""
        now = time.monotonic()
        if self.restart_at:
            if now >= self.restart_at:
                self.restart_at = 0.0
                self.restarts += 1
                self.start()
            return
        status = None if self.process is None else self.process.poll()
        if status is None:
            return
        if now - self.started_at > STEADY_S:
            self.pause_s = FIRST_PAUSE_S
        say(f"{self.name} ended ({_how(status)}); starting it again in {self.pause_s:g} s, log: {self.log}")
        self.restart_at = now + self.pause_s
        self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S)

    def alive(self) -> bool:
        """Whether it runs now."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Ask it to stop, wait for its grace, then insist."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(self.grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def last_words(self, lines: int = 6) -> str:
        """The end of its log, for a person."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
