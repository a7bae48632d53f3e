"""What GPP and US Privacy strings answer: an opt-out of advertising for every recipient, or nothing. They never grant.

A string that cannot be read counts as opted out, never as absent; an empty one is absent. A known child gets no
advertising, in whatever section it is said. Sources: IAB GPP and US Privacy; the sections in force are `gpp_sid`.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final

from consent.model import ADS, EVERY_RECIPIENT, Reason, Signal, Source
from consent.signals import gpp, us_privacy
from consent.signals.fields import sections_of, text_of
from consent.signals.gpp import GppString
from consent.signals.refusal import Refused
from consent.signals.us_sections import OptOut

_TCFEUV2, _NONE = 2, -1  # section ids of GPP: a TC string (tcf_signal.py reads it), and none at all
_KEPT_CHARACTERS: Final = 2_048  # nobody fills the memory with long strings
FIELDS: Final = ("gpp_string", "gpp_sid", "us_privacy")


def read(said: Mapping[str, Any]) -> tuple[Signal, ...]:
    """One denial per string that opts out. Never raises."""
    text, sid, privacy = said.get("gpp_string"), said.get("gpp_sid"), said.get("us_privacy")
    if text is None and sid is None and privacy is None:
        return ()
    sections, text = sections_of(sid), text_of(text)
    in_force = None if sections is None else tuple(sections)
    hear = _denials if text is None or len(text) <= _KEPT_CHARACTERS else _denials.__wrapped__
    return hear(text, in_force, text_of(privacy))


@lru_cache(maxsize=512)
def _denials(gpp_text: str | None, sections: tuple[int, ...] | None, privacy: str | None) -> tuple[Signal, ...]:
    found = ((Source.GPP, _gpp(gpp_text, sections)), (Source.US_PRIVACY, _us_privacy(privacy)))
    return tuple(_denial(source, reason) for source, reason in found if reason is not None)


def _gpp(text: str | None, sections: tuple[int, ...] | None) -> Reason | None:
    in_force = None if sections is None else [one for one in sections if one != _TCFEUV2] or [_NONE]
    if text is None:
        return None if gpp.opts_out(None, in_force) is None else Reason.US_OPT_OUT
    found = gpp.decode(text)
    if isinstance(found, GppString) and found.known_child:
        return Reason.KNOWN_CHILD
    why = gpp.opts_out(found, in_force)
    if why is None:
        return None
    return Reason.US_UNREADABLE if why is OptOut.UNREADABLE else Reason.US_OPT_OUT


def _us_privacy(text: str | None) -> Reason | None:
    if text is None:
        return None
    found = us_privacy.decode(text)
    if isinstance(found, Refused):
        return Reason.US_UNREADABLE
    return None if found.sale_allowed else Reason.US_OPT_OUT


@cache
def _denial(source: Source, reason: Reason) -> Signal:
    return Signal(source, denies={EVERY_RECIPIENT: ADS}, denial=reason, silence=reason)
