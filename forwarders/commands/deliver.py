"""`sluis deliver`: hand stored records over."""

import asyncio

import uvloop

from collector.options import Config, Json, stop
from collector.readiness import announce
from collector.settings import load
from collector.store.master import KeyRingError
from collector.telemetry import set_up
from forwarders.deliver import run
from forwarders.registry import RegistryError


def deliver(config: Config = None, json: Json = False) -> None:
    """Hand stored records over to their destinations until told to stop."""
    set_up("deliver")
    settings = load(config)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings, lambda: announce(settings, "deliver", json=json)))
    except (KeyRingError, RegistryError) as error:
        stop(str(error))
