"""`sluis balance`: every accepted record accounted for."""

import asyncio
from contextlib import suppress

import orjson
import typer
from rich.console import Console as Terminal
from rich.table import Table

from collector.configuration import Settings
from collector.console.app import duration
from collector.options import FAILED, STORE_AWAY, Config, Json, stop
from collector.settings import load
from collector.store.balance import Balance, read_balance
from collector.store.connection import StoreUnavailable, connect_readers


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


async def _read_balance(settings: Settings) -> Balance:
    client = connect_readers(settings.store_url, settings.store.timeout_s, 1)
    try:
        return await read_balance(client, settings.destination)
    finally:
        with suppress(Exception):
            await client.aclose()


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
