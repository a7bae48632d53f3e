"""The stage of the bench: a Valkey, `serve` and the bare route, in a folder that is gone afterwards.

`serve` is configured as `sluis up` configures it, but for its port, and the demo shop stays away. It has one core
for itself; the bare route has the same core at other times; Valkey shares the other core with the load. There is
no `deliver`: what is accepted stays pending, and nothing but the door is measured.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from collector.embedded import NoServer, arguments, find_server
from collector.first_run import lay_down, write_configuration
from collector.settings import PREFIX, environment, load
from loadtests.accounting import CannotMeasure, on_core

START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server under measurement."""

    name: str
    pid: int
    port: int

    @property
    def origin(self) -> str:
        """Where its pages are said to be."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs, and how to ask for the balance."""

    sluis: Server
    bare: Server
    environment: Mapping[str, str]

    def accepted(self) -> dict[str, int]:
        """Records accepted so far per destination, as `sluis balance --json` says."""
        said = subprocess.run(
            _module(["collector", "balance", "--json"]),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not said.stdout:
            raise CannotMeasure(f"`sluis balance --json` gave no answer: {said.stderr.strip()}")
        return accepted_in(json.loads(said.stdout))


def accepted_in(balance: Mapping[str, Any]) -> dict[str, int]:
    """Destination to accepted, summed over sites, of the JSON of `sluis balance`."""
    return {
        name: sum(site["accepted"] for site in destination["sites"].values())
        for name, destination in balance["destinations"].items()
    }


@contextmanager
def stage(cores: tuple[int, int]) -> Iterator[Stage]:
    """Start everything, and stop it; raises CannotMeasure with a sentence."""
    serving, elsewhere = cores
    var = Path("var").resolve()
    var.mkdir(mode=0o700, exist_ok=True)
    with TemporaryDirectory(prefix="bench-", dir=var) as folder, ExitStack() as running:
        env, socket_path = _lay_out(Path(folder))
        valkey = _valkey(Path(folder), socket_path, env)
        with on_core(elsewhere):
            running.enter_context(_process("valkey", valkey, env, Path(folder), lambda: _connects(socket_path)))
        port, bare_port = int(env["SLUIS_LISTEN__PORT"]), _free_port()
        serve, bare = ["collector", "serve"], ["loadtests.bare", str(bare_port)]
        with on_core(serving):
            pid = running.enter_context(_process("sluis", _module(serve), env, Path(folder), _ready(port)))
            bare_pid = running.enter_context(_process("bare", _module(bare), env, Path(folder), _ready(bare_port)))
        yield Stage(Server("sluis", pid, port), Server("bare", bare_pid, bare_port), env)


def _lay_out(folder: Path) -> tuple[dict[str, str], Path]:
    """Configuration and keys; the environment that names them, and where the store's socket will be."""
    kept = {name: value for name, value in environment().items() if not name.startswith(PREFIX)}
    file = folder / "sluis.toml"
    write_configuration(file)
    env = kept | {
        "SLUIS_CONFIG": str(file),
        "SLUIS_VAR": str(folder / "var"),
        "SLUIS_LISTEN__PORT": str(_free_port()),
        "SLUIS_LISTEN__DEMO": "false",
    }
    settings = load(file, env)
    lay_down(settings, datetime.now(UTC))
    return env, Path(settings.store_url.removeprefix("unix://"))


def _valkey(folder: Path, socket_path: Path, env: Mapping[str, str]) -> list[str]:
    try:
        return [str(find_server(env.get("PATH"))), *arguments(folder / "var" / "valkey", socket_path)]
    except NoServer as missing:
        raise CannotMeasure(str(missing)) from None


@contextmanager
def _process(
    name: str, command: list[str], env: Mapping[str, str], folder: Path, ready: Callable[[], bool]
) -> Iterator[int]:
    """A child that is ready; it is stopped on the way out."""
    said = folder / f"{name}.log"
    with said.open("wb") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as child:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready():
                if child.poll() is not None or time.monotonic() > deadline:
                    tail = said.read_text(encoding="utf-8", errors="replace")[-2000:]
                    raise CannotMeasure(f"{name} did not start:\n{tail}")
                time.sleep(0.05)
            yield child.pid
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS)
            child.kill()


def _ready(port: int) -> Callable[[], bool]:
    """Sluis says so on /readyz; any answer at all will do for the bare route, which has no such thing."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as refused:
            return refused.code == 404
        except OSError:
            return False

    return answers


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False


def _module(words: list[str]) -> list[str]:
    return [sys.executable, "-m", *words]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
