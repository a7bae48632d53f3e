"""How a process says that it can do its work.

To `sluis up`: a file in {var}/run that holds its process id. To a program that started it with --json: one line.
"""

import os
from typing import Any

import orjson
import typer

from collector.configuration import Settings


def announce(settings: Settings, name: str, *, json: bool = False, **facts: Any) -> None:
    """Say that this process is ready; without a run folder and --json, quietly nothing."""
    folder = settings.var / "run"
    if folder.is_dir():
        (folder / f"{name}.ready").write_text(str(os.getpid()), encoding="ascii")
    if json:
        typer.echo(orjson.dumps({"process": name, "ready": True, "pid": os.getpid(), **facts}).decode())
