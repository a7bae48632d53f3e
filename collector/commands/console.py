"""`sluis console`: the overview page."""

import uvicorn

from collector.console.app import Console
from collector.options import Config
from collector.settings import load
from collector.store.connection import connect_readers
from collector.telemetry import set_up


def console(config: Config = None) -> None:
    """Serve the overview page on loopback."""
    set_up("console")
    settings = load(config)
    app = Console(settings, connect_readers(settings.store_url, settings.store.timeout_s, 4)).app()
    port = settings.listen.console_port
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False, server_header=False)
