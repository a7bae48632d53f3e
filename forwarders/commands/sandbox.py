"""`sluis sandbox`: play GA4 and Meta on loopback."""

from typing import Annotated

import typer

from collector.listening import CannotListen, bind, run_app
from collector.options import Config, Json, stop
from collector.readiness import announce
from collector.settings import load
from collector.telemetry import set_up
from forwarders.sandbox.app import create_app

LOOPBACK = "127.0.0.1"


def sandbox(
    config: Config = None,
    json: Json = False,
    checks: Annotated[bool, typer.Option(help="Check every request; --no-checks only counts (for load).")] = True,
) -> None:
    """Play GA4 and Meta on loopback, strictly: shows what arrived and what they would object to."""
    set_up("sandbox")
    settings = load(config)
    port = settings.listen.sandbox_port
    try:
        listening = bind(LOOPBACK, port, "sandbox_port")
    except CannotListen as error:
        stop(str(error))
    run_app(
        create_app(checks=checks),
        listening,
        lambda: announce(settings, "sandbox", json=json, host=LOOPBACK, port=port),
    )
