"""The `sluis` command: finds its sub-commands by entry point and loads only the one that was chosen.

That is why `sluis serve` never imports what can reach a vendor.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Final

import typer

from collector.settings import SettingsError

GROUP: Final = "sluis.commands"
ORDER: Final = tuple("up serve deliver janitor console sandbox check explain balance consent keys".split())
UNUSABLE: Final = 2


def _version(wanted: bool) -> None:  # noqa: FBT001 -- the shape of a Typer callback
    if wanted:
        typer.echo(f"sluis {version('sluis')}")
        raise typer.Exit


def _about(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sluis, a privacy-first server-side tracking collector.

    Exit codes: 0 done; 1 a check failed, input was refused or something is unaccounted; 2 the command or the
    configuration cannot be used; 3 the store does not answer.
    """


def build(chosen: Sequence[EntryPoint]) -> typer.Typer:
    """The command line with these sub-commands. A function is a command, a Typer a group of commands."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,  # they print what an exception says, and that may quote input
    )
    app.callback()(_about)
    for point in chosen:
        loaded = point.load()
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=point.name)
        else:
            app.command(point.name)(loaded)
    return app


def _chosen(arguments: Sequence[str]) -> list[EntryPoint]:
    points = {point.name: point for point in entry_points(group=GROUP)}
    first = next((word for word in arguments if not word.startswith("-")), None)
    if first in points:
        return [points[first]]
    known = [points[name] for name in ORDER if name in points]
    return known + [point for name, point in sorted(points.items()) if name not in ORDER]


def main() -> None:
    """Run the command line; a configuration that cannot be used is a sentence and exit code 2."""
    try:
        build(_chosen(sys.argv[1:]))()
    except SettingsError as error:
        typer.echo(str(error), err=True)
        sys.exit(UNUSABLE)


if __name__ == "__main__":
    main()
