"""`sluis check`: whether this configuration may serve."""

import asyncio
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console as Terminal
from rich.table import Table

from collector import check as checking
from collector.options import FAILED, Config, Json
from collector.settings import configured_file, environment, load


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


def _show_tradeoffs(rows: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        typer.echo(orjson.dumps(rows).decode())
        return
    table = Table("Setting", "Now", "Gain", "Discloses", box=None, padding=(0, 2, 1, 0))
    for row in rows:
        table.add_row(row["setting"], str(row["value"]).lower(), row["gain"], row["discloses"])
    Terminal().print(table)
