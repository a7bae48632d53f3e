"""The TC string of IAB Europe's TCF, wire version 2, which is that of TCF 2.0 to 2.3: what it says, word for word.

    core . segment . segment . segment        the core first, the others in any order, each at most once

    core        Version 6, Created 36, LastUpdated 36 (tenths of a second), CmpId 12, CmpVersion 12, ConsentScreen 6,
                ConsentLanguage 2 x 6, VendorListVersion 12, TcfPolicyVersion 6, IsServiceSpecific 1,
                UseNonStandardTexts 1, SpecialFeatureOptIns 12, PurposesConsent 24, PurposesLITransparency 24,
                PurposeOneTreatment 1, PublisherCC 2 x 6, vendor consent and vendor LI (vendors.py),
                NumPubRestrictions 12, then per restriction PurposeId 6, RestrictionType 2 and entries (vendors.py)
    disclosed   SegmentType 3 = 1, vendors
    allowed     SegmentType 3 = 2, vendors; deprecated in 2021, read and not used
    publisher   SegmentType 3 = 3, PubPurposesConsent 24, PubPurposesLITransparency 24, NumCustomPurposes 6,
                CustomPurposesConsent n, CustomPurposesLI n

Rules
1. Strict: what the format does not allow is refused whole, with a reason, also where IAB's own library reads on
   (a segment twice, ranges backwards or beyond their maximum, a letter after Z). Doubtful consent is no consent.
2. A field that is not all there is not there. Decoders that read a flag past the end as true find every purpose
   granted in "CQ".
3. Only zero bits may follow a segment's fields, any number: encoders pad to 6, 8 or 24 bits.
4. The wire only: a string that nobody may rely on (policy 3, not service-specific) is read; tcf_policy.py refuses it.
5. The cost of a string grows with its length (see bits.py and vendors.py) and its length has a cap.
Source: github.com/InteractiveAdvertisingBureau/GDPR-Transparency-and-Consent-Framework, TCF v2 (10b489e).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

from consent.signals.bits import Bits
from consent.signals.refusal import Refusal, Refuse, Refused
from consent.signals.vendors import MAX_ID, BitField, RangeList, Vendors, read_entries, read_vendors

MAX_CHARACTERS: Final = 16_384  # a full bit field of 65,535 vendors takes 10,981
_KEPT: Final = 512  # decoded strings; a hostile one and what it says take some 100 kB
_VERSION: Final = 2
_VERSION_BITS: Final = 6
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DISCLOSED, _ALLOWED, _PUBLISHER = 1, 2, 3
_SEGMENTS: Final = (_DISCLOSED, _ALLOWED, _PUBLISHER)
_PURPOSES: Final = 24


@dataclass(frozen=True, slots=True, eq=False)
class Restriction:
    """What the publisher restricts for these vendors: 0 not allowed, 1 consent only, 2 LI only, 3 undefined."""

    purpose_id: int
    restriction_type: int
    vendors: Vendors


@dataclass(frozen=True, slots=True, eq=False)
class PublisherTc:
    """The visitor's choices for the publisher itself."""

    purposes_consent: frozenset[int]
    purposes_li: frozenset[int]
    num_custom_purposes: int
    custom_purposes_consent: frozenset[int]
    custom_purposes_li: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)  # by identity: the same string gives the same object
class TcString:
    """The fields of a TC string. None: the segment is absent, which is not the same as empty."""

    version: int
    created_ms: int
    last_updated_ms: int
    cmp_id: int
    cmp_version: int
    consent_screen: int
    consent_language: str
    vendor_list_version: int
    tcf_policy_version: int
    is_service_specific: bool
    use_non_standard_texts: bool
    special_feature_opt_ins: frozenset[int]
    purposes_consent: frozenset[int]
    purposes_li: frozenset[int]
    purpose_one_treatment: bool
    publisher_cc: str
    vendor_consent: Vendors
    vendor_li: Vendors
    publisher_restrictions: tuple[Restriction, ...]
    disclosed_vendors: Vendors | None
    allowed_vendors: Vendors | None
    publisher_tc: PublisherTc | None


def decode(text: str) -> TcString | Refused:
    """Read a TC string. Never raises; the same string is decoded once."""
    return _TOO_LONG if len(text) > MAX_CHARACTERS else _decoded(text)


def described(said: TcString | Restriction | PublisherTc) -> dict[str, Any]:
    """What was read as plain JSON: sets as sorted lists, vendors as lists of [from, to]."""
    return {part.name: _plain(getattr(said, part.name)) for part in fields(said)}


def _plain(value: Any) -> Any:
    if isinstance(value, BitField | RangeList):
        return [list(pair) for pair in value.ranges]
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [described(one) for one in value]
    return described(value) if isinstance(value, PublisherTc) else value


_TOO_LONG: Final = Refused(Refusal.TOO_LONG)


@lru_cache(maxsize=_KEPT)
def _decoded(text: str) -> TcString | Refused:
    try:
        return _read(text)
    except Refuse as refuse:
        return Refused(refuse.reason)


def _read(text: str) -> TcString:
    if text.count(".") > len(_SEGMENTS):
        raise Refuse(Refusal.BAD_SEGMENT)
    core, *others = [Bits(segment) for segment in text.split(".")]
    if core.read(_VERSION_BITS) != _VERSION:
        raise Refuse(Refusal.BAD_VERSION)
    head, consent, li, restrictions = _head(core), read_vendors(core), read_vendors(core), _restrictions(core)
    core.end()
    found = _segments(others)
    return TcString(
        version=_VERSION,
        **head,
        vendor_consent=consent,
        vendor_li=li,
        publisher_restrictions=restrictions,
        disclosed_vendors=found.get(_DISCLOSED),
        allowed_vendors=found.get(_ALLOWED),
        publisher_tc=found.get(_PUBLISHER),
    )


def _segments(segments: list[Bits]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for segment in segments:
        kind = segment.read(3)
        if kind not in _SEGMENTS or kind in found:
            raise Refuse(Refusal.BAD_SEGMENT)
        found[kind] = _publisher_tc(segment) if kind == _PUBLISHER else read_vendors(segment)
        segment.end()
    return found


def _milliseconds(tenths: int) -> int:
    return tenths * 100


def _cmp_id(number: int) -> int:
    if number < 2:  # noqa: PLR2004 -- ids of CMPs start at 2
        raise Refuse(Refusal.BAD_VALUE)
    return number


def _letters(pair: int) -> str:
    first, second = divmod(pair, 64)
    if max(first, second) >= len(_LETTERS):
        raise Refuse(Refusal.BAD_VALUE)
    return _LETTERS[first] + _LETTERS[second]


def _numbers(bits: int, width: int = _PURPOSES) -> frozenset[int]:
    """The numbers whose bit is set; the first bit is number 1."""
    found = []
    while bits:
        length = bits.bit_length()
        found.append(width - length + 1)
        bits ^= 1 << (length - 1)
    return frozenset(found)


def _features(bits: int) -> frozenset[int]:
    return _numbers(bits, 12)


_HEAD: Final[tuple[tuple[str, int, Callable[[int], Any]], ...]] = (
    ("created_ms", 36, _milliseconds),
    ("last_updated_ms", 36, _milliseconds),
    ("cmp_id", 12, _cmp_id),
    ("cmp_version", 12, int),
    ("consent_screen", 6, int),
    ("consent_language", 12, _letters),
    ("vendor_list_version", 12, int),
    ("tcf_policy_version", 6, int),
    ("is_service_specific", 1, bool),
    ("use_non_standard_texts", 1, bool),
    ("special_feature_opt_ins", 12, _features),
    ("purposes_consent", _PURPOSES, _numbers),
    ("purposes_li", _PURPOSES, _numbers),
    ("purpose_one_treatment", 1, bool),
    ("publisher_cc", 12, _letters),
)
_HEAD_BITS: Final = sum(width for _, width, _ in _HEAD)
_SHIFTS: Final = tuple(_HEAD_BITS - end for end in accumulate(width for _, width, _ in _HEAD))


def _head(core: Bits) -> dict[str, Any]:
    """What stands between the version and the vendors."""
    head = core.read(_HEAD_BITS)
    return {
        name: convert(head >> shift & (1 << width) - 1)
        for (name, width, convert), shift in zip(_HEAD, _SHIFTS, strict=True)
    }


def _restrictions(core: Bits) -> tuple[Restriction, ...]:
    """By purpose and type; what is said about the same two in several places is said once."""
    packed: dict[tuple[int, int], list[int]] = {}
    for _ in range(core.read(12)):
        pair = divmod(core.read(6 + 2), 4)
        if not pair[0]:
            raise Refuse(Refusal.BAD_VALUE)  # no purpose has the number 0
        if entries := read_entries(core, MAX_ID):  # a restriction for nobody restricts nobody
            packed.setdefault(pair, []).extend(entries)
    return tuple(Restriction(*pair, RangeList(entries)) for pair, entries in sorted(packed.items()))


def _publisher_tc(segment: Bits) -> PublisherTc:
    consent, li = segment.read(_PURPOSES), segment.read(_PURPOSES)
    count = segment.read(6)
    return PublisherTc(
        _numbers(consent),
        _numbers(li),
        count,
        _numbers(segment.read(count), count),
        _numbers(segment.read(count), count),
    )
