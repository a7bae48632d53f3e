"""Names and values GA4 takes in the parameters of an event and of an item.

Source: Measurement Protocol reference, "Limitations" and "Reserved names" (developers.google.com/analytics/
devguides/collection/protocol/ga4). GA4 answers 2xx to everything and silently discards what breaks a limit,
so each limit is kept here and each repair leaves a note. A note names a parameter and never says its value;
a name GA4 would not take is not repeated either, since it may be anything.
"""

import re
from collections.abc import Callable
from typing import Any

from forwarders.destinations.commerce import MAX_NUMBER, currency, number, word

Notes = list[str]
Scalar = str | int | float
Reader = Callable[[str, Any, Notes], Any]
"""reader(name, value, notes): what GA4 may have of the value, or None."""

MAX_TEXT = 100

# 40 letters, digits and underscores, a letter first. That leaves out the reserved prefixes "_" and "gtag." too.
_NAME = re.compile(r"(?!firebase_|ga_|google_)[A-Za-z][A-Za-z0-9_]{0,39}")


def is_name(name: Any) -> bool:
    """Whether GA4 takes an event or a parameter of this name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def scalar(name: str, value: Any, notes: Notes) -> Scalar | None:
    """Text cut to its limit, or a number; truth values become "true" and "false", as gtag.js writes them."""
    kind = type(value)
    if kind is str:
        return text(name, value, notes)
    if kind is bool:
        return "true" if value else "false"
    if (kind is int or kind is float) and -MAX_NUMBER <= value <= MAX_NUMBER:
        known: int | float = value
        return known
    if value is not None:
        notes.append(f"{name}: dropped, GA4 takes text and numbers only")
    return None


def text(name: str, value: str, notes: Notes, limit: int = MAX_TEXT) -> str | None:
    """Text of at most `limit` characters; blank text says nothing and is left out."""
    if not value or value.isspace():
        return None
    if len(value) <= limit:
        return value
    notes.append(f"{name}: cut to {limit} characters")
    return value[:limit]


def identifier(name: str, value: Any, notes: Notes) -> str | None:
    """An id or a name as text. GA4 counts purchases with an empty transaction_id as one: blanks are dropped."""
    known = word(value)
    if known is not None:
        return text(name, known, notes)
    if value is not None:
        notes.append(f"{name}: dropped, it is not a usable text")
    return None


def amount(name: str, value: Any, notes: Notes) -> int | float | None:
    """A number, also from numeric text."""
    known = number(value)
    if known is None and value is not None and value != "":
        notes.append(f"{name}: dropped, it is not a number")
    return known


def not_negative(name: str, value: Any, notes: Notes) -> int | float | None:
    """A number that is not below zero: a price or a number of pieces."""
    known = amount(name, value, notes)
    if known is None or known >= 0:
        return known
    notes.append(f"{name}: dropped, it is negative")
    return None


def currency_code(name: str, value: Any, notes: Notes) -> str | None:
    """ISO 4217 in capitals."""
    known = currency(value)
    if known is None and value is not None and value != "":
        notes.append(f"{name}: dropped, it is not three letters")
    return known


def debug_mode(_name: str, value: Any, _notes: Notes) -> int | None:
    """1, or nothing: the mere presence of debug_mode switches DebugView on, whatever its value."""
    return 1 if value in (True, 1, "1", "true") else None
