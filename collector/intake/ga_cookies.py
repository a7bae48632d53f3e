"""Google Analytics cookies, read for companion mode.

Layouts (facts: gtag.js for GS1, field reports for GS2 since May 2025; Google documents neither):
`_ga` = GA1.<depth>.<random>.<seconds>, the client id is the last two parts.
`_ga_<stream>` = GS1.1.<session id>.<number>... or GS2.1.s<session id>$o<number>$..., fields in any order.
"""

import re

_CLIENT_ID = re.compile(r"(?:GA\d\.[\d-]+\.)?(\d{1,20}\.\d{1,20})", re.ASCII)
_GS1 = re.compile(r"GS1\.\d+\.(\d{1,20})\.", re.ASCII)
_GS2 = re.compile(r"GS2\.\d+\.(.+)", re.ASCII)


def client_id(value: str | None) -> str:
    """The client id in a `_ga` value or a plain client id; empty if it is neither."""
    found = _CLIENT_ID.fullmatch(value) if value else None
    return found.group(1) if found else ""


def session_id(value: str | None) -> str:
    """The session id in a `_ga_<stream>` value; empty if there is none."""
    if not value:
        return ""
    if first := _GS1.match(value):
        return first.group(1)
    if second := _GS2.fullmatch(value):
        for part in second.group(1).split("$"):
            if part[:1] == "s" and part[1:].isascii() and part[1:].isdigit():
                return part[1:]
    return ""
