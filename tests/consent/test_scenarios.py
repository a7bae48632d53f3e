"""Every scenario of tests/fixtures/consent: the decision per recipient and purpose, with its reason."""

import json

import pytest

from consent.kinds import KINDS, required_purposes
from consent.model import Regime
from tests.consent.scenarios import (
    FOLDER,
    GRANTED,
    Scenario,
    answers,
    granted,
    moment,
    read_scenarios,
    refusals_with_control,
)

SCENARIOS = read_scenarios()


def _title(value: Scenario) -> str:
    return value.title


@pytest.mark.parametrize("scenario", SCENARIOS, ids=_title)
def test_each_recipient_may_exactly_this_and_for_this_reason_no_more(scenario: Scenario) -> None:
    assert answers(scenario) == scenario.expected()


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if "regime" in one.said], ids=_title)
def test_the_regime_is_the_one_the_scenario_names(scenario: Scenario) -> None:
    assert scenario.decide().regime is Regime(scenario.said["regime"])


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if "writes" in one.said], ids=_title)
def test_the_ledger_is_told_exactly_this(scenario: Scenario) -> None:
    expected, statement = scenario.said["writes"], scenario.statement()
    assert statement is not None
    told = {"act": statement.act, "lowering": statement.lowers}
    if expected is None:
        assert told == {"act": None, "lowering": None}
        return
    choice = told.pop(expected["kind"])
    assert choice is not None
    assert (choice.decided_ms, choice.granted) == (moment(expected["decided_at"]), granted(expected))
    assert set(told.values()) == {None}


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if "destinations" in one.said], ids=_title)
def test_a_destination_opens_only_with_every_purpose_of_its_floor(scenario: Scenario) -> None:
    decision = scenario.decide()
    opened = {
        kind: decision.allows(KINDS[kind].recipient, required_purposes(kind)) for kind in scenario.said["destinations"]
    }
    assert opened == scenario.said["destinations"]


@pytest.mark.parametrize("pair", refusals_with_control(), ids=lambda pair: pair[1].title)
def test_a_refusal_rests_on_the_one_thing_its_control_changes(pair: tuple[Scenario, Scenario]) -> None:
    refused, control = (_number_granted(scenario) for scenario in pair)
    assert refused < control


def test_every_file_and_scenario_says_what_it_is_and_why() -> None:
    titles = []
    for path in FOLDER.glob("*.json"):
        file = json.loads(path.read_text(encoding="utf-8"))
        assert file["title"]
        assert file["why"]
        for row in file["scenarios"]:
            assert row["why"]
            titles.append((path.name, row["title"]))
    assert len(titles) == len(set(titles))


def _number_granted(scenario: Scenario) -> int:
    return sum(word == GRANTED for said in answers(scenario).values() for word in said.values())
