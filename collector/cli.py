"""Sub-commands of the collector: up, serve, janitor, console, check, balance, keys."""

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import uvicorn
from rich.console import Console as Terminal
from rich.table import Table

from collector import check as checking
from collector import janitor as janitor_process
from collector.app import CannotServe
from collector.app import serve as run_serve
from collector.configuration import Settings
from collector.console.app import Console, duration
from collector.embedded import NoServer
from collector.first_run import write_configuration
from collector.options import FAILED, STORE_AWAY, Config, Json, stop
from collector.settings import configured_file, environment, load
from collector.store.balance import Balance, read_balance
from collector.store.buffer import StoreUnavailable
from collector.store.connection import connect_readers
from collector.store.keyring import KeyRing, KeyRingError, Master
from collector.supervise import CannotStart, Supervisor
from collector.telemetry import set_up


def up(
    config: Config = None,
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
            typer.echo(f"wrote {file}")
        settings = load(file, env)
        Supervisor(settings, file, env).run(typer.echo, lambda: _links(settings))
    except (CannotStart, KeyRingError, NoServer) as error:
        stop(str(error))
    except OSError as error:
        stop(f"{error.filename or file}: {error.strerror}.")


def serve(config: Config = None) -> None:
    """Run the public collector: /v1/events, /v1/consent, /v1/pixel.gif, /sluis.js."""
    try:
        run_serve(load(config))
    except (CannotServe, KeyRingError) as error:
        stop(str(error))


def janitor(config: Config = None) -> None:
    """Make keys ahead, end what has to end, copy the balance."""
    try:
        asyncio.run(janitor_process.run(load(config)))
    except KeyRingError as error:
        stop(str(error))
    except StoreUnavailable as error:
        stop(f"The store does not answer: {error}", STORE_AWAY)


def console(config: Config = None) -> None:
    """Serve the overview page on loopback."""
    set_up("console")
    settings = load(config)
    app = Console(settings, connect_readers(settings.store_url, settings.store.timeout_s, 4)).app()
    port = settings.listen.console_port
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False, server_header=False)


def check(
    config: Config = None,
    json: Json = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the store.")] = False,
    tradeoffs: Annotated[
        bool, typer.Option("--tradeoffs", help="Each switch: its gain and what it discloses.")
    ] = False,
) -> None:
    """Say what must be mended before this configuration may serve. Exit code 1 if anything must."""
    env = environment()
    settings = load(config, env)
    if tradeoffs:
        _show_tradeoffs(checking.tradeoffs(settings), json=json)
        return
    problems = list(checking.problems(settings, configured_file(config, env)))
    if not offline:
        problems += asyncio.run(checking.store_problems(settings))
    remarks = list(checking.remarks(settings))
    if json:
        typer.echo(orjson.dumps({"ok": not problems, "problems": problems, "remarks": remarks}).decode())
    else:
        for remark in remarks:
            typer.echo(f"note: {remark}")
        for problem in problems:
            typer.echo(f"MUST BE MENDED: {problem}")
        typer.echo("This configuration may serve." if not problems else f"{len(problems)} to mend.")
    if problems:
        raise typer.Exit(FAILED)


def balance(config: Config = None, json: Json = False) -> None:
    """Show accepted = handed_over + dropped + dead + pending, and what is unaccounted. Exit code 1 if anything is."""
    settings = load(config)
    try:
        found = asyncio.run(_read_balance(settings))
    except StoreUnavailable as error:
        stop(f"The store does not answer: {error}", STORE_AWAY)
    if json:
        typer.echo(orjson.dumps(found.to_json()).decode())
    else:
        _show_balance(found)
    if found.unaccounted:
        raise typer.Exit(FAILED)


keys = typer.Typer(help="The key ring: roots of days and of pseudonym periods.", no_args_is_help=True)


@keys.callback()
def _keys() -> None:
    """Keys are made and destroyed by the janitor."""


@keys.command("list")
def list_keys(config: Config = None, json: Json = False) -> None:
    """List every root: id, state, when it was made, fingerprint. No key material is shown."""
    settings = load(config)
    try:
        found = KeyRing.open(settings.keys.dir, Master.load(settings.keys)).list(datetime.now(UTC))
    except KeyRingError as error:
        stop(str(error))
    rows = [
        {
            "id": key.id,
            "kind": key.kind,
            "state": key.state,
            "created": key.created,
            "fingerprint": key.fingerprint,
        }
        for key in found
    ]
    if json:
        typer.echo(orjson.dumps(rows).decode())
        return
    table = Table("Key", "State", "Created", "Fingerprint", box=None)
    for row in rows:
        table.add_row(str(row["id"]), str(row["state"]), str(row["created"]), str(row["fingerprint"]))
    Terminal().print(table)


async def _read_balance(settings: Settings) -> Balance:
    client = connect_readers(settings.store_url, settings.store.timeout_s, 1)
    try:
        return await read_balance(client, settings.destination)
    finally:
        with suppress(Exception):
            await client.aclose()


def _links(settings: Settings) -> None:
    listen = settings.listen
    host = "127.0.0.1" if listen.host in ("0.0.0.0", "") else listen.host
    links = {
        "demo shop": f"http://{host}:{listen.port}/demo/",
        "collector": f"http://{host}:{listen.port}/v1/events",
        "console": f"http://127.0.0.1:{listen.console_port}/",
        "sandbox": f"http://127.0.0.1:{listen.sandbox_port}/",
    }
    typer.echo("Sluis is up.")
    for name, link in links.items():
        typer.echo(f"  {name:<10} {link}")
    typer.echo(f"  data       {settings.var}\nCtrl-C stops it.")
    sys.stdout.flush()


def _show_balance(found: Balance) -> None:
    table = Table("Destination", "Site", box=None)
    for column in ("Accepted", "Handed over", "Dropped", "Dead", "Pending"):
        table.add_column(column, justify="right")
    for name, destination in sorted(found.destinations.items()):
        for site, one in sorted(destination.sites.items()):
            counts = (one.accepted, one.handed_over, _why(one.dropped), _why(one.dead), one.pending)
            table.add_row(name, site, *map(str, counts))
    terminal = Terminal()
    terminal.print(table)
    for name, destination in sorted(found.destinations.items()):
        if destination.waiting:
            oldest = duration(destination.oldest_pending_ms)
            terminal.print(f"{name}: {destination.waiting} waiting, the oldest for {oldest}", highlight=False)
    for outcome, sites in sorted(found.door.items()):
        terminal.print(f"at the door, {outcome}: {sum(sites.values())}", highlight=False)
    terminal.print(f"unaccounted: {found.unaccounted}", highlight=False, style="bold")


def _why(counts: dict[str, int]) -> str:
    return " ".join(f"{reason}:{count}" for reason, count in sorted(counts.items())) or "0"


def _show_tradeoffs(rows: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        typer.echo(orjson.dumps(rows).decode())
        return
    table = Table("Setting", "Now", "Gain", "Discloses", box=None, padding=(0, 2, 1, 0))
    for row in rows:
        table.add_row(row["setting"], str(row["value"]).lower(), row["gain"], row["discloses"])
    Terminal().print(table)
