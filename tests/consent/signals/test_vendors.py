"""Sets of vendor ids behave as the sets they stand for, however they were written."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent.signals.bits import Bits
from consent.signals.refusal import Refusal, Refuse
from consent.signals.vendors import BitField, RangeList, Vendors, read_vendors
from tests.consent.signals import tcf_encoder as wire

IDS = st.integers(1, 90)
PAIRS = st.tuples(IDS, IDS).map(lambda pair: (min(pair), max(pair)))


def read(bits: str) -> Vendors:
    return read_vendors(Bits(wire.text(bits)))


@settings(deadline=None, database=None)
@given(st.sets(IDS))
def test_a_bit_field_holds_the_ids_whose_bit_is_set(ids: set[int]) -> None:
    vendors = read(wire.section(ids))
    assert isinstance(vendors, BitField)
    assert {one for one in range(-1, 100) if one in vendors} == ids
    assert [one for start, end in vendors.ranges for one in range(start, end + 1)] == sorted(ids)


@settings(deadline=None, database=None)
@given(st.lists(PAIRS, min_size=1))
@example([(5, 9), (10, 20)])
@example([(20, 30), (1, 25), (7, 7)])
def test_ranges_may_be_unsorted_overlap_touch_or_hold_one_id(pairs: list[tuple[int, int]]) -> None:
    vendors = read(wire.section(pairs))
    ids = {one for start, end in pairs for one in range(start, end + 1)}
    assert isinstance(vendors, RangeList)
    assert {one for one in range(-1, 100) if one in vendors} == ids
    assert [one for start, end in vendors.ranges for one in range(start, end + 1)] == sorted(ids)


@given(st.lists(PAIRS, min_size=1))
def test_ranges_come_out_ascending_and_apart(pairs: list[tuple[int, int]]) -> None:
    ranges = read(wire.section(pairs)).ranges
    assert all(end + 1 < start for (_, end), (start, _) in pairwise(ranges))


def test_the_largest_sets_stay_small() -> None:
    everybody = read(wire.number(65535, 16) + "0" + "1" * 65535)
    as_range = read(wire.section([(1, 65535)] * 4095))
    assert everybody.ranges == as_range.ranges == ((1, 65535),)
    assert 65535 in everybody
    assert 65535 in as_range
    assert 65536 not in everybody
    assert 65536 not in as_range


@pytest.mark.parametrize("encoding", ["0", "1" + "0" * 12])
def test_a_set_of_nobody_is_a_set(encoding: str) -> None:
    vendors = read(wire.number(0, 16) + encoding)
    assert vendors.ranges == ()
    assert 0 not in vendors
    assert 1 not in vendors


@pytest.mark.parametrize(
    ("bits", "refusal"),
    [
        (wire.number(9, 16) + "1" + wire.entries([(5, 4)]), Refusal.BAD_RANGE),
        (wire.number(9, 16) + "1" + wire.entries([0]), Refusal.BAD_RANGE),
        (wire.number(9, 16) + "1" + wire.entries([(0, 4)]), Refusal.BAD_RANGE),
        (wire.number(9, 16) + "1" + wire.entries([10]), Refusal.BAD_RANGE),
        (wire.number(9, 16) + "1" + wire.entries([(9, 10)]), Refusal.BAD_RANGE),
        (wire.number(0, 16) + "1" + wire.entries([1]), Refusal.BAD_RANGE),
        (wire.number(99, 16) + "0" + "1" * 60, Refusal.TRUNCATED),
        (wire.number(9, 16) + "1" + wire.number(2, 12) + "0" + wire.number(9, 16), Refusal.TRUNCATED),
        (wire.number(9, 16), Refusal.TRUNCATED),
    ],
)
def test_what_is_no_set_of_vendors_is_refused(bits: str, refusal: Refusal) -> None:
    with pytest.raises(Refuse) as refused:
        read_vendors(Bits(wire.text(bits, 6)))
    assert refused.value.reason is refusal


@settings(deadline=None, database=None)
@given(st.text("01", min_size=1, max_size=400), st.lists(st.integers(0, 80), max_size=12))
def test_bits_are_read_in_order_and_never_past_the_end(bits: str, widths: list[int]) -> None:
    padded = bits + "0" * (-len(bits) % 6)
    reader = Bits(wire.text(bits, 6))
    at = 0
    for width in widths:
        if at + width > len(padded):
            with pytest.raises(Refuse):
                reader.read(width)
            return
        assert reader.read(width) == int("0" + padded[at : at + width], 2)
        at += width
        assert reader.left == len(padded) - at
