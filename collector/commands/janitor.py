"""`sluis janitor`: keys, ends, the copy of the balance."""

import asyncio

from collector.janitor import run
from collector.options import STORE_AWAY, Config, Json, stop
from collector.readiness import announce
from collector.settings import load
from collector.store.connection import StoreUnavailable
from collector.store.master import KeyRingError


def janitor(config: Config = None, json: Json = False) -> None:
    """Make keys ahead, end what has to end, copy the balance."""
    settings = load(config)
    try:
        asyncio.run(run(settings, lambda: announce(settings, "janitor", json=json)))
    except KeyRingError as error:
        stop(str(error))
    except StoreUnavailable as error:
        stop(f"The store does not answer: {error}", STORE_AWAY)
