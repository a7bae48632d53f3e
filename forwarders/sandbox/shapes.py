"""What values look like: the few forms that both vendors share (numbers, hashes, currencies, e-mails).

Standard library only and pure; no rule lives here, so a vendor's rule is read in that vendor's file alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

LARGEST_EXACT_INTEGER: Final = 2**53
SHA256_OF_NOTHING: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SHA256 = re.compile(r"[0-9a-f]{64}")
SHA256_ANY_CASE = re.compile(r"[0-9a-fA-F]{64}")
CURRENCY = re.compile(r"[A-Z]{3}")
COUNTRY = re.compile(r"[A-Za-z]{2}")
ABSOLUTE_URL = re.compile(r"https?://[^/?#\s]+\S*")
_EMAIL = re.compile(r"[^\s@%/?&=:,;<>\"']+(?:@|%40)[^\s@%/?&=:,;<>\"']+\.[A-Za-z]{2,}", re.IGNORECASE)
# What a request to a vendor carries only when a visitor's own request was passed through.
_VISITOR_HEADERS = frozenset(
    {"cookie", "referer", "origin", "forwarded", "x-forwarded-for", "x-real-ip", "true-client-ip", "via"}
)


def is_number(value: object) -> TypeGuard[int | float]:
    """JSON numbers only: true and false are not numbers, and neither is "1"."""
    return type(value) is int or type(value) is float


def is_integer(value: object) -> TypeGuard[int]:
    """A JSON number without a fraction."""
    return type(value) is int


def is_text(value: object) -> TypeGuard[str]:
    """A string that holds more than blanks."""
    return isinstance(value, str) and bool(value.strip())


def is_scalar(value: object) -> TypeGuard[str | int | float]:
    """A string or a number; no boolean, null, list or object."""
    return isinstance(value, str) or is_number(value)


def holds_email(value: object) -> bool:
    """Whether a text holds something shaped like an e-mail address, percent-encoded in a URL or not."""
    return isinstance(value, str) and ("@" in value or "%40" in value) and _EMAIL.search(value) is not None


def is_match(pattern: re.Pattern[str], value: object) -> TypeGuard[str]:
    """A string that the whole of `pattern` describes."""
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def unknown_keys(given: Mapping[str, Any], known: AbstractSet[str]) -> list[str]:
    """The keys no documentation names, in the order they were sent."""
    return [key for key in given if key not in known]


def is_json_type(headers: Mapping[str, str]) -> bool:
    """Whether the content type is application/json, with or without a charset."""
    return headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


def visitor_headers(headers: Mapping[str, str]) -> Iterator[str]:
    """Names of headers that can only come from a visitor's browser: a server has none of its own."""
    yield from (name for name in headers if name in _VISITOR_HEADERS)
    if headers.get("user-agent", "").startswith("Mozilla/"):
        yield "user-agent"
