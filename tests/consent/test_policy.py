"""A policy that would break a rule does not exist, and its error is a sentence an operator can act on."""

from dataclasses import replace

import pytest

from consent.countries import COUNTRIES, EEA, EU_TERRITORIES, OPT_IN_COUNTRIES
from consent.model import Regime
from consent.policy import ConsentSource, Notice, SitePolicy

ELSEWHERE = SitePolicy(
    site="shop",
    establishment="US",
    consent_source=ConsentSource.PAGE,
    recipients=frozenset({"google"}),
    elsewhere=Regime.OPT_OUT,
)


@pytest.mark.parametrize("establishment", ["", "be", "B", "BEL", "BE\n", "UK", "EL", "EU", "XX", "ZZ", "B1"])
def test_an_establishment_must_be_a_country_of_iso_3166(establishment: str) -> None:
    with pytest.raises(ValueError, match="ISO country code"):
        replace(ELSEWHERE, establishment=establishment)


@pytest.mark.parametrize("establishment", sorted(OPT_IN_COUNTRIES))
def test_opt_out_is_not_available_where_opt_in_is_the_law(establishment: str) -> None:
    with pytest.raises(ValueError, match="needs opt-in for every visitor"):
        replace(ELSEWHERE, establishment=establishment)
    policy = replace(ELSEWHERE, establishment=establishment, elsewhere=Regime.OPT_IN)
    assert {policy.regime(region) for region in (None, "US", "US-CA", establishment)} == {Regime.OPT_IN}


@pytest.mark.parametrize("region", sorted(OPT_IN_COUNTRIES))
def test_a_visitor_from_an_opt_in_country_is_asked_whoever_asks(region: str) -> None:
    assert ELSEWHERE.regime(region) is Regime.OPT_IN


@pytest.mark.parametrize("region", sorted(COUNTRIES - OPT_IN_COUNTRIES))
def test_opt_out_holds_for_visitors_known_to_be_elsewhere(region: str) -> None:
    assert ELSEWHERE.regime(region) is Regime.OPT_OUT
    assert replace(ELSEWHERE, elsewhere=Regime.OPT_IN).regime(region) is Regime.OPT_IN


def test_the_lists_of_countries_hold_together() -> None:
    assert len(COUNTRIES) == 249
    assert len(EEA) == 30
    assert OPT_IN_COUNTRIES <= COUNTRIES
    assert not EEA & EU_TERRITORIES


@pytest.mark.parametrize("days", [-1, 0, 396, 100_000])
def test_a_choice_may_not_last_less_than_a_day_nor_more_than_thirteen_months(days: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 395"):
        replace(ELSEWHERE, choice_max_age_days=days)


@pytest.mark.parametrize("days", [1, 183, 395])
def test_a_choice_may_last_from_a_day_to_thirteen_months(days: int) -> None:
    assert replace(ELSEWHERE, choice_max_age_days=days).choice_max_age_days == days


def test_a_recipient_cannot_be_called_everybody() -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        replace(ELSEWHERE, recipients=frozenset({"*", "google"}))


def test_a_notice_that_names_everybody_names_nobody() -> None:
    policy = replace(ELSEWHERE, notices=(Notice(version="1", recipients=frozenset({"*"})),))
    assert policy.covered("1") == frozenset()


def test_a_version_of_the_notice_is_described_once() -> None:
    notice = Notice(version="1", recipients=frozenset({"google"}))
    with pytest.raises(ValueError, match="once only"):
        replace(ELSEWHERE, notices=(notice, replace(notice, recipients=frozenset())))
