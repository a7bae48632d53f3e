"""Sets of vendor ids as TC strings carry them: a bit field, or a list of ranges.

    MaxVendorId 16, IsRangeEncoding 1, then
    0: MaxVendorId bits, bit i for vendor i
    1: NumEntries 12, then per entry IsARange 1, StartOrOnlyVendorId 16 and, if IsARange, EndVendorId 16

Rules
1. Ids are never expanded: 4,095 entries of 1 to 65535 fit into 22,500 characters. A bit field stays the one integer it
   is, ranges are sorted, merged and packed; both are searched as they are.
2. Ranges may be unsorted, overlap, touch or hold one id. They may not run backwards, hold id 0 or pass MaxVendorId.
Source: IAB Europe, "Transparency and Consent String with Global Vendor & CMP List Formats", Vendor Consent Section.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from consent.signals.bits import Bits
from consent.signals.refusal import Refusal, Refuse

MAX_ID: Final = 0xFFFF
_ID_BITS: Final = 16
_ENTRIES_BITS: Final = 12
_RUN: Final = re.compile("1+")

Ranges = tuple[tuple[int, int], ...]


class BitField:
    """The ids whose bit is set; the first bit is id 1."""

    __slots__ = ("_bits", "_size")

    def __init__(self, bits: int, size: int) -> None:
        self._bits = bits
        self._size = size

    def __contains__(self, vendor_id: int) -> bool:
        return 0 < vendor_id <= self._size and self._bits >> (self._size - vendor_id) & 1 == 1

    @property
    def ranges(self) -> Ranges:
        """The same ids as inclusive pairs."""
        return tuple((run.start() + 1, run.end()) for run in _RUN.finditer(f"{self._bits:0{self._size}b}"))


class RangeList:
    """The ids within inclusive ranges."""

    __slots__ = ("_packed",)

    def __init__(self, packed: Iterable[int]) -> None:
        """`packed`: for each range start << 16 | end, in any order."""
        self._packed = array("I", _merged(sorted(packed)))  # 4 bytes a range: a hostile string must not fill a cache

    def __contains__(self, vendor_id: int) -> bool:
        place = bisect_right(self._packed, vendor_id << _ID_BITS | MAX_ID)
        return place > 0 and vendor_id <= self._packed[place - 1] & MAX_ID

    @property
    def ranges(self) -> Ranges:
        """The same ids as inclusive pairs."""
        return tuple((pair >> _ID_BITS, pair & MAX_ID) for pair in self._packed)


Vendors = BitField | RangeList


def read_vendors(bits: Bits) -> Vendors:
    """One vendor section."""
    header = bits.read(_ID_BITS + 1)
    highest = header >> 1
    return RangeList(read_entries(bits, highest)) if header & 1 else BitField(bits.read(highest), highest)


def read_entries(bits: Bits, highest: int) -> list[int]:
    """NumEntries and its entries, packed as `RangeList` takes them."""
    packed = []
    for _ in range(bits.read(_ENTRIES_BITS)):
        entry = bits.read(1 + _ID_BITS)
        start = end = entry & MAX_ID
        if entry > MAX_ID:
            end = bits.read(_ID_BITS)
        if not 0 < start <= end <= highest:
            raise Refuse(Refusal.BAD_RANGE)
        packed.append(start << _ID_BITS | end)
    return packed


def _merged(ordered: list[int]) -> Iterator[int]:
    """Overlapping and touching ranges as one."""
    if not ordered:
        return
    first, last = ordered[0] >> _ID_BITS, ordered[0] & MAX_ID
    for pair in ordered:
        start, end = pair >> _ID_BITS, pair & MAX_ID
        if start > last + 1:
            yield first << _ID_BITS | last
            first, last = start, end
        elif end > last:
            last = end
    yield first << _ID_BITS | last
