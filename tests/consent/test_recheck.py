"""Consent once more before every hand-over: tests/fixtures/consent/recheck.json."""

import json
from typing import Any

import pytest

from consent.model import Choice, Reason, Regime, purposes
from consent.recheck import still_allowed
from tests.consent.scenarios import FOLDER

SCENARIOS = json.loads((FOLDER / "recheck.json").read_text(encoding="utf-8"))["scenarios"]


def _answer(said: dict[str, Any], latest: list[Choice | None]) -> str:
    reason = still_allowed(
        said["recipient"], purposes(said["granted"]), purposes(said["required"]), Regime(said["regime"]), latest
    )
    return reason or "leaves"


def _choice(said: dict[str, list[str]] | None) -> Choice | None:
    return None if said is None else Choice(0, {name: purposes(names) for name, names in said.items()})


@pytest.mark.parametrize("said", SCENARIOS, ids=lambda said: said["title"])
def test_a_record_leaves_or_stays_for_this_reason(said: dict[str, Any]) -> None:
    assert _answer(said, [_choice(one) for one in said["latest"]]) == said["expect"]


@pytest.mark.parametrize(
    "said", [one for one in SCENARIOS if one["expect"] == "leaves"], ids=lambda said: said["title"]
)
def test_what_leaves_would_not_after_a_withdrawal_under_any_of_its_identifiers(said: dict[str, Any]) -> None:
    latest = [_choice(one) for one in said["latest"]]
    for place in range(len(latest)):
        withdrawn = [*latest[:place], Choice(1, {}), *latest[place + 1 :]]
        assert _answer(said, withdrawn) == Reason.WITHDRAWN
