from typing import Any

import pytest

from consent.signals import gpp, us_sections
from consent.signals.refusal import Refusal, Refused
from consent.signals.us_sections import OptOut, UsSection
from tests.consent.signals.gpp_encoder import LAYOUTS, Values, characters, counted, expected, header, section, us

PREFIXES = sorted(LAYOUTS)
WITH_GPC = [prefix for prefix in PREFIXES if LAYOUTS[prefix]["gpc"]]
WITHOUT_GPC = [prefix for prefix in PREFIXES if not LAYOUTS[prefix]["gpc"]]


def only(text: str) -> UsSection:
    heard = gpp.decode(text)
    assert isinstance(heard, gpp.GppString), heard
    (found,) = heard.sections.values()
    assert isinstance(found, UsSection)
    return found


def opt_outs(prefix: str) -> list[str]:
    return [name for name in LAYOUTS[prefix]["items"] if name.endswith("OptOut")]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("start", [0, 1, 2])
def test_a_section_is_read_item_by_item_as_the_specification_lists_them(prefix: str, start: int) -> None:
    values = counted(prefix, start)
    described: dict[str, Any] = us_sections.described(only(us(prefix, values)))
    assert described == expected(prefix, values, gpc=None)
    assert list(described) == list(expected(prefix, values, gpc=None))


def test_every_state_of_the_specification_has_a_layout_and_no_other() -> None:
    ours = {(row.prefix, row.version) for layouts in us_sections.LAYOUTS.values() for row in layouts}
    assert ours == {(layout["prefix"], layout["version"]) for layout in LAYOUTS.values()} | {("usnat", 1)}
    assert set(us_sections.LAYOUTS) == {layout["id"] for layout in LAYOUTS.values()} == set(range(7, 24))


@pytest.mark.parametrize(
    ("prefix", "bits"),
    [("usnat", 70), ("usca", 46), ("usva", 40), ("usco", 38), ("usct", 44), ("usut", 42)],
)
def test_a_section_is_as_long_as_the_fact_sheet_says(prefix: str, bits: int) -> None:
    assert 6 + 2 * us_sections.LAYOUTS[LAYOUTS[prefix]["id"]][-1].size == bits


def test_the_version_chooses_the_layout_of_the_national_section_and_the_length_does_not() -> None:
    first = only(f"DBABL~{characters('000001' + '01' * 27, 24)}AAAA")
    assert first.layout.version == 1
    assert first.items["SensitiveDataProcessing"] == (1,) * 12
    assert gpp.decode(f"DBABL~{characters('000010' + '01' * 27)}") == Refused(Refusal.TRUNCATED)


@pytest.mark.parametrize("prefix", WITH_GPC)
@pytest.mark.parametrize("gpc", [True, False])
@pytest.mark.parametrize("padding", [6, 8, 24])
def test_global_privacy_control_is_read_where_the_state_has_it(prefix: str, gpc: bool, padding: int) -> None:
    found = only(us(prefix, gpc=gpc, padding=padding))
    assert found.gpc is gpc
    assert us_sections.described(found)["Gpc"] is gpc
    assert us_sections.opt_out(found) is (OptOut.GPC if gpc else None)


@pytest.mark.parametrize("prefix", WITHOUT_GPC)
def test_a_subsection_is_refused_where_the_state_has_none(prefix: str) -> None:
    assert gpp.decode(us(prefix, gpc=False)) == Refused(Refusal.BAD_SEGMENT)
    assert "Gpc" not in us_sections.described(only(us(prefix)))


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (".YA.YA", Refusal.BAD_SEGMENT),
        (".YA.QA", Refusal.BAD_SEGMENT),
        (".I", Refusal.BAD_SEGMENT),
        (".4", Refusal.BAD_SEGMENT),
        (".gA", Refusal.BAD_SEGMENT),
        (".", Refusal.EMPTY),
        (".YB", Refusal.TRAILING_DATA),
        (".Y=", Refusal.BAD_ALPHABET),
        ("B", Refusal.TRAILING_DATA),
        ("=", Refusal.BAD_ALPHABET),
    ],
)
def test_what_follows_a_section_wrongly_is_refused(after: str, reason: Refusal) -> None:
    assert gpp.decode(us("usnat") + after) == Refused(reason)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_versions_that_nobody_documented_are_refused(prefix: str) -> None:
    documented = {row.version for row in us_sections.LAYOUTS[LAYOUTS[prefix]["id"]]}
    for version in set(range(64)) - documented:
        assert gpp.decode(us(prefix, version=version)) == Refused(Refusal.BAD_VERSION)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_reserved_value_is_refused_in_every_item(prefix: str) -> None:
    for name, length in LAYOUTS[prefix]["items"].items():
        for place in range(length):
            values = [3 if at == place else 2 for at in range(length)]
            assert gpp.decode(us(prefix, {name: values})) == Refused(Refusal.BAD_VALUE)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_section_cut_anywhere_is_refused(prefix: str) -> None:
    core = section(prefix, {"MspaServiceProviderMode": 1})
    for length in range(len(core)):
        assert isinstance(gpp.decode(f"{header([LAYOUTS[prefix]['id']])}~{core[:length]}"), Refused)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_each_opt_out_opts_out_and_nothing_else_does(prefix: str) -> None:
    assert opt_outs(prefix)
    for name, length in LAYOUTS[prefix]["items"].items():
        opts_out = name in opt_outs(prefix) or name.startswith("KnownChild")
        for value in (0, 1, 2):
            assert us_sections.opted_out(only(us(prefix, {name: [value] * length}))) is (opts_out and value == 1)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"SaleOptOut": 1}, OptOut.SALE),
        ({"SharingOptOut": 1}, OptOut.SHARING),
        ({"TargetedAdvertisingOptOut": 1}, OptOut.TARGETED_ADVERTISING),
        ({"KnownChildSensitiveDataConsents": [2, 0, 1]}, OptOut.CHILD),
        ({"KnownChildSensitiveDataConsents": [2, 2, 2]}, None),
        ({"MspaCoveredTransaction": 0}, None),
    ],
)
def test_an_opt_out_says_which_one_it_is(values: Values, reason: OptOut | None) -> None:
    assert us_sections.opt_out(only(us("usnat", values))) is reason


def test_any_child_consent_but_zero_means_a_known_child() -> None:
    for value in (0, 1, 2):
        assert only(us("usfl", {"KnownChildSensitiveDataConsents": [0, 0, value]})).known_child is bool(value)
        assert only(us("ustx", {"KnownChildSensitiveDataConsents": value})).known_child is bool(value)
