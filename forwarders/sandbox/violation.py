"""One broken rule, as the API and the page show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Violation:
    """`rule` is a stable id, `field` the path of what broke it, `message` a sentence for a person."""

    rule: str
    field: str
    message: str


def broken(rules: Mapping[str, str], rule: str, field: str, seen: object = None) -> Violation:
    """A violation with the rule's sentence from its table; what was `seen` is quoted, shortened."""
    sentence = rules[rule]
    return Violation(rule, field, sentence if seen is None else f"{sentence} Received {_shown(seen)}.")


def _shown(seen: object) -> str:
    if isinstance(seen, str):
        return f'"{seen[:SHOWN_CHARACTERS]}…"' if len(seen) > SHOWN_CHARACTERS else f'"{seen}"'
    if isinstance(seen, bool):
        return "true" if seen else "false"
    if isinstance(seen, list):
        return f"a list of {len(seen)}"
    return "an object" if isinstance(seen, dict) else str(seen)
