"""What TC and AC strings permit to Google and Meta, and every reason why one permits nothing."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.model import ADS, NOTHING, Purpose, Purposes
from consent.signals.tcf_policy import GOOGLE, TcfAnswer, TcfOutcome, permitted
from tests.consent.scenarios import moment
from tests.consent.signals.tcf_encoder import NOV_2026, Restriction, encode
from tests.consent.signals.vectors import rows

DAY_MS = 24 * 60 * 60 * 1000
ALL = range(1, 12)
META_TOO = "2~35.89~dv.1"
GIVEN: dict[str, Any] = {"purposes": ALL, "vendors": [GOOGLE], "disclosed": [GOOGLE]}


def asked(string: str | None, gdpr_applies: bool | None = True, **other: Any) -> TcfAnswer:
    ac_text = other.get("ac_text", META_TOO)
    now_ms = other.get("now_ms", NOV_2026)
    return permitted(string, gdpr_applies, ac_text, other.get("event_status"), now_ms, other.get("validity_days", 183))


def said(answer: TcfAnswer) -> tuple[TcfOutcome, Purposes, bool, bool]:
    return answer.outcome, answer.google, answer.meta, answer.measures


@pytest.mark.parametrize("row", rows("consent_misc", "tcf_policy"))
def test_every_vector_has_its_outcome(row: dict[str, Any]) -> None:
    now_ms = moment(row["now"])
    answer = permitted(row["tc_string"], row["gdpr_applies"], row["addtl_consent"], None, now_ms, row["validity_days"])
    to_google = {str(purpose): purpose in answer.google for purpose in ADS}
    assert answer.outcome == row["expected"]["outcome"]
    assert (None if answer.abstains else {**to_google, "meta": answer.meta}) == row["expected"]["google_and_meta"]


@pytest.mark.parametrize(
    ("string", "gdpr_applies", "outcome"),
    [
        (None, None, TcfOutcome.NO_SIGNAL),
        ("", None, TcfOutcome.NO_SIGNAL),
        (None, False, TcfOutcome.NOT_APPLICABLE),
        ("CQ", False, TcfOutcome.NOT_APPLICABLE),
        ("CQ", None, TcfOutcome.GDPR_APPLIES_UNKNOWN),
        (None, True, TcfOutcome.MALFORMED),
        ("", True, TcfOutcome.MALFORMED),
    ],
)
def test_only_where_gdpr_does_not_apply_or_nothing_is_said_tcf_has_no_say(
    string: str | None, gdpr_applies: bool | None, outcome: TcfOutcome
) -> None:
    answer = asked(string, gdpr_applies)
    assert answer == TcfAnswer(outcome)
    assert answer.abstains == (outcome in {TcfOutcome.NO_SIGNAL, TcfOutcome.NOT_APPLICABLE})


@pytest.mark.parametrize(
    ("written", "other", "outcome"),
    [
        ({}, {}, TcfOutcome.OK),
        ({}, {"event_status": "tcloaded"}, TcfOutcome.OK),
        ({}, {"event_status": "useractioncomplete"}, TcfOutcome.OK),
        ({}, {"event_status": "cmpuishown"}, TcfOutcome.NOT_A_CHOICE),
        ({}, {"event_status": "anything else"}, TcfOutcome.NOT_A_CHOICE),
        ({"service_specific": False}, {}, TcfOutcome.NOT_SERVICE_SPECIFIC),
        ({"policy": 3}, {}, TcfOutcome.POLICY_TOO_OLD),
        ({"policy": 4}, {}, TcfOutcome.OK),
        ({"policy": 63}, {}, TcfOutcome.OK),
        ({"created": NOV_2026 + DAY_MS}, {}, TcfOutcome.OK),
        ({"created": NOV_2026 + DAY_MS + 100}, {}, TcfOutcome.FROM_THE_FUTURE),
        ({"updated": NOV_2026 + DAY_MS + 100}, {}, TcfOutcome.FROM_THE_FUTURE),
        ({"updated": NOV_2026 - 100}, {}, TcfOutcome.UPDATED_BEFORE_CREATED),
        ({"created": NOV_2026 - 400 * DAY_MS, "updated": NOV_2026}, {}, TcfOutcome.OK),
        ({}, {"now_ms": NOV_2026 + 183 * DAY_MS}, TcfOutcome.OK),
        ({}, {"now_ms": NOV_2026 + 183 * DAY_MS + 1}, TcfOutcome.EXPIRED),
        ({}, {"now_ms": NOV_2026 + 395 * DAY_MS, "validity_days": 9999}, TcfOutcome.OK),
        ({}, {"now_ms": NOV_2026 + 396 * DAY_MS, "validity_days": 9999}, TcfOutcome.EXPIRED),
        ({"disclosed": None}, {}, TcfOutcome.NO_DISCLOSED_VENDORS),
        ({"disclosed": None, "allowed": [GOOGLE]}, {}, TcfOutcome.NO_DISCLOSED_VENDORS),
    ],
)
def test_a_string_is_relied_on_or_there_is_a_reason_why_not(
    written: dict[str, Any], other: dict[str, Any], outcome: TcfOutcome
) -> None:
    answer = asked(encode(**{**GIVEN, **written}), **other)
    assert said(answer) == ((outcome, ADS, True, True) if outcome == "ok" else (outcome, NOTHING, False, False))
    assert answer.unlisted == (ADS if outcome == "ok" else NOTHING)


NEEDED = {
    Purpose.AD_STORAGE: {1},
    Purpose.AD_USER_DATA: {1, 7},
    Purpose.AD_PERSONALIZATION: {3, 4},
}


@pytest.mark.parametrize("missing", ALL)
def test_each_purpose_rests_on_its_own_numbers(missing: int) -> None:
    answer = asked(encode(**{**GIVEN, "purposes": set(ALL) - {missing}}))
    assert answer.google == {purpose for purpose, needed in NEEDED.items() if missing not in needed}
    assert answer.meta == (missing not in {1, 3, 4, 7})
    assert answer.measures == (missing not in {1, 8, 9})


@pytest.mark.parametrize(("purpose", "kind"), [*product(ALL, range(4))])
def test_a_restriction_takes_its_purpose_from_google_unless_it_asks_for_consent(purpose: int, kind: int) -> None:
    limits: list[Restriction] = [(purpose, kind, [(700, 800)])]
    whole, limited = asked(encode(**GIVEN)), asked(encode(**GIVEN, restrictions=limits))
    without = asked(encode(**{**GIVEN, "purposes": set(ALL) - {purpose}}))
    assert (limited.google, limited.measures) == ((whole if kind == 1 else without).google, limited.measures)
    assert limited.measures == (kind == 1 or purpose not in {1, 8, 9})
    assert limited.meta  # a restriction for a vendor on IAB's list says nothing about one that is not
    assert asked(encode(**GIVEN, restrictions=[(purpose, kind, [754, (756, 900)])])) == whole


def test_neither_legitimate_interest_nor_purpose_one_treatment_stands_for_consent() -> None:
    string = encode(
        purposes=[2],
        purposes_li=ALL,
        vendors=[2],
        vendors_li=[GOOGLE],
        disclosed=[2, GOOGLE],
        purpose_one_treatment=True,
    )
    assert said(asked(string)) == (TcfOutcome.OK, NOTHING, False, False)
    without_one = asked(encode(**{**GIVEN, "purposes": range(2, 12)}, purpose_one_treatment=True))
    assert without_one.google == {Purpose.AD_PERSONALIZATION}


@pytest.mark.parametrize(("vendors", "disclosed"), [([], [GOOGLE]), ([GOOGLE], []), ([754, 756], [(1, 900)])])
def test_google_has_to_be_consented_to_and_disclosed(vendors: Any, disclosed: Any) -> None:
    answer = asked(encode(purposes=ALL, vendors=vendors, disclosed=disclosed))
    assert said(answer) == (TcfOutcome.OK, NOTHING, True, False)
    assert answer.unlisted == ADS  # to those it cannot name, it leaves open what its purposes permit


@pytest.mark.parametrize(
    ("ac_text", "permits"),
    [
        (None, False),
        ("", False),
        ("89", False),
        ("1~89", True),
        ("1~890", False),
        ("2~89", False),
        ("2~89~dv.", True),
        ("2~~dv.89", False),
        ("2~89~dv.89", False),
    ],
)
def test_meta_rests_on_the_ac_string(ac_text: str | None, permits: bool) -> None:
    answer = asked(encode(**GIVEN), ac_text=ac_text)
    assert said(answer) == (TcfOutcome.OK, ADS, permits, True)


@settings(deadline=None, database=None, max_examples=300)
@given(
    st.none() | st.text() | st.just(encode(**GIVEN)),
    st.sampled_from([True, False, None]),
    st.none() | st.text() | st.just(META_TOO),
    st.none() | st.text() | st.sampled_from(["tcloaded", "cmpuishown"]),
    st.integers(0, 2**53),
)
def test_nothing_makes_it_raise_and_what_is_not_ok_permits_nothing(
    string: str | None, gdpr_applies: bool | None, ac_text: str | None, event_status: str | None, now_ms: int
) -> None:
    answer = permitted(string, gdpr_applies, ac_text, event_status, now_ms, 183)
    assert answer.outcome is TcfOutcome.OK or answer == TcfAnswer(answer.outcome)
    assert answer.outcome is not TcfOutcome.OK or gdpr_applies
