"""Floors of known vendors: configuration adds to them and never lowers them (promise 1)."""

import pytest

from consent.kinds import KINDS, FieldClass, allowed_fields, required_purposes
from consent.model import (
    ADS,
    EVERYTHING,
    NOTHING,
    Choice,
    Decision,
    Purpose,
    Purposes,
    Reason,
    Regime,
    Signal,
    purposes,
)

EXTRAS = [NOTHING, frozenset({Purpose.AD_USER_DATA}), EVERYTHING]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extra", EXTRAS, ids=len)
def test_configuration_only_adds_to_a_floor(kind: str, extra: Purposes) -> None:
    assert required_purposes(kind, extra=extra) == KINDS[kind].floor | extra


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_floor_so_no_destination_is_open_to_everybody(kind: str) -> None:
    assert KINDS[kind].floor


def test_the_floors_are_the_ones_the_documentation_names() -> None:
    assert required_purposes("ga4") == {Purpose.ANALYTICS_STORAGE}
    assert required_purposes("meta_capi") == ADS
    assert required_purposes("stdout") == {Purpose.ANALYTICS_STORAGE}


def test_only_meta_can_measure_without_personalising() -> None:
    assert required_purposes("meta_capi", measurement_only=True) == {Purpose.AD_STORAGE, Purpose.AD_USER_DATA}
    for kind in KINDS.keys() - {"meta_capi"}:
        with pytest.raises(ValueError, match="measurement_only"):
            required_purposes(kind, measurement_only=True)


def test_measuring_only_does_not_undo_what_configuration_added() -> None:
    added = frozenset({Purpose.AD_PERSONALIZATION})
    assert required_purposes("meta_capi", extra=added, measurement_only=True) == ADS


def test_a_kind_nobody_knows_has_no_floor_to_fall_to() -> None:
    with pytest.raises(KeyError):
        required_purposes("tiktok")


def test_an_unknown_purpose_is_an_error_and_not_a_smaller_requirement() -> None:
    with pytest.raises(ValueError, match="marketing"):
        purposes(["ad_storage", "marketing"])


def test_what_a_field_class_needs_is_what_the_documentation_says() -> None:
    assert KINDS["ga4"].fields == {FieldClass.MATCH_KEYS: {Purpose.AD_USER_DATA}}
    assert KINDS["meta_capi"].fields == {
        FieldClass.MATCH_KEYS: {Purpose.AD_USER_DATA},
        FieldClass.CLICK_IDS: {Purpose.AD_STORAGE, Purpose.AD_USER_DATA},
        FieldClass.USER_AGENT: {Purpose.AD_STORAGE, Purpose.AD_USER_DATA},
    }
    assert KINDS["stdout"].fields == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field_class", FieldClass)
def test_a_field_class_is_allowed_only_with_every_purpose_it_needs(kind: str, field_class: FieldClass) -> None:
    needed = KINDS[kind].fields.get(field_class)
    assert getattr(allowed_fields(kind, EVERYTHING), field_class) is (needed is not None)
    assert getattr(allowed_fields(kind, needed or NOTHING), field_class) is (needed is not None)
    for purpose in needed or ():
        assert not getattr(allowed_fields(kind, EVERYTHING - {purpose}), field_class)


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_class_comes_without_a_purpose_of_its_own(kind: str) -> None:
    assert all(KINDS[kind].fields.values())


def test_the_windows_are_the_vendors() -> None:
    assert KINDS["ga4"].max_age_ms == 72 * 3_600_000
    assert KINDS["meta_capi"].max_age_ms == 7 * 86_400_000


def _everything() -> Decision:
    return Decision({"google": EVERYTHING}, Regime.OPT_OUT, (), "p")


def test_a_destination_without_purposes_is_never_allowed() -> None:
    assert not _everything().allows("google", NOTHING)
    assert _everything().allows("google", frozenset({Purpose.ANALYTICS_STORAGE}))


def test_a_recipient_nobody_decided_about_is_never_allowed() -> None:
    assert not _everything().allows("meta", frozenset({Purpose.ANALYTICS_STORAGE}))
    assert _everything().why_not("meta", frozenset({Purpose.ANALYTICS_STORAGE})) == "choice_unknown"
    assert not Choice(0, {"google": EVERYTHING}).allows("meta", frozenset({Purpose.ANALYTICS_STORAGE}))


def test_a_signal_for_every_recipient_covers_each_of_them() -> None:
    signal = Signal("any", grants={"*": ADS})
    decision = Decision({"google": ADS}, Regime.OPT_IN, (signal,), "p")
    assert signal.granted_to("google") == ADS
    assert decision.why_not("google", frozenset({Purpose.ANALYTICS_STORAGE})) == "purpose_not_granted"


def test_no_signal_is_blamed_for_what_is_not_missing() -> None:
    signal = Signal("site", grants={"google": ADS}, silence=Reason.RECORD_REQUIRED)
    decision = Decision({"google": ADS}, Regime.OPT_IN, (signal,), "p")
    assert decision.why_not("google", ADS) == "choice_unknown"
