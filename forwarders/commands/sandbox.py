"""`sluis sandbox`: play GA4 and Meta on loopback."""

from typing import Annotated

import typer
import uvicorn

from collector.options import Config
from collector.settings import load
from collector.telemetry import set_up
from forwarders.sandbox.app import create_app


def sandbox(
    config: Config = None,
    port: Annotated[int | None, typer.Option(help="Port on loopback; [listen] sandbox_port if absent.")] = None,
    checks: Annotated[bool, typer.Option(help="Check every request; --no-checks only counts (for load).")] = True,
) -> None:
    """Play GA4 and Meta on loopback, strictly: shows what arrived and what they would object to."""
    set_up("sandbox")
    chosen = port or load(config).listen.sandbox_port
    app = create_app(checks=checks)
    uvicorn.run(app, host="127.0.0.1", port=chosen, log_config=None, access_log=False, server_header=False)
