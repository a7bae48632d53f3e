"""`docs/cli.md`: every command and option, from the help that the commands carry."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer

from collector.__main__ import GROUP, ORDER, build
from docs.markdown import code, table

HEAD: Final = """\
# Command line

`sluis COMMAND --help` says the same. Every command that reports something takes `--json` for programs.
"""


def page() -> str:
    """The whole page."""
    app: Any = typer.main.get_command(build(points()))
    codes = " ".join(app.help.split()).partition("Exit codes: ")[2]
    rows = [one.strip(" .").split(" ", 1) for one in codes.split(";")]
    parts = [HEAD, table(("Exit code", "Meaning"), rows)]
    for name, command in app.commands.items():
        parts.append(_command(f"sluis {name}", command))
        parts += [_command(f"sluis {name} {sub}", one) for sub, one in getattr(command, "commands", {}).items()]
    return "\n".join(parts)


def points() -> list[EntryPoint]:
    """Every sub-command of this distribution, in the order of `sluis --help`."""
    own = {point.name: point for point in entry_points(group=GROUP) if point.dist and point.dist.name == "sluis"}
    return [own[name] for name in ORDER] + [point for name, point in sorted(own.items()) if name not in ORDER]


def _command(title: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = " ".join([title, *(_name(one) for one in arguments)])
    text = f"## `{usage}`\n\n{' '.join((command.help or '').split())}\n"
    if arguments:
        text += "\n" + table(("Argument", "Meaning"), [(code(_name(one)), one.help or "") for one in arguments])
    if options:
        text += "\n" + table(("Option", "Meaning"), [(_flags(one), one.help or "") for one in options])
    return text


def _name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _flags(option: Any) -> str:
    flags = ", ".join(code(flag) for flag in [*option.opts, *option.secondary_opts])
    return flags if option.is_flag else f"{flags} {code(option.name.upper())}"
