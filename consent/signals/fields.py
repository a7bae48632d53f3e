"""How the fields of a statement that hold CMP strings are read: text, nothing, or what no decoder takes."""

from typing import Any, Final

UNREADABLE: Final = "\0"  # stands for what is not even text: no alphabet has it
_MOST_SECTIONS: Final = 64
_DIGITS: Final = 3


def text_of(value: Any) -> str | None:
    """Text, None for what is absent or empty, and something no decoder can read for anything else."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else UNREADABLE


def sections_of(value: Any) -> list[int] | None:
    """`gpp_sid`: a list of numbers, or text with commas. None (then all sections count) if absent or unreadable."""
    if isinstance(value, str):
        value = [int(part) if part.isascii() and part.strip(" -").isdigit() else None for part in value.split(",")]
    if not isinstance(value, list) or len(value) > _MOST_SECTIONS:
        return None
    return value if all(type(one) is int and abs(one) < 10**_DIGITS for one in value) else None
