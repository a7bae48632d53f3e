"""`sluis console`: the overview page."""

from collector.console.app import Console
from collector.listening import CannotListen, bind, run_app
from collector.options import Config, Json, stop
from collector.readiness import announce
from collector.settings import load
from collector.store.connection import connect_readers
from collector.telemetry import set_up


def console(config: Config = None, json: Json = False) -> None:
    """Serve the overview page."""
    set_up("console")
    settings = load(config)
    host, port = settings.listen.console_host, settings.listen.console_port
    app = Console(settings, connect_readers(settings.store_url, settings.store.timeout_s, 4)).app()
    try:
        listening = bind(host, port, "console_port")
    except CannotListen as error:
        stop(str(error))
    run_app(app, listening, lambda: announce(settings, "console", json=json, host=host, port=port))
