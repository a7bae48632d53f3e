"""A real `sluis up` in a folder of its own, for tests that must see real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.processes import children_of

SLUIS = str(Path(sys.executable).parent / "sluis")
START_S, STOP_S = 60.0, 40.0


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def ask(
    method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP exchange: status, headers in lower case, body. `body` as JSON unless it is bytes."""
    where = urlsplit(url)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with closing(HTTPConnection(where.netloc, timeout=15)) as connection:
        target = f"{where.path or '/'}?{where.query}"
        connection.request(method, target, data, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@dataclass
class Stack:
    """One running `sluis up`."""

    folder: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    process: subprocess.Popen[str] | None = None
    output: str = ""

    @property
    def shop(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def console(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.ports[2]}"

    @property
    def environment(self) -> dict[str, str]:
        # What the developer has set must not leak into the test; the product reads its settings elsewhere.
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SLUIS_")}  # noqa: TID251
        return {
            **kept,
            "SLUIS_LISTEN__PORT": str(self.ports[0]),
            "SLUIS_LISTEN__CONSOLE_PORT": str(self.ports[1]),
            "SLUIS_LISTEN__SANDBOX_PORT": str(self.ports[2]),
            **self.extra,
        }

    def launch(self) -> "subprocess.Popen[str]":
        """Start it, and do not wait until it is up."""
        self.output = ""
        self.process = subprocess.Popen(
            [SLUIS, "up"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.process

    def start(self) -> "Stack":
        """Start it and wait until it says that it is up."""
        self.process = self.launch()
        assert self.process.stdout is not None
        deadline = time.monotonic() + START_S
        while "Ctrl-C" not in self.output:
            line = self.process.stdout.readline()
            self.output += line
            if not line or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"sluis up did not start:\n{self.output}")
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it as a person would; answers its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=STOP_S)
        self.output += rest
        return self.process.returncode

    def kill(self) -> None:
        """End it as the kernel would, if it runs; nothing of it stays open."""
        if self.process is None or self.process.stdout is None or self.process.stdout.closed:
            return
        self.process.kill()
        self.process.communicate()

    def sluis(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Another `sluis` command on the same folder."""
        return subprocess.run(
            [SLUIS, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def post(self, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
        status, answered, raw = ask("POST", f"{self.shop}/v1/events", body, headers)
        return status, answered, json.loads(raw) if raw else None

    def received(self, destination: str) -> list[dict[str, Any]]:
        """What the sandbox got for `ga4` or `meta`, oldest first."""
        _, _, raw = ask("GET", f"{self.sandbox}/api/received?destination={destination}")
        requests: list[dict[str, Any]] = json.loads(raw)["requests"]
        return requests

    def clear(self) -> None:
        ask("DELETE", f"{self.sandbox}/api/received")

    def fault(self, destination: str, **what: Any) -> None:
        """Script what the sandbox does wrong: times, status, delay_ms, close, body, headers."""
        status, _, raw = ask("POST", f"{self.sandbox}/api/faults", {"destination": destination, **what})
        assert status == 201, raw

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        ask("DELETE", f"{self.sandbox}/api/faults")

    def tally(self, destination: str) -> dict[str, Any]:
        """The sandbox's own counts since the last `clear`."""
        _, _, raw = ask("GET", f"{self.sandbox}/api/summary")
        counts: dict[str, Any] = json.loads(raw)["destinations"][destination]
        return counts

    def command_lines(self) -> dict[int, str]:
        """What the operating system shows of its children, by process id."""
        assert self.process is not None
        return children_of(self.process.pid)

    def children(self) -> dict[str, int]:
        """Process ids by what runs: `serve`, `deliver`, ..., `valkey-server`."""
        return {_named(command): pid for pid, command in self.command_lines().items()}

    def is_ready(self) -> bool:
        try:
            return ask("GET", f"{self.shop}/readyz")[0] == 200
        except OSError:
            return False

    def balance(self) -> dict[str, Any]:
        """The balance, from the console: quicker than a command and the same numbers."""
        status, _, raw = ask("GET", f"{self.console}/api/balance")
        assert status == 200, raw
        found: dict[str, Any] = json.loads(raw)
        return found

    def counts(self) -> Counter[str]:
        """The balance as `ga4 accepted`, `ga4 handed_over`, `meta dropped:withdrawn`, ...; their difference
        over a test is what the test did."""
        return flat(self.balance())

    def settled(self, timeout_s: float = 20.0) -> dict[str, Any]:
        """The balance once nothing waits any more."""
        deadline = time.monotonic() + timeout_s
        while True:
            balance = self.balance()
            if not any(one["waiting"] for one in balance["destinations"].values()):
                return balance
            assert time.monotonic() < deadline, f"still waiting: {balance}"
            time.sleep(0.1)


def flat(balance: Mapping[str, Any]) -> Counter[str]:
    """A balance as one counter, all sites together; what is zero is absent."""
    counts: Counter[str] = Counter()
    for name, destination in balance["destinations"].items():
        for site in destination["sites"].values():
            counts[f"{name} accepted"] += site["accepted"]
            counts[f"{name} handed_over"] += site["handed_over"]
            for fate in ("dropped", "dead"):
                counts.update({f"{name} {fate}:{why}": count for why, count in site[fate].items()})
    return +counts


def _named(command: str) -> str:
    words = command.split()
    return next((Path(word).name for word in words if "valkey-server" in word), words[-1])
