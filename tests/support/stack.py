"""A real `sluis up` in a folder of its own, for tests that must see real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    """One HTTP exchange; errors of HTTP are answers too. `body` as JSON unless it is bytes."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


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
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SLUIS_")}
        return {
            **kept,
            "SLUIS_LISTEN__PORT": str(self.ports[0]),
            "SLUIS_LISTEN__CONSOLE_PORT": str(self.ports[1]),
            "SLUIS_LISTEN__SANDBOX_PORT": str(self.ports[2]),
            **self.extra,
        }

    def start(self) -> "Stack":
        self.process = subprocess.Popen(
            [SLUIS, "up"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
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
        if self.process is not None and self.process.poll() is None:
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

    def balance(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.sluis("balance", "--json").stdout)
        return found

    def settled(self, timeout_s: float = 20.0) -> dict[str, Any]:
        """The balance once nothing waits any more."""
        deadline = time.monotonic() + timeout_s
        while True:
            balance = self.balance()
            if not any(one["waiting"] for one in balance["destinations"].values()):
                return balance
            assert time.monotonic() < deadline, f"still waiting: {balance}"
            time.sleep(0.2)
