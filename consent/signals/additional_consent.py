"""Google's Additional Consent string: consent for ad technology providers that are not on IAB's vendor list.

    1~1.35.89            version 1: the consented ids
    2~1.35.89~dv.9.21    version 2: the consented ids, and those disclosed and not consented

Rules
1. Ids are ASCII decimals without sign, space or leading zero, in any order, of at most nine digits. A list may be
   empty, an item may not. After an empty `dv` the dot may be missing.
2. Strict: what is not in this form is refused whole.
3. An id in both lists of version 2 is no consent: the string contradicts itself.
4. It means something only beside a valid TC string; that is for tcf_policy.py to see to.
Source: support.google.com/admanager/answer/9681920, "Google's Additional Consent technical specification".
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from consent.signals.refusal import Refusal, Refuse, Refused

MAX_CHARACTERS: Final = 16_384
_KEPT: Final = 256  # decoded strings; a hostile one takes 250 kB
_IDS: Final = re.compile(r"[1-9][0-9]{0,8}(?:\.[1-9][0-9]{0,8})*+")
_FOREIGN: Final = re.compile(r"[^0-9.~dv]")
_DISCLOSED: Final = "dv"
_PARTS: Final = {"1": 2, "2": 3}


@dataclass(frozen=True, slots=True, eq=False)
class AdditionalConsent:
    """What the string says, ids in its order; `agreed` are the ids that count as consented."""

    version: int
    consented: tuple[int, ...]
    disclosed: tuple[int, ...] | None
    agreed: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "agreed", frozenset(self.consented).difference(self.disclosed or ()))


def decode(text: str) -> AdditionalConsent | Refused:
    """Read an AC string. Never raises; the same string is decoded once."""
    return _TOO_LONG if len(text) > MAX_CHARACTERS else _decoded(text)


def described(said: AdditionalConsent) -> dict[str, Any]:
    """The string as plain JSON."""
    disclosed = None if said.disclosed is None else list(said.disclosed)
    return {"version": said.version, "consented": list(said.consented), "disclosed": disclosed}


_TOO_LONG: Final = Refused(Refusal.TOO_LONG)


@lru_cache(maxsize=_KEPT)
def _decoded(text: str) -> AdditionalConsent | Refused:
    try:
        return _read(text)
    except Refuse as refuse:
        return Refused(refuse.reason)


def _read(text: str) -> AdditionalConsent:
    if not text:
        raise Refuse(Refusal.EMPTY)
    if _FOREIGN.search(text):
        raise Refuse(Refusal.BAD_ALPHABET)
    version, *lists = text.split("~")
    if version not in _PARTS:
        raise Refuse(Refusal.BAD_VERSION)
    if len(lists) + 1 != _PARTS[version]:
        raise Refuse(Refusal.BAD_FORM)
    return AdditionalConsent(int(version), _ids(lists[0]), _disclosed(lists[1]) if len(lists) > 1 else None)


def _disclosed(part: str) -> tuple[int, ...]:
    if part == _DISCLOSED:
        return ()
    if not part.startswith(_DISCLOSED + "."):
        raise Refuse(Refusal.BAD_FORM)
    return _ids(part[len(_DISCLOSED) + 1 :])


def _ids(part: str) -> tuple[int, ...]:
    if not part:
        return ()
    if not _IDS.fullmatch(part):
        raise Refuse(Refusal.BAD_FORM)
    return tuple(map(int, part.split(".")))
