import tracemalloc
from time import process_time
from typing import Any

import pytest

from consent.signals import gpp
from consent.signals.refusal import Refusal, Refused
from consent.signals.us_sections import OptOut
from tests.consent.signals import gpp_encoder
from tests.consent.signals.gpp_encoder import LAYOUTS, PADDINGS, fibonacci, header, section, us
from tests.consent.signals.vectors import rows, written

TC = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"


def read(text: str) -> gpp.GppString:
    heard = gpp.decode(text)
    assert isinstance(heard, gpp.GppString), heard
    return heard


def why(text: str, *gpp_sid: int) -> OptOut | None:
    """Of the sections named; without any, of all there are."""
    return gpp.opts_out(gpp.decode(text), gpp_sid or None)


@pytest.mark.parametrize("row", rows("gpp", "vectors"))
def test_a_vector_is_read_field_by_field(row: dict[str, Any]) -> None:
    described = gpp.described(read(row["gpp_string"]))
    assert described == row["expected"]
    assert list(described["sections"]) == list(row["expected"]["sections"])


@pytest.mark.parametrize("row", rows("consent_malformed", "gpp"))
def test_a_malformed_vector_is_refused_and_counts_as_opted_out(row: dict[str, Any]) -> None:
    heard = gpp.decode(written(row, "gpp_string"))
    if row["class"] != "tolerable":
        assert isinstance(heard, Refused)
    if isinstance(heard, Refused):
        assert gpp.opts_out(heard, [-1]) is OptOut.UNREADABLE


@pytest.mark.parametrize(("number", "code"), [(1, "11"), (2, "011"), (3, "0011"), (4, "1011"), (7, "01011")])
def test_a_fibonacci_code_is_that_of_the_specification(number: int, code: str) -> None:
    assert fibonacci(number) == code


@pytest.mark.parametrize("section_id", [*range(24, 200), 377, 1000, 17710, 75_024])
def test_every_section_id_can_be_named(section_id: int) -> None:
    assert read(f"{header([section_id])}~x").section_ids == (section_id,)


@pytest.mark.parametrize("padding", PADDINGS)
def test_every_padding_of_header_and_section_is_read(padding: int) -> None:
    for prefix in LAYOUTS:
        values = gpp_encoder.counted(prefix)
        heard = read(us(prefix, values, padding=padding))
        assert gpp.described(heard)["sections"][prefix] == gpp_encoder.expected(prefix, values, gpc=None)


def test_the_headers_of_the_specification_are_read_as_it_says() -> None:
    assert read("DBAA").section_ids == ()
    assert read(f"DBABM~{TC}").section_ids == (2,)
    assert read(f"DBACNY~{TC}~1YNN").section_ids == (2, 6)
    assert read(f"DBACNYA~{TC}~1YNN").section_ids == (2, 6)
    assert read("DBABjw~skipped~1YNN").section_ids == (5, 6)


def test_a_group_names_the_same_sections_as_single_ids() -> None:
    texts = "~".join(section(prefix) for prefix in ("usnat", "usca", "usva", "usco"))
    single, grouped = read(f"{header([7, 8, 9, 10])}~{texts}"), read(f"{header([(7, 10)])}~{texts}")
    mixed = read(f"{header([7, (8, 10)])}~{texts}")
    assert gpp.described(single) == gpp.described(grouped) == gpp.described(mixed)


def test_a_section_with_an_unknown_layout_is_skipped_and_its_id_kept() -> None:
    heard = read(f"{header([1, 5, 7, 24, 90])}~a.b~%~{section('usnat')}~*~é")
    assert heard.unknown_section_ids == (1, 5, 24, 90)
    assert list(heard.sections) == ["usnat"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Refusal.EMPTY),
        ("~1YNN", Refusal.EMPTY),
        (f"{header([5, 6])}~~1YNN", Refusal.EMPTY),
        (f"{header([90])}~{'x' * 16_384}", Refusal.TOO_LONG),
        ("DBAA" + "A" * 253, Refusal.TOO_LONG),
        (header([6], kind=2) + "~1YNN", Refusal.BAD_FORM),
        (header([6], version=2) + "~1YNN", Refusal.BAD_VERSION),
        (header([6]) + "B~1YNN", Refusal.TRAILING_DATA),
        (header([6]) + "=~1YNN", Refusal.BAD_ALPHABET),
        (" " + header([6]) + "~1YNN", Refusal.BAD_ALPHABET),
        (header([6]) + "%7E1YNN", Refusal.BAD_ALPHABET),
        (header([6]) + "~1YNN~1YNN", Refusal.BAD_FORM),
        (header([6, 7]) + "~1YNN", Refusal.BAD_FORM),
        (header([(6, 7)]) + "~1YNN", Refusal.BAD_FORM),
        ("DBAA~", Refusal.BAD_FORM),
        (header([6]) + "~1YXN", Refusal.BAD_VALUE),
        (f"{header([2])}~{TC[:30]}", Refusal.TRUNCATED),
        (f"{header([75_025])}~x", Refusal.BAD_RANGE),
    ],
)
def test_what_the_format_does_not_allow_is_refused_with_its_reason(text: str, reason: Refusal) -> None:
    assert gpp.decode(text) == Refused(reason)


@pytest.mark.parametrize(
    "text",
    [
        "DB__" + "_" * 252 + "~x" * 8_000,
        "DB__" + "A" * 252 + "~x" * 8_000,
        "DB__" + "w" * 252 + "~x" * 8_000,
        f"{header([7])}~{section('usnat')}{'A' * 16_000}",
        f"{header([7])}~{section('usnat')}{'.YA' * 5_000}",
        "~" * 16_384,
        "." * 16_384,
    ],
    ids=["ones", "zeros", "small items", "padding", "subsections", "tildes", "dots"],
)
def test_a_string_that_promises_much_costs_little(text: str) -> None:
    assert len(text) <= gpp.MAX_CHARACTERS
    started = process_time()
    gpp.decode(text)
    assert process_time() - started < 0.1


def test_a_group_is_never_written_out_beyond_the_sections_that_are_there() -> None:
    text = f"{header([(at, at + 75_000) for at in range(1, 2_000_000, 75_001)])}~x"
    tracemalloc.start()
    assert gpp.decode(text) == Refused(Refusal.BAD_FORM)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_the_same_string_is_read_once_unless_it_is_long() -> None:
    text, long = us("usnat"), f"{header([90])}~{'x' * 4_000}"
    assert gpp.decode(text) is gpp.decode(text)
    assert gpp.decode(long) is not gpp.decode(long)


def test_only_sections_in_force_opt_out() -> None:
    text = gpp_encoder.gpp({7: section("usnat", {"SaleOptOut": 1}), 8: section("usca", {"SaleOptOut": 2})})
    assert why(text, 7) is OptOut.SALE
    assert why(text, 8) is None
    assert why(text, 8, 7) is OptOut.SALE


def test_without_gpp_sid_every_section_is_in_force() -> None:
    assert why(gpp_encoder.gpp({6: "1YNN", 8: section("usca", {"SharingOptOut": 1})})) is OptOut.SHARING
    assert why(gpp_encoder.gpp({6: "1YNN", 8: section("usca")})) is None


def test_while_the_cmp_does_not_know_the_section_every_section_is_in_force() -> None:
    text = us("usca", {"SaleOptOut": 1})
    assert why(text, 0) is OptOut.SALE
    assert why(us("usca"), 0) is None
    assert why(us("usca"), 0, 7) is OptOut.MISSING_SECTION


def test_no_section_applies_when_the_list_is_empty_or_minus_one() -> None:
    heard = gpp.decode(us("usca", {"SaleOptOut": 1}))
    assert gpp.opts_out(heard, []) is None
    assert gpp.opts_out(heard, [-1]) is None
    assert gpp.opts_out(heard, [-1, 8]) is OptOut.SALE


def test_a_section_in_force_that_is_missing_or_unknown_opts_out() -> None:
    assert why(us("usnat"), 8) is OptOut.MISSING_SECTION
    assert why(us("usnat"), 7, 24) is OptOut.MISSING_SECTION
    assert why(f"{header([7, 24])}~{section('usnat')}~x", 24) is OptOut.UNKNOWN_SECTION
    assert why(f"{header([5])}~x") is OptOut.UNKNOWN_SECTION
    assert gpp.opts_out(None, [7]) is OptOut.MISSING_SECTION


def test_no_string_and_no_section_in_force_says_nothing() -> None:
    assert gpp.opts_out(None, None) is None
    assert gpp.opts_out(None, []) is None
    assert gpp.opts_out(None, [-1]) is None


def test_an_unreadable_string_opts_out_whatever_is_in_force() -> None:
    for gpp_sid in (None, [], [-1], [0], [2], [7]):
        assert gpp.opts_out(gpp.decode("DBABL~C"), gpp_sid) is OptOut.UNREADABLE


def test_the_tc_string_is_no_us_section_and_is_handed_on_as_it_came() -> None:
    text = f"DBACNY~{TC}~1YNN"
    assert read(text).tc_text == TC
    assert why(text, 2) is None
    assert why("DBABT~1YNN", 2) is OptOut.MISSING_SECTION
    assert read("DBABT~1YNN").tc_text is None


@pytest.mark.parametrize(("text", "reason"), [("1YYN", OptOut.SALE), ("1YNN", None), ("1---", None), ("1-N-", None)])
def test_a_us_privacy_section_opts_out_by_its_third_character(text: str, reason: OptOut | None) -> None:
    assert why(f"DBABT~{text}", 6) is reason


def test_a_known_child_is_known_in_every_state() -> None:
    assert read(us("usca", {"KnownChildSensitiveDataConsents": [0, 2]})).known_child
    assert read(us("usva", {"KnownChildSensitiveDataConsents": 1})).known_child
    assert not read(us("usca", {"SaleOptOut": 1})).known_child
    assert not read(f"DBACNY~{TC}~1YNN").known_child
