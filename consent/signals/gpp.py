"""The GPP string of the IAB: query name `gpp`, with `gpp_sid` for the sections in force.

Layout: `header~section~section`, in the order of their ids; inside a section a dot separates subsections.

    header     Type 6 = 3, Version 6 = 1, number of items 12, then per item a group flag 1 and one Fibonacci code
               (the id, counted from the last one), and for a group a second code (its end, counted from its start)
    Fibonacci  1, 2, 3, 5, 8 ... with the smallest first; a 1 after a 1 ends the code. 0 cannot be written, so ids
               ascend by construction
    sections   2 (tcfeuv2) is a whole TC string, 6 (uspv1) a US Privacy string, for 7 to 23 see us_sections.py

Rules
1. A string is read whole or refused whole. An unreadable string counts as opted out, never as absent. An empty
   *parameter* is an absent one: pass None.
2. Zero bits may follow the header's items, any number: encoders pad to 6, 8 or 24 bits.
3. The text of a section with an unknown layout is skipped, its id is kept.
4. Sections in force: those in `gpp_sid`. Without it, or while the CMP does not know yet (0; CMP API, "PingReturn"),
   all that the string has. An empty list, or -1 alone, says that no section applies.
5. A section in force that is missing or unknown counts as opted out. Section 2 is no US section: present, it says
   nothing here, and `tc_text` is for the reader of TC strings.
6. A header is never expanded beyond the sections that are there: a group of a million ids costs nothing.
Source: IAB Global-Privacy-Platform, Core/Consent String Specification, commit b27beb4.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from consent.signals import tcf, us_privacy, us_sections
from consent.signals.bits import Bits
from consent.signals.refusal import Refusal, Refuse, Refused
from consent.signals.tcf import TcString
from consent.signals.us_privacy import UsPrivacy
from consent.signals.us_sections import OptOut, UsSection

MAX_CHARACTERS: Final = 16_384
_MAX_HEADER: Final = 256  # the ids 1 to 27, one by one, take 18 characters
_KEPT: Final = 512  # decoded strings,
_KEPT_CHARACTERS: Final = 2_048  # and how long one of them may be: tcf.py keeps the long part of a long one
_TYPE: Final = 3
_VERSION: Final = 1
_FIBONACCI: Final = (
    *(1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233),
    *(377, 610, 987, 1597, 2584, 4181, 6765, 10946, 17711, 28657, 46368, 75025),
)
_TCFEUV2, _USPV1 = 2, 6
_PREFIXES: Final = {_TCFEUV2: "tcfeuv2", _USPV1: "uspv1"} | {
    section_id: row[0].prefix for section_id, row in us_sections.LAYOUTS.items()
}
_UNDECIDED: Final = 0

Section = TcString | UsPrivacy | UsSection


@dataclass(frozen=True, slots=True, eq=False)  # by identity: the same string gives the same object
class GppString:
    """The sections by API prefix, the ids of those that could not be read, and the TC string as it came."""

    section_ids: tuple[int, ...]
    sections: Mapping[str, Section]
    unknown_section_ids: tuple[int, ...]
    tc_text: str | None

    @property
    def known_child(self) -> bool:
        """Whether any section, in force or not, speaks of a known child: an age ends at no state line."""
        return any(isinstance(section, UsSection) and section.known_child for section in self.sections.values())


def decode(text: str) -> GppString | Refused:
    """Read a GPP string. Never raises."""
    if len(text) > MAX_CHARACTERS:
        return Refused(Refusal.TOO_LONG)
    return _kept(text) if len(text) <= _KEPT_CHARACTERS else _decoded(text)


def described(gpp: GppString) -> dict[str, Any]:
    """What was read as plain JSON, by the specification's names."""
    return {
        "section_ids": list(gpp.section_ids),
        "sections": {prefix: _described(section) for prefix, section in gpp.sections.items()},
        "unknown_section_ids": list(gpp.unknown_section_ids),
    }


def opts_out(gpp: GppString | Refused | None, gpp_sid: Sequence[int] | None) -> OptOut | None:
    """Why the visitor is opted out of advertising, if so. `gpp` is None when no string was sent."""
    if isinstance(gpp, Refused):
        return OptOut.UNREADABLE
    for section_id in _in_force(() if gpp is None else gpp.section_ids, gpp_sid):
        if gpp is None or section_id not in gpp.section_ids:
            return OptOut.MISSING_SECTION
        if (reason := _why(gpp.sections.get(_PREFIXES.get(section_id, "")))) is not None:
            return reason
    return None


def _in_force(present: Iterable[int], gpp_sid: Sequence[int] | None) -> list[int]:
    if gpp_sid is None or _UNDECIDED in gpp_sid:
        return sorted({*present, *(section_id for section_id in gpp_sid or () if section_id > 0)})
    return [section_id for section_id in gpp_sid if section_id > 0]


def _why(section: Section | None) -> OptOut | None:
    if section is None:
        return OptOut.UNKNOWN_SECTION
    if isinstance(section, UsSection):
        return us_sections.opt_out(section)
    return OptOut.SALE if isinstance(section, UsPrivacy) and not section.sale_allowed else None


def _described(section: Section) -> dict[str, Any]:
    if isinstance(section, UsSection):
        return us_sections.described(section)
    if isinstance(section, UsPrivacy):  # in a GPP string its fields have other names than alone
        names = ("Notice", "OptOutSale", "LspaCovered")
        return {"Version": 1, **dict(zip(names, us_privacy.described(section).values(), strict=True))}
    return tcf.described(section)


@lru_cache(maxsize=_KEPT)
def _kept(text: str) -> GppString | Refused:
    return _decoded(text)


def _decoded(text: str) -> GppString | Refused:
    try:
        return _read(text)
    except Refuse as refuse:
        return Refused(refuse.reason)


def _read(text: str) -> GppString:
    header, *texts = text.split("~")
    section_ids = _section_ids(header, len(texts))
    if "" in texts:
        raise Refuse(Refusal.EMPTY)
    by_id = dict(zip(section_ids, texts, strict=True))
    return GppString(
        section_ids,
        {_PREFIXES[number]: _section(number, part) for number, part in by_id.items() if number in _PREFIXES},
        tuple(number for number in section_ids if number not in _PREFIXES),
        by_id.get(_TCFEUV2),
    )


def _section(section_id: int, text: str) -> Section:
    if section_id == _TCFEUV2:
        return _readable(tcf.decode(text))
    if section_id == _USPV1:
        return _readable(us_privacy.decode(text))
    return us_sections.read(section_id, text)


def _readable(section: Section | Refused) -> Section:
    if isinstance(section, Refused):
        raise Refuse(section.reason)
    return section


def _section_ids(header: str, sections: int) -> tuple[int, ...]:
    """The ids that the header lists, exactly as many as there are sections."""
    if len(header) > _MAX_HEADER:
        raise Refuse(Refusal.TOO_LONG)
    bits = Bits(header)
    if bits.read(6) != _TYPE:
        raise Refuse(Refusal.BAD_FORM)
    if bits.read(6) != _VERSION:
        raise Refuse(Refusal.BAD_VERSION)
    found: list[int] = []
    last = 0
    for _ in range(bits.read(12)):
        is_group = bits.read(1)
        first = last + _fibonacci(bits)
        last = first + _fibonacci(bits) if is_group else first
        if last - first >= sections - len(found):
            raise Refuse(Refusal.BAD_FORM)
        found.extend(range(first, last + 1))
    bits.end()
    if len(found) != sections:
        raise Refuse(Refusal.BAD_FORM)
    return tuple(found)


def _fibonacci(bits: Bits) -> int:
    """One Fibonacci code of at most 24 bits; longer ones name ids beyond any list of sections."""
    total = before = 0
    for worth in _FIBONACCI:
        bit = bits.read(1)
        if bit and before:
            return total
        total += worth * bit
        before = bit
    raise Refuse(Refusal.BAD_RANGE)
