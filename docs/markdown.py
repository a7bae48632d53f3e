"""Markdown tables, and the sentence that stands beside a member of a closed list in the code."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from collector.commands.meanings import comments


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a `|` within a cell is escaped."""
    lines = [list(head), ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: str) -> str:
    """Text as code."""
    return f"`{text}`"


def meanings(members: type[Enum], said: Mapping[str, str] | None = None) -> dict[str, str]:
    """Value to sentence: the comment beside each member in the code, else `said`; raises KeyError without one."""
    beside = {**(said or {}), **comments(members)}
    return {str(one.value): sentence(beside[str(one.value)]) for one in members}


def sentence(text: str) -> str:
    """A comment as a sentence: a capital first, a full stop last, names of fields as code."""
    named = re.sub(r"(?<![`\w])([a-z]+(?:_[a-z]+)+)(?![`\w])", r"`\1`", text)
    return named[:1].upper() + named[1:].rstrip(".") + "."
