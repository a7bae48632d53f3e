"""Negative controls: the rule without its guard grants, so the tests of the guard can fail.

Each control writes a rule down once more as somebody in a hurry would, and shows the very input that it lets through.
"""

from collections.abc import Mapping
from typing import Any

from consent.decide import decide
from consent.kinds import KINDS, required_purposes
from consent.model import ADS, EVERYTHING, NOTHING, Choice, Decision, Purpose, Purposes, Regime, Signal
from consent.recheck import still_allowed
from consent.signals import gpc, recorded, site
from tests.consent.scenarios import moment, policy_of

NOW_MS = moment("2026-11-21T10:00:00Z")
PAGE = {"establishment": "BE", "consent_source": "page", "recipients": ["google", "meta"]}
US = {**PAGE, "establishment": "US", "elsewhere": "opt_out"}
ACCEPTED: Mapping[str, Any] = {**dict.fromkeys(ADS, "granted"), "analytics_storage": "granted", "decided_at": NOW_MS}
ANALYTICS = frozenset({Purpose.ANALYTICS_STORAGE})


def _google(said: Any, policy: Mapping[str, Any]) -> Purposes:
    statement = site.read(said, policy_of(dict(policy)), NOW_MS)
    return NOTHING if statement is None else statement.signal.granted_to("google")


def test_without_denials_winning_a_denied_purpose_is_granted() -> None:
    signals = [Signal("page", grants={"google": ADS}), Signal("gpc", denies={"*": ADS})]

    def first_word_wins(recipient: str) -> Purposes:
        return next((signal.granted_to(recipient) for signal in signals if signal.grants), NOTHING)

    assert first_word_wins("google") == ADS
    assert decide(signals, policy_of(PAGE), None).granted["google"] == NOTHING


def test_with_any_instead_of_all_meta_gets_the_event_for_statistics() -> None:
    decision = Decision({"meta": ADS - {Purpose.AD_PERSONALIZATION}}, Regime.OPT_IN, (), "p")
    required = required_purposes("meta_capi")
    assert required & decision.granted["meta"]
    assert not decision.allows("meta", required)


def test_without_the_recipient_what_google_may_meta_may() -> None:
    said = {**ACCEPTED, "recipients": {"google": {}}}
    statement = site.read(said, policy_of(PAGE), NOW_MS)
    assert statement is not None
    assert any(purposes >= ADS for purposes in statement.signal.grants.values())
    assert not statement.signal.granted_to("meta")


def test_without_the_check_of_origin_a_default_grants() -> None:
    said = {**ACCEPTED, "origin": "default"}
    without_origin = {key: value for key, value in said.items() if key != "origin"}
    assert _google(without_origin, PAGE) > NOTHING
    assert _google(said, PAGE) == NOTHING


def test_merging_two_statements_field_by_field_lets_a_younger_date_heal_an_older_one() -> None:
    expired = {**ACCEPTED, "decided_at": "2026-01-01T00:00:00Z"}
    assert _google({**expired, **ACCEPTED}, PAGE) > NOTHING
    assert _google(site.combine(expired, ACCEPTED), PAGE) == NOTHING


def test_merging_two_statements_field_by_field_lets_the_event_switch_gpc_off() -> None:
    batch, event = {**ACCEPTED, "gpc": True}, {**ACCEPTED, "gpc": False}
    assert gpc.read(None, {**batch, **event}) is None
    assert gpc.read(None, site.combine(batch, event)) is not None


def test_looking_for_the_word_denied_lets_an_unknown_word_through() -> None:
    said = {**ACCEPTED, "ad_storage": "no"}
    assert "denied" not in said.values()
    assert Purpose.AD_STORAGE not in _google(said, PAGE)


def test_treating_an_empty_word_as_absent_lets_it_through_where_silence_is_yes() -> None:
    policy = policy_of(US)
    absent, empty = (site.read(said, policy, NOW_MS) for said in ({}, {"ad_storage": ""}))
    assert absent is not None
    assert empty is not None
    assert Purpose.AD_STORAGE in decide([absent.signal], policy, "US").granted["google"]
    assert Purpose.AD_STORAGE not in decide([empty.signal], policy, "US").granted["google"]


def test_denying_only_to_whom_the_statement_covers_lets_the_others_have_it_where_silence_is_yes() -> None:
    policy = policy_of(US)
    statement = site.read({"ad_storage": "denied", "recipients": {"google": {}}}, policy, NOW_MS)
    assert statement is not None
    narrow = Signal("site", denies={"google": statement.signal.denied_to("google")})
    assert Purpose.AD_STORAGE in decide([narrow], policy, "US").granted["meta"]
    assert Purpose.AD_STORAGE not in decide([statement.signal], policy, "US").granted["meta"]


def test_without_the_list_of_countries_uk_is_a_country_elsewhere() -> None:
    policy = policy_of(US)
    looks_like_a_country = "UK".isalpha() and "UK".isupper() and len("UK") == 2
    assert looks_like_a_country
    assert policy.regime("UK") is Regime.OPT_IN


def test_the_newest_of_several_recorded_choices_alone_would_grant() -> None:
    refused, accepted = Choice(NOW_MS - 2, {"google": NOTHING}), Choice(NOW_MS - 1, {"google": EVERYTHING})
    newest = max(refused, accepted, key=lambda choice: choice.decided_ms)
    signal = recorded.read([refused, accepted], policy_of(PAGE), NOW_MS)
    assert newest.allows("google", ANALYTICS)
    assert signal is not None
    assert not signal.granted_to("google")


def test_without_the_recheck_a_withdrawn_record_leaves() -> None:
    required = KINDS["ga4"].floor
    assert required <= EVERYTHING  # all that the record itself can say
    withdrawn = [Choice(NOW_MS, {"google": NOTHING})]
    reason = still_allowed("google", EVERYTHING, required, Regime.OPT_IN, withdrawn, now_ms=NOW_MS, max_age_days=183)
    assert reason == "withdrawn"


def test_without_the_check_for_purposes_a_destination_that_requires_nothing_gets_everything() -> None:
    decision = Decision({"google": NOTHING}, Regime.OPT_IN, (), "p")
    assert decision.granted["google"] >= NOTHING
    assert not decision.allows("google", NOTHING)
