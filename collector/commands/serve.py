"""`sluis serve`: the public collector."""

from collector.app import CannotServe
from collector.app import serve as run
from collector.options import Config, stop
from collector.settings import load
from collector.store.master import KeyRingError


def serve(config: Config = None) -> None:
    """Run the public collector: /v1/events, /v1/consent, /v1/pixel.gif, /sluis.js."""
    try:
        run(load(config))
    except (CannotServe, KeyRingError) as error:
        stop(str(error))
