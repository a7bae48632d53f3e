"""Why a consent string cannot be read. A decoder answers a value or a `Refused`; it never raises on input.

The codes are closed and safe as metric labels: they say what is wrong with the form and quote nothing.
"""

from dataclasses import dataclass
from enum import StrEnum


class Refusal(StrEnum):
    """What is wrong with a string."""

    EMPTY = "empty"  # nothing at all, or an empty part
    TOO_LONG = "too_long"  # longer than any real string; not looked at
    BAD_ALPHABET = "bad_alphabet"  # a character that the format does not have
    BAD_FORM = "bad_form"  # parts are missing, or stand where they may not
    BAD_VERSION = "bad_version"  # a version that this decoder does not read
    TRUNCATED = "truncated"  # it ends before its own fields do
    TRAILING_DATA = "trailing_data"  # something other than zero padding follows its fields
    BAD_SEGMENT = "bad_segment"  # an unknown, repeated or misplaced segment
    BAD_RANGE = "bad_range"  # a range that runs backwards, or beyond its own maximum
    BAD_VALUE = "bad_value"  # a field holds a value that is reserved or impossible


@dataclass(frozen=True, slots=True)
class Refused:
    """A string that could not be read."""

    reason: Refusal


class Refuse(Exception):
    """Ends a decoder's work on one string; its `decode` turns it into `Refused`."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason
