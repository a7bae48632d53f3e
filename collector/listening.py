"""Listening sockets of the small web processes (console, sandbox), and the sentence when a port is taken."""

import asyncio
import os
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 2048


class CannotListen(Exception):
    """The address is not free; the message says which and what to do."""


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; raises CannotListen. `setting` is where another port can be said."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen(
            f"Port {port} on {host} is not free ({os.strerror(error.errno or 0)}). Choose another with [listen] "
            f"{setting}, or SLUIS_LISTEN__{setting.upper()} in the environment."
        ) from None


def run_app(app: ASGIApp, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT. Without access log: lines of it would hold addresses."""
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    on_ready()
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))
