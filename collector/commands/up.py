"""`sluis up`: everything on this machine."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
import typer

from collector.configuration import Settings
from collector.embedded import NoServer
from collector.first_run import write_configuration
from collector.options import Config, Json, stop
from collector.settings import configured_file, environment, load
from collector.store.master import KeyRingError
from collector.supervise import CannotStart, Supervisor


def up(
    config: Config = None,
    json: Json = False,
    var: Annotated[Path | None, typer.Option(help="Folder for everything written; ./var if absent.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of collector and demo shop (8080).")] = None,
    console_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the console (8081).")] = None,
    sandbox_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the sandbox (8082).")] = None,
) -> None:
    """Start everything on this machine: store, collector, delivery, janitor, console, sandbox, demo shop."""
    chosen = {"VAR": var and var.resolve(), "LISTEN__PORT": port}
    chosen |= {"LISTEN__CONSOLE_PORT": console_port, "LISTEN__SANDBOX_PORT": sandbox_port}
    env = environment() | {f"SLUIS_{name}": str(value) for name, value in chosen.items() if value is not None}
    file = configured_file(config, env)
    try:
        if write_configuration(file):
            typer.echo(f"wrote {file}", err=json)
        settings = load(file, env)
        Supervisor(settings, file, env).run(partial(typer.echo, err=json), lambda: _show_links(settings, json=json))
    except (CannotStart, KeyRingError, NoServer) as error:
        stop(str(error))
    except OSError as error:
        stop(f"{error.filename or file}: {error.strerror}.")


def _show_links(settings: Settings, *, json: bool) -> None:
    listen = settings.listen
    host = "127.0.0.1" if listen.host in ("0.0.0.0", "") else listen.host
    links = {
        "demo shop": f"http://{host}:{listen.port}/demo/",
        "collector": f"http://{host}:{listen.port}/v1/events",
        "console": f"http://127.0.0.1:{listen.console_port}/",
        "sandbox": f"http://127.0.0.1:{listen.sandbox_port}/",
    }
    if json:
        typer.echo(orjson.dumps({"ready": True, "links": links, "data": str(settings.var)}).decode())
    else:
        lines = [f"  {name:<10} {link}" for name, link in links.items()]
        typer.echo("\n".join(["Sluis is up.", *lines, f"  data       {settings.var}", "Ctrl-C stops it."]))
    sys.stdout.flush()
