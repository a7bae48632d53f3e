"""Where a load test may aim: this machine, unless somebody says that the other one is theirs."""

from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
OWN: Final = "--i-own-this-host"


def refusal(host: str, *, owned: bool) -> str | None:
    """Why no load may go to `host` (an origin such as http://127.0.0.1:8080); None if it may."""
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{host} is not an origin such as http://127.0.0.1:8080."
    if parts.hostname in LOOPBACK or owned:
        return None
    return f"{parts.hostname} is not this machine. A load test on somebody else's is an attack; if it is yours, {OWN}."
