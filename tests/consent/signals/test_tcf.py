"""TC strings are read field by field, and refused whole as soon as one of them is not what the format allows."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.signals import tcf
from consent.signals.refusal import Refusal, Refused
from consent.signals.tcf import TcString
from tests.consent.signals import tcf_encoder as wire
from tests.consent.signals.vectors import rows, written

VALID = [param.values[0]["tc_string"] for param in rows("tcf", "vectors")]
SHORT = [string for string in VALID if len(string) < 300]
CORE = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA"
DISCLOSED = "IDKQA4AAgAKAGQAygAAA"
EMPTY = wire.number(0, 17)


def read(string: str) -> TcString:
    said = tcf.decode(string)
    assert isinstance(said, TcString)
    return said


def refusal(string: str) -> Refusal | None:
    said = tcf.decode(string)
    return said.reason if isinstance(said, Refused) else None


@pytest.mark.parametrize("row", rows("tcf", "vectors"))
def test_every_vector_is_read_field_by_field(row: dict[str, Any]) -> None:
    assert tcf.described(read(row["tc_string"])) == row["expected"]


@pytest.mark.parametrize("row", rows("consent_malformed", "tcf"))
def test_every_malformed_vector_is_refused(row: dict[str, Any]) -> None:
    assert refusal(written(row, "tc_string")) is not None


@pytest.mark.parametrize(
    ("string", "expected"),
    [
        ("", Refusal.EMPTY),
        (CORE + ".", Refusal.EMPTY),
        (CORE + ".." + DISCLOSED, Refusal.EMPTY),
        (CORE + "\n", Refusal.BAD_ALPHABET),
        (" " + CORE, Refusal.BAD_ALPHABET),
        (CORE + "=", Refusal.BAD_ALPHABET),
        (CORE.replace("4", "+"), Refusal.BAD_ALPHABET),
        (CORE.replace("4", "٤"), Refusal.BAD_ALPHABET),
        (CORE.replace("4", "\ud800"), Refusal.BAD_ALPHABET),
        (CORE.replace("C", "D", 1), Refusal.BAD_VERSION),
        (DISCLOSED + "." + CORE, Refusal.BAD_VERSION),
        (CORE + "." + CORE, Refusal.BAD_SEGMENT),
        (CORE + "." + DISCLOSED + "." + DISCLOSED, Refusal.BAD_SEGMENT),
        (CORE + ".A", Refusal.BAD_SEGMENT),
        (CORE + "._", Refusal.BAD_SEGMENT),
        (CORE + ".I.Q.Y.I", Refusal.BAD_SEGMENT),
        (CORE + ".I", Refusal.TRUNCATED),
        (CORE + ".f", Refusal.TRUNCATED),
        (CORE + "B", Refusal.TRAILING_DATA),
        (CORE + "." + DISCLOSED + "B", Refusal.TRAILING_DATA),
        (wire.encode(cmp_id=1), Refusal.BAD_VALUE),
        (wire.encode(language="A["), Refusal.BAD_VALUE),
        (wire.encode(country="[A"), Refusal.BAD_VALUE),
        (wire.encode(restrictions=[(0, 0, [755])]), Refusal.BAD_VALUE),
        (wire.encode(restrictions=[(7, 0, [0])]), Refusal.BAD_RANGE),
        (wire.encode(restrictions=[(7, 0, [(9, 8)])]), Refusal.BAD_RANGE),
        ("A" * 16_385, Refusal.TOO_LONG),
        ("." * 16_384, Refusal.BAD_SEGMENT),
    ],
)
def test_a_refusal_says_what_is_wrong(string: str, expected: Refusal) -> None:
    assert refusal(string) is expected


@pytest.mark.parametrize("padding", [6, 8, 24, 6000])
def test_any_number_of_zero_bits_may_follow_a_segment(padding: int) -> None:
    bare = wire.encode(purposes=[1], vendors=[755], disclosed=[755], publisher=[2], padding=6)
    padded = wire.encode(purposes=[1], vendors=[755], disclosed=[755], publisher=[2], padding=padding)
    assert tcf.described(read(padded)) == tcf.described(read(bare))


def test_what_nobody_may_rely_on_is_read_all_the_same() -> None:
    said = read(wire.encode(policy=0, service_specific=False, created=0, disclosed=None, restrictions=[(63, 3, [7])]))
    assert (said.tcf_policy_version, said.is_service_specific, said.created_ms) == (0, False, 0)
    assert said.disclosed_vendors is None
    assert tcf.described(said)["publisher_restrictions"] == [
        {"purpose_id": 63, "restriction_type": 3, "vendors": [[7, 7]]}
    ]


def test_restrictions_of_the_same_purpose_and_type_are_one_and_those_for_nobody_none() -> None:
    said = read(wire.encode(restrictions=[(7, 2, [9]), (7, 0, [(1, 3)]), (7, 2, [(4, 8)]), (2, 1, []), (2, 0, [5])]))
    assert [(one.purpose_id, one.restriction_type, one.vendors.ranges) for one in said.publisher_restrictions] == [
        (2, 0, ((5, 5),)),
        (7, 0, ((1, 3),)),
        (7, 2, ((4, 9),)),
    ]


def test_segments_after_the_core_may_stand_in_any_order() -> None:
    core, *others = wire.encode(disclosed=[755], allowed=[2], publisher=[1]).split(".")
    expected = tcf.described(read(".".join([core, *others])))
    for order in ([2, 1, 0], [1, 2, 0], [0, 2, 1]):
        assert tcf.described(read(".".join([core, *[others[place] for place in order]]))) == expected


def test_the_same_string_is_decoded_once() -> None:
    string = wire.encode(purposes=[1, 3])
    assert tcf.decode(string) is tcf.decode("".join(string))


def grants(said: TcString) -> tuple[frozenset[int], set[int], set[int]]:
    vendors, disclosed = [
        {one for start, end in (kept.ranges if kept else ()) for one in range(start, end + 1)}
        for kept in (said.vendor_consent, said.disclosed_vendors)
    ]
    return said.purposes_consent, vendors, disclosed


@pytest.mark.parametrize("string", SHORT, ids=range(len(SHORT)))
def test_a_string_cut_anywhere_never_grants_what_the_whole_did_not(string: str) -> None:
    whole = read(string)
    for cut in range(len(string)):
        said = tcf.decode(string[:cut])
        if isinstance(said, TcString):
            assert all(part <= of for part, of in zip(grants(said), grants(whole), strict=True))
            assert tcf.described(said)["publisher_restrictions"] == tcf.described(whole)["publisher_restrictions"]


@settings(deadline=None, database=None, max_examples=300)
@given(st.text() | st.text(wire.ALPHABET + ".") | st.text(wire.ALPHABET + ".", max_size=80).map(lambda end: CORE + end))
def test_no_text_makes_the_decoder_raise(string: str) -> None:
    assert isinstance(tcf.decode(string), TcString | Refused)


@settings(deadline=None, database=None, max_examples=300)
@given(st.sampled_from(VALID), st.integers(0, 2000), st.sampled_from(wire.ALPHABET + ".=~ é"), st.booleans())
def test_no_slip_of_one_character_makes_the_decoder_raise(string: str, at: int, slip: str, replaced: bool) -> None:
    place = at % len(string)
    said = tcf.decode(string[:place] + slip + string[place + replaced :])
    assert isinstance(said, TcString | Refused)
    assert isinstance(said, Refused) or slip in wire.ALPHABET + "."


SETS = st.lists(st.integers(1, 900) | st.tuples(st.integers(1, 400), st.integers(400, 900)), max_size=9)
CHOSEN = st.frozensets(st.integers(1, 24))


@settings(deadline=None, database=None)
@given(CHOSEN, CHOSEN, SETS, SETS, st.none() | SETS, st.sampled_from([6, 8, 24]))
def test_what_is_written_is_read(
    purposes: frozenset[int], publisher: frozenset[int], vendors: Any, li: Any, disclosed: Any, padding: int
) -> None:
    said = read(
        wire.encode(
            purposes=purposes,
            publisher=publisher,
            padding=padding,
            vendors=vendors,
            vendors_li=li,
            disclosed=disclosed,
        )
    )
    assert said.purposes_consent == purposes
    assert said.publisher_tc is not None
    assert said.publisher_tc.purposes_consent == publisher
    written_down = (vendors, li, disclosed)
    for kept, listed in zip((said.vendor_consent, said.vendor_li, said.disclosed_vendors), written_down, strict=True):
        assert (kept is None) == (listed is None)
        for one, pair in product((1, 400, 755, 900), listed or ()):
            within = pair == one if isinstance(pair, int) else pair[0] <= one <= pair[1]
            assert not within or (kept is not None and one in kept)
