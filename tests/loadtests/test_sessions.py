"""Visits: what each kind of visitor may reach is what the collector itself decides."""

import itertools
from datetime import UTC, datetime

import pytest

from loadtests.sessions import KINDS, Kind, Step, kind_of, visit
from loadtests.visitors import seeded
from tests.loadtests.spine import decide

SHOP = "http://127.0.0.1:8080"
NOW = datetime.now(UTC)


def visits(kind: Kind, count: int = 30) -> list[Step]:
    return list(itertools.chain.from_iterable(visit(kind, seeded(seed), NOW, SHOP) for seed in range(count)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_exactly_the_permitted_destinations_are_queued(kind: Kind) -> None:
    steps = [step for step in visits(kind) if step.path == "/v1/events"]
    assert steps
    for step in steps:
        for admission in decide(dict(step.body), int(NOW.timestamp() * 1000)):
            queued = {name for name, fate in admission.destinations.items() if fate == "queued"}
            assert queued == step.may, admission.reason


def test_shares_make_a_hundred_and_every_kind_comes_along() -> None:
    rng = seeded(1)
    assert sum(kind.share for kind in KINDS) == 100
    assert {kind_of(rng).name for _ in range(500)} == {kind.name for kind in KINDS}


@pytest.mark.parametrize("name", ["refuses", "says nothing"])
def test_who_did_not_consent_has_no_identifier(name: str) -> None:
    (kind,) = [kind for kind in KINDS if kind.name == name]
    text = str([step.body for step in visits(kind)])
    assert not [field for field in ("client_id", "session_id", "choice_id", "email") if field in text]


def test_a_withdrawal_is_followed_by_an_event_that_nobody_may_have() -> None:
    (kind,) = [kind for kind in KINDS if kind.withdraws]
    steps = list(visit(kind, seeded(1), NOW, SHOP))
    assert [step.method for step in steps[-2:]] == ["DELETE", "POST"]
    assert steps[-1].may == frozenset()


def test_some_beacons_are_sent_twice_and_some_visits_end_in_a_purchase() -> None:
    steps = visits(KINDS[0], 200)
    repeated = [one for one, other in itertools.pairwise(steps) if one is other]
    bought = [event for step in steps for event in step.body.get("events", []) if event["name"] == "purchase"]
    assert 0 < len(repeated) < len(steps) / 20
    assert bought
    assert all(event["user"]["email"].endswith("@example.com") for event in bought)
