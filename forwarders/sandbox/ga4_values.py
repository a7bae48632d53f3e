"""Names, values and times in a Measurement Protocol body: the checks events, items and properties share.

Google, protocol reference: names of at most 40 letters, digits and underscores; values of at most 100
characters with longer page_* fields; timestamps in microseconds, at most 72 hours back and never ahead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.ga4_rules import broken
from forwarders.sandbox.shapes import LARGEST_EXACT_INTEGER, holds_email, is_integer, is_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
RESERVED_PREFIXES: Final = ("_", "firebase_", "ga_", "google_", "gtag.")
PARAM_CHARACTERS: Final = 100
LONGER_PARAMS: Final = {"page_title": 300, "page_referrer": 420, "page_location": 1000}
_OLDEST_MS: Final = 72 * 3600 * 1000
_FIRST_PLAUSIBLE_MICROS: Final = 10**15  # September 2001; a millisecond value of our days is far below it


def check_timestamp(value: object, at: str, now_ms: int) -> Iterator[Violation]:
    """`value` in microseconds against the receipt's clock in milliseconds."""
    if not is_integer(value) or value < _FIRST_PLAUSIBLE_MICROS:
        yield broken("ga4.timestamp_not_micros", at, value)
    elif value < (now_ms - _OLDEST_MS) * 1000:
        yield broken("ga4.timestamp_too_old", at, value)
    elif value >= (now_ms + 1) * 1000:
        yield broken("ga4.timestamp_in_future", at, value)


def check_own_timestamp(holder: Mapping[str, Any], at: str, now_ms: int) -> Iterator[Violation]:
    """`timestamp_micros` where a request, event or user property carries one."""
    if "timestamp_micros" in holder:
        yield from check_timestamp(holder["timestamp_micros"], f"{at}timestamp_micros", now_ms)


def check_param_name(name: str, at: str) -> Iterator[Violation]:
    """A reserved name is reported as reserved, even where its form is wrong as well."""
    if name == "firebase_conversion" or name.startswith(RESERVED_PREFIXES):
        yield broken("ga4.param_name_reserved", at, name)
    elif not NAME.fullmatch(name):
        yield broken("ga4.param_name_invalid", at, name)


def check_param_value(name: str, value: object, at: str) -> Iterator[Violation]:
    """Type, length, exactness, and no e-mail address in the clear."""
    if not is_scalar(value):
        yield broken("ga4.param_value_type", at, "null" if value is None else value)
    elif isinstance(value, str):
        if len(value) > LONGER_PARAMS.get(name, PARAM_CHARACTERS):
            yield broken("ga4.param_value_too_long", at, value)
        if holds_email(value):
            yield broken("ga4.email_in_clear", at)
    elif is_integer(value) and abs(value) > LARGEST_EXACT_INTEGER:
        yield broken("ga4.param_number_inexact", at, value)
