"""Global Privacy Control: the header `Sec-GPC: 1`, or `"gpc"` in a statement from whoever passes the header on.

Of the header exactly "1" is the signal (W3C GPC, "The Sec-GPC Header Field"); any other value is no signal.
Several header lines, or one line joined with commas by a proxy, count if one of them is exactly "1": the
protective reading. Of the statement everything but absent, null, false and 0 counts: what cannot be read denies.
GPC speaks about sale, sharing and targeted advertising, so it denies the ad purposes for every recipient and
says nothing about analytics.
"""

from collections.abc import Mapping
from typing import Final

from consent.model import ADS, EVERY_RECIPIENT, Reason, Signal, Source

_DENIAL: Final = Signal(Source.GPC, denies={EVERY_RECIPIENT: ADS}, denial=Reason.GPC, silence=Reason.CHOICE_UNKNOWN)
_OFF: Final = (None, False)  # 0 equals False


def read(header: str | None, statement: Mapping[str, object] | None) -> Signal | None:
    """The denial if the browser or the statement carries the signal, else None."""
    if header is not None and ("1" in [part.strip(" \t") for part in header.split(",")]):
        return _DENIAL
    if statement is not None and statement.get("gpc") not in _OFF:
        return _DENIAL
    return None
