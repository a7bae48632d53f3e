"""`sluis serve`: the public collector."""

from collector.app import CannotServe
from collector.app import serve as run
from collector.listening import CannotListen
from collector.options import Config, Json, stop
from collector.readiness import announce
from collector.settings import load
from collector.store.master import KeyRingError
from collector.store.withdrawal_book import NotKept


def serve(config: Config = None, json: Json = False) -> None:
    """Run the public collector: /v1/events, /v1/consent, /v1/pixel.gif, /sluis.js."""
    settings = load(config)
    listen = settings.listen
    try:
        run(settings, lambda: announce(settings, "serve", json=json, host=listen.host, port=listen.port))
    except (CannotServe, CannotListen, KeyRingError, NotKept) as error:
        stop(str(error))
