"""Consent once more before every hand-over: tests/fixtures/consent/recheck.json."""

import json
from typing import Any

import pytest

from consent.model import NOTHING, Choice, Reason, Regime, purposes
from consent.recheck import still_allowed
from tests.consent.scenarios import FOLDER, moment

FILE = json.loads((FOLDER / "recheck.json").read_text(encoding="utf-8"))
SCENARIOS = FILE["scenarios"]
NOW_MS = moment(FILE["now"])
DAY_MS = 86_400_000


def _answer(said: dict[str, Any], latest: list[Choice | None], now_ms: int = NOW_MS) -> str:
    reason = still_allowed(
        said["recipient"],
        purposes(said["granted"]),
        purposes(said["required"]),
        Regime(said["regime"]),
        latest,
        now_ms=now_ms,
        max_age_days=said.get("choice_max_age_days", FILE["choice_max_age_days"]),
    )
    return reason or "leaves"


def _choice(said: dict[str, Any] | None) -> Choice | None:
    if said is None:
        return None
    decided_ms = moment(said["decided_at"]) if "decided_at" in said else NOW_MS - 60_000
    granted = said.get("granted", said)
    return Choice(decided_ms, {name: purposes(names) for name, names in granted.items()})


def _latest(said: dict[str, Any]) -> list[Choice | None]:
    return [_choice(one) for one in said["latest"]]


LEAVING = [one for one in SCENARIOS if one["expect"] == "leaves"]


@pytest.mark.parametrize("said", SCENARIOS, ids=lambda said: said["title"])
def test_a_record_leaves_or_stays_for_this_reason(said: dict[str, Any]) -> None:
    assert _answer(said, _latest(said)) == said["expect"]


@pytest.mark.parametrize("said", LEAVING, ids=lambda said: said["title"])
@pytest.mark.parametrize(("named", "reason"), [(True, Reason.WITHDRAWN), (False, Reason.RECIPIENT_NOT_NAMED)])
def test_what_leaves_would_not_after_a_choice_without_it_under_any_of_its_identifiers(
    said: dict[str, Any], named: bool, reason: Reason
) -> None:
    latest = _latest(said)
    later = Choice(NOW_MS, {said["recipient"]: NOTHING} if named else {})
    for place in range(len(latest)):
        assert _answer(said, [*latest[:place], later, *latest[place + 1 :]]) == reason


@pytest.mark.parametrize("said", LEAVING, ids=lambda said: said["title"])
def test_what_leaves_today_leaves_no_more_when_its_choice_has_expired(said: dict[str, Any]) -> None:
    in_a_year = _answer(said, _latest(said), NOW_MS + 366 * DAY_MS)
    assert in_a_year == ("leaves" if said["regime"] == "opt_out" else "expired_choice")


@pytest.mark.parametrize(
    "said", [one for one in SCENARIOS if one["expect"] == "expired_choice"], ids=lambda said: said["title"]
)
def test_it_is_the_age_alone_that_stops_what_has_expired(said: dict[str, Any]) -> None:
    """Negative control: with a policy that allows any age it leaves."""
    assert _answer({**said, "choice_max_age_days": 10_000}, _latest(said)) == "leaves"
