"""`sluis consent`: consent strings, recorded choices, withdrawals and decisions, from the command line.

A sub-command is imported when it is asked for, as `sluis` does with its own: `decode` needs no store, no keys and no
configuration, and would wait half a second for those of its sisters. Another one is a line in COMMANDS.
"""

from collections import UserDict
from importlib.metadata import EntryPoint
from typing import Any, Final

import typer
from typer.core import TyperGroup

COMMANDS: Final = {
    "decode": "collector.commands.consent_decode:decode",
    "show": "collector.commands.consent_show:show",
    "withdraw": "collector.commands.consent_withdraw:withdraw",
    "why": "collector.commands.consent_why:why",
    "stats": "collector.commands.consent_stats:stats",
}
"""Name to module and function, in the order of `sluis consent --help`."""


class _OnDemand(UserDict[str, Any]):
    """The commands by name; looking at the names imports nothing."""

    def __getitem__(self, name: str) -> Any:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        alone.command(name)(EntryPoint(name, super().__getitem__(name), "").load())
        return typer.main.get_command(alone)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _OnDemand(COMMANDS)


consent = typer.Typer(
    cls=_Group, help="Consent: read a string, show or withdraw a choice, say why, count.", no_args_is_help=True
)


@consent.callback()
def _consent() -> None:
    """The group itself does nothing."""
