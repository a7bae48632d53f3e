"""Amounts, currencies and words of e-commerce properties, as any vendor can take them.

Properties are a visitor's browser talking: what cannot be read gives None, never a guess or a default.
"""

import re
from typing import Any

MAX_NUMBER = 2**53  # beyond it a JSON number no longer says the same thing to every reader (RFC 8259, 6)

_NUMERIC = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")
_CURRENCY = re.compile(r"[A-Z]{3}")  # ISO 4217 alphabetic; which codes exist is the vendor's to say


def number(value: Any) -> int | float | None:
    """A finite number, or the one a plain numeric text ("29.95") says. A truth value is no number."""
    kind = type(value)
    if kind is int or kind is float:
        return value if -MAX_NUMBER <= value <= MAX_NUMBER else None
    if kind is str and _NUMERIC.fullmatch(text := value.strip()):
        return float(text) if "." in text else int(text)
    return None


def currency(value: Any) -> str | None:
    """A currency code in capitals, if it is three letters."""
    if type(value) is not str:
        return None
    code = value.strip().upper()
    return code if _CURRENCY.fullmatch(code) else None


def word(value: Any) -> str | None:
    """An identifier or name as text: blanks say nothing, a whole number is a way to write an id."""
    if type(value) is str:
        return None if not value or value.isspace() else value
    if type(value) is int and -MAX_NUMBER <= value <= MAX_NUMBER:
        return str(value)
    return None
