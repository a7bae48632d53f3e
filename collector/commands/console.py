"""`sluis console`: the overview page."""

import uvicorn

from collector.console.app import Console
from collector.options import Config
from collector.settings import load
from collector.store.connection import connect_readers
from collector.telemetry import set_up


def console(config: Config = None) -> None:
    """Serve the overview page."""
    set_up("console")
    settings = load(config)
    app = Console(settings, connect_readers(settings.store_url, settings.store.timeout_s, 4)).app()
    listen = settings.listen
    uvicorn.run(
        app, host=listen.console_host, port=listen.console_port, log_config=None, access_log=False, server_header=False
    )
