"""The sections of the US states in a GPP string: one table of layouts and one reader for all of them.

Source: IAB Global-Privacy-Platform, Sections/US-National and Sections/US-States, commit b27beb4 (17 December 2025).

Layout: Version (6 bits), then items of 2 bits: notices, opt-outs, SensitiveDataProcessing (a list),
KnownChildSensitiveDataConsents (a list, or one item), in some states one more consent, and three about the MSPA.
After a dot may follow the GPC subsection, where the state has one: SubsectionType (2 bits, 1) and Gpc (1 bit).

    notices    0 does not apply   1 given       2 not given
    opt-outs   0 does not apply   1 opted out   2 did not
    consents   0 does not apply   1 no          2 yes

Rules
1. The Version field chooses the layout, never the length. A version that is not in the table is refused.
2. 3 is reserved in every item: a section with a 3 is refused, and so counts as opted out.
3. MspaCoveredTransaction 0 has no meaning, is met in the field, and changes nothing about the opt-outs: accepted.
4. Advertising is opted out if any of SaleOptOut, SharingOptOut and TargetedAdvertisingOptOut is 1, Gpc is true, or any
   child consent is 1.
5. A child consent of 0 says that the site knows of no child; any other value that this visitor is a known child, and
   whether consent was given.
6. The four states of October 2025 (24 to 27) have a header of their own that the reference library does not write:
   their layout counts as unknown. Tennessee's table omits MspaCoveredTransaction and all its sisters have it; it is
   read, as it stands behind everything that opts out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from consent.signals.bits import Bits
from consent.signals.refusal import Refusal, Refuse

_VERSION_BITS: Final = 6
_ITEM_BITS: Final = 2
_GPC_SUBSECTION: Final = 1
_OPTED_OUT: Final = 1
_NO_CONSENT: Final = 1
_RESERVED: Final = 3
_CHILD: Final = "KnownChildSensitiveDataConsents"

_NATIONAL: Final = (
    "SharingNotice SaleOptOutNotice SharingOptOutNotice TargetedAdvertisingOptOutNotice "
    "SensitiveDataProcessingOptOutNotice SensitiveDataLimitUseNotice "
    "SaleOptOut SharingOptOut TargetedAdvertisingOptOut"
)
_CALIFORNIA: Final = "SaleOptOutNotice SharingOptOutNotice SensitiveDataLimitUseNotice SaleOptOut SharingOptOut"
_RIGHTS: Final = "SaleOptOutNotice TargetedAdvertisingOptOutNotice SaleOptOut TargetedAdvertisingOptOut"
_SHARING: Final = f"SharingNotice {_RIGHTS}"
_PROCESSING: Final = f"ProcessingNotice {_RIGHTS}"
_UTAH: Final = (
    "SharingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice SensitiveDataProcessingOptOutNotice "
    "SaleOptOut TargetedAdvertisingOptOut"
)
_IOWA: Final = (
    "ProcessingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice SensitiveDataOptOutNotice "
    "SaleOptOut TargetedAdvertisingOptOut"
)
_PERSONAL: Final = ("PersonalDataConsents",)
_ADDITIONAL: Final = ("AdditionalDataProcessingConsent",)
_MSPA: Final = ("MspaCoveredTransaction", "MspaOptOutOptionMode", "MspaServiceProviderMode")

Item = int | tuple[int, ...]


class OptOut(StrEnum):
    """Why advertising is opted out. Closed: safe as a metric label."""

    UNREADABLE = "unreadable"  # the string cannot be read
    MISSING_SECTION = "missing_section"  # a section in force is not in the string
    UNKNOWN_SECTION = "unknown_section"  # a section in force has a layout that is not read here
    GPC = "gpc"  # the browser sent Global Privacy Control when the string was made
    SALE = "sale"  # the visitor opted out of sale
    SHARING = "sharing"  # the visitor opted out of sharing for cross-context advertising
    TARGETED_ADVERTISING = "targeted_advertising"  # the visitor opted out of targeted advertising
    CHILD = "child"  # a known child, without consent


_OPT_OUTS: Final = (
    ("SaleOptOut", OptOut.SALE),
    ("SharingOptOut", OptOut.SHARING),
    ("TargetedAdvertisingOptOut", OptOut.TARGETED_ADVERTISING),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """One section at one version: its items after Version, in order, and how many values each has."""

    prefix: str
    version: int
    items: tuple[tuple[str, int], ...]
    size: int  # values of all items together
    has_gpc: bool


@dataclass(frozen=True, slots=True, eq=False)  # by identity: it is kept with the string it stands in
class UsSection:
    """A section as read: `items` by name; `gpc` is None where there is no GPC subsection."""

    layout: Layout
    items: Mapping[str, Item]
    gpc: bool | None = None

    @property
    def known_child(self) -> bool:
        """Whether the site says that this visitor is a known child, with or without consent."""
        return any(self.child_consents)

    @property
    def child_consents(self) -> tuple[int, ...]:
        """The child consents, also where the layout has only one."""
        consents = self.items[_CHILD]
        return (consents,) if isinstance(consents, int) else consents


def _row(
    prefix: str,
    opening: str,
    sensitive: int,
    child: int,
    extra: Iterable[str] = (),
    *,
    version: int = 1,
    gpc: bool = True,
) -> Layout:
    """A row of the table: its opening items, the lengths of its two lists, and what stands before the MSPA's items."""
    lists = {"SensitiveDataProcessing": sensitive, _CHILD: child}
    items = tuple((name, lists.get(name, 1)) for name in (*opening.split(), *lists, *extra, *_MSPA))
    return Layout(prefix, version, items, sum(count for _, count in items), gpc)


LAYOUTS: Final[Mapping[int, tuple[Layout, ...]]] = {
    7: (
        _row("usnat", _NATIONAL, 12, 2, _PERSONAL),
        _row("usnat", _NATIONAL, 16, 3, _PERSONAL, version=2),
    ),
    8: (_row("usca", _CALIFORNIA, 9, 2, _PERSONAL),),
    9: (_row("usva", _SHARING, 8, 1, gpc=False),),
    10: (_row("usco", _SHARING, 7, 1),),
    11: (_row("usut", _UTAH, 8, 1, gpc=False),),
    12: (_row("usct", _SHARING, 8, 3),),
    13: (_row("usfl", _PROCESSING, 8, 3, _ADDITIONAL, gpc=False),),
    14: (_row("usmt", _SHARING, 8, 3, _ADDITIONAL),),
    15: (_row("usor", _PROCESSING, 11, 3, _ADDITIONAL),),
    16: (_row("ustx", _PROCESSING, 8, 1, _ADDITIONAL),),
    17: (_row("usde", _PROCESSING, 9, 5, _ADDITIONAL),),
    18: (_row("usia", _IOWA, 8, 1),),
    19: (_row("usne", _PROCESSING, 8, 1, _ADDITIONAL),),
    20: (_row("usnh", _PROCESSING, 8, 3, _ADDITIONAL),),
    21: (_row("usnj", _PROCESSING, 10, 5, _ADDITIONAL),),
    22: (_row("ustn", _PROCESSING, 8, 1, _ADDITIONAL),),
    23: (_row("usmn", _PROCESSING, 8, 1, _ADDITIONAL),),
}
_BY_VERSION: Final = {(number, layout.version): layout for number, row in LAYOUTS.items() for layout in row}


def read(section_id: int, text: str) -> UsSection:
    """A section that has a row in LAYOUTS. Raises Refuse."""
    core, *subsections = text.split(".", 2)
    bits = Bits(core)
    layout = _BY_VERSION.get((section_id, bits.read(_VERSION_BITS)))
    if layout is None:
        raise Refuse(Refusal.BAD_VERSION)
    if len(subsections) > layout.has_gpc:
        raise Refuse(Refusal.BAD_SEGMENT)
    items = _items(layout, bits)
    return UsSection(layout, items, _gpc(subsections[0]) if subsections else None)


def _items(layout: Layout, bits: Bits) -> dict[str, Item]:
    size = layout.size
    body = bits.read(size * _ITEM_BITS)
    bits.end()
    values = [body >> shift & 3 for shift in range((size - 1) * _ITEM_BITS, -1, -_ITEM_BITS)]
    if _RESERVED in values:
        raise Refuse(Refusal.BAD_VALUE)
    items: dict[str, Item] = {}
    at = 0
    for name, count in layout.items:
        items[name] = values[at] if count == 1 else tuple(values[at : at + count])
        at += count
    return items


def _gpc(text: str) -> bool:
    bits = Bits(text)
    if bits.read(_ITEM_BITS) != _GPC_SUBSECTION:
        raise Refuse(Refusal.BAD_SEGMENT)
    on = bool(bits.read(1))
    bits.end()
    return on


def described(section: UsSection) -> dict[str, Any]:
    """The section as JSON, by the specification's names."""
    items = {name: item if isinstance(item, int) else list(item) for name, item in section.items.items()}
    gpc = {"Gpc": section.gpc} if section.layout.has_gpc else {}
    return {"Version": section.layout.version, **items, **gpc}


def opt_out(section: UsSection) -> OptOut | None:
    """Why this section opts the visitor out of advertising, if it does."""
    if section.gpc:
        return OptOut.GPC
    for name, reason in _OPT_OUTS:
        if section.items.get(name) == _OPTED_OUT:
            return reason
    return OptOut.CHILD if _NO_CONSENT in section.child_consents else None


def opted_out(section: UsSection) -> bool:
    """Whether this section opts the visitor out of advertising."""
    return opt_out(section) is not None
