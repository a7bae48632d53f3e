"""Options that several sub-commands share, and the one way to stop with a sentence."""

from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file; SLUIS_CONFIG or ./sluis.toml if absent.")
]
Json = Annotated[bool, typer.Option("--json", help="Answer JSON for programs.")]

FAILED: Final = 1
UNUSABLE: Final = 2
STORE_AWAY: Final = 3


def stop(sentence: str, code: int = UNUSABLE) -> NoReturn:
    """Say why on stderr and leave with an exit code."""
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
