"""What may be kept of a page address and of free text.

URLs and referrers lose user-info, fragment and every query parameter that the destination's kind does not list
(consent/kinds.py). Path segments and texts that hold an e-mail address are masked: it was never ours to pass on.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "(redacted)"
_AT: Final = re.compile("@|%(?:25)*40")  # %2540 after one redirect too many
_WORD: Final = re.compile(r"[^\s<>\"'(),;:/?&=]+")
_FBCLID: Final = re.compile(r"[?&]fbclid=([\w-]{8,500})(?:[&#]|$)")
_FBC: Final = re.compile(r"fb\.\d{1,2}\.\d{10,13}\.[\w-]{1,500}(?:\.[\w-]{2,8})?")
_FBP: Final = re.compile(r"fb\.\d{1,2}\.\d{10,13}\.\d{1,20}(?:\.[\w-]{2,8})?")


Address = tuple[str, str]
"""A URL without user-info and fragment: what stands before the query, and the raw query."""


def split(url: str | None) -> Address:
    """The two parts of an http(s) URL; both empty if it is none. E-mail-like path segments are masked."""
    if not url:
        return "", ""
    head, _, query = url.partition("#")[0].partition("?")
    scheme, separator, rest = head.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return "", ""
    if "@" in rest or "%" in rest:
        authority, slash, path = rest.partition("/")
        path = "/".join(MASK if _AT.search(part) else part for part in path.split("/"))
        return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}", query
    return head, query


def joined(address: Address, keep: frozenset[str]) -> str:
    """The URL with only the query parameters in `keep`."""
    head, query = address
    if not query or not keep:
        return head
    parts = [part for part in query.split("&") if part.partition("=")[0] in keep]
    kept = "&".join(part for part in parts if not _AT.search(part))
    return f"{head}?{kept}" if kept else head


def text(value: str) -> str:
    """Free text with e-mail addresses masked."""
    return _WORD.sub(_masked, value) if "@" in value or "%40" in value else value


def _masked(found: re.Match[str]) -> str:
    """A word, or the mask if it is an address. By hand: one pattern for all of it takes cubic time on "%40%40..."."""
    word = found[0]
    _, _, domain = word.replace("%40", "@").lstrip("@").partition("@")
    return MASK if "." in domain.strip("@.") else word


def texts(value: Any) -> Any:
    """Every text and name below `value` with e-mail addresses masked. Depth is bounded by the parser."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {text(key): texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [texts(item) for item in value]
    return value


def click_cookie(fbc: str | None) -> str:
    """Meta's fbc cookie if it has the documented form, else empty."""
    return fbc if fbc and _FBC.fullmatch(fbc) else ""


def click_id(url: str, occurred_ms: int) -> str:
    """An fbc made from a landing URL's fbclid and the click's own time; empty without one.

    Meta, "fbp and fbc parameters": fb.<subdomain index>.<milliseconds>.<fbclid>; case matters.
    """
    found = _FBCLID.search(url) if "fbclid=" in url else None
    return f"fb.1.{occurred_ms}.{found.group(1)}" if found else ""


def browser_id(fbp: str | None) -> str:
    """Meta's fbp cookie if it has the documented form, else empty."""
    return fbp if fbp and _FBP.fullmatch(fbp) else ""
