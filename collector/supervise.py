"""`sluis up`: everything on one machine, as separate processes, started in order and stopped in reverse.

    lock -> configuration, keys -> store -> janitor, serve, deliver, console, sandbox -> watch -> stop

It refuses what would end badly with a sentence (`CannotStart`): a second start on the same folder, a taken port,
no server to run.
"""

import fcntl
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collector.configuration import Settings
from collector.embedded import arguments, find_server
from collector.first_run import lay_down
from collector.processes import Child

START_TIMEOUT_S: Final = 60.0  # a small machine under load takes half of it
POLL_S: Final = 0.05


class CannotStart(Exception):
    """`up` cannot start; the message says why and what to do."""


class Supervisor:
    """The children of one `up`, and the life they share."""

    def __init__(self, settings: Settings, file: Path, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._file = file
        self._environment = {**environment, "SLUIS_CONFIG": str(file.resolve()), "SLUIS_VAR": str(settings.var)}
        self._stopping = False
        self._children: list[Child] = []
        self._lock_fd = _lock(settings.var)

    def run(self, say: Callable[[str], None], on_ready: Callable[[], None]) -> None:
        """Start, watch until told to stop, stop. Raises CannotStart; whatever was started is stopped again."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop_soon)
        try:
            self._refuse_taken_ports()
            lay_down(self._settings, datetime.now(UTC))
            self._start_all(say)
            if not self._stopping:
                on_ready()
            while not self._stopping:
                for child in self._children:
                    child.watch(say)
                time.sleep(POLL_S)
            say("stopping …")
        finally:
            for child in reversed(self._children):
                child.stop()
            os.close(self._lock_fd)

    def _stop_soon(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _start_all(self, say: Callable[[str], None]) -> None:
        if not self._settings.store.url:
            self._start(self._store())
        listen = self._settings.listen
        parts = {
            "janitor": self._announced("janitor"),
            "sandbox": _answers(listen.sandbox_port, "/healthz"),
            "serve": _answers(listen.port, "/readyz", listen.host),
            "deliver": self._announced("deliver"),
            "console": _answers(listen.console_port, "/healthz", listen.console_host),
        }
        self._start(*(self._child(name, ready) for name, ready in parts.items()))
        say("")

    def _start(self, *children: Child) -> None:
        for child in children:
            child.start()
            self._children.append(child)
        deadline = time.monotonic() + START_TIMEOUT_S
        waiting = list(children)
        while waiting and not self._stopping:
            waiting = [child for child in waiting if not child.ready()]
            # One that died is the reason, whoever else is not ready (and waits for it, perhaps).
            dead = [child for child in children if not child.alive()]
            if failed := dead or (waiting if time.monotonic() > deadline else []):
                child = failed[0]
                raise CannotStart(f"{child.name} did not start. The end of {child.log}:\n{child.last_words()}")
            time.sleep(POLL_S)

    def _store(self) -> Child:
        path = Path(self._settings.store_url.removeprefix("unix://"))
        folder = self._settings.var / "valkey"
        binary = find_server(self._environment.get("PATH"))
        command = [str(binary), *arguments(folder, path)]
        return Child("valkey", command, self._environment, self._log("valkey"), lambda: _connects(path), self._lock_fd)

    def _child(self, name: str, ready: Callable[[], bool]) -> Child:
        announced = self._settings.var / "run" / f"{name}.ready"
        announced.unlink(missing_ok=True)
        # The console script beside this interpreter, so that the process list says `sluis serve`.
        script = Path(sys.executable).with_name("sluis")
        command = [str(script), name] if script.exists() else [sys.executable, "-m", "collector", name]
        return Child(name, command, self._environment, self._log(name), ready, self._lock_fd)

    def _announced(self, name: str) -> Callable[[], bool]:
        return (self._settings.var / "run" / f"{name}.ready").exists

    def _log(self, name: str) -> Path:
        return self._settings.var / "log" / f"{name}.log"

    def _refuse_taken_ports(self) -> None:
        listen = self._settings.listen
        wanted = (
            ("collector", listen.host, listen.port, "--port"),
            ("console", listen.console_host, listen.console_port, "--console-port"),
            ("sandbox", "127.0.0.1", listen.sandbox_port, "--sandbox-port"),
        )
        if len({port for _, _, port, _ in wanted}) < len(wanted):
            raise CannotStart("The collector, the console and the sandbox need three different ports.")
        for name, host, port, option in wanted:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as error:
                    raise CannotStart(
                        f"Port {port} on {host}, wanted for the {name}, is not free ({error.strerror}). "
                        f"Choose another with {option}."
                    ) from None


def _lock(var: Path) -> int:
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock_fd = os.open(var / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(lock_fd, True)  # noqa: FBT003 -- the signature of os
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock_fd, 32).decode(errors="replace").strip()
        raise CannotStart(
            f"Sluis already runs on {var} (process {holder or 'unknown'}). Stop it first, or choose another --var."
        ) from None
    os.ftruncate(lock_fd, 0)
    os.write(lock_fd, str(os.getpid()).encode())
    return lock_fd


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.settimeout(1)
        probe.connect(str(path))
        probe.sendall(b"PING\r\n")
        return probe.recv(16).startswith(b"+PONG")
    return False


def _answers(port: int, path: str, host: str = "127.0.0.1") -> Callable[[], bool]:
    reached = "127.0.0.1" if host in ("0.0.0.0", "") else host
    url = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}{path}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004
        except (urllib.error.URLError, OSError):
            return False

    return answers
