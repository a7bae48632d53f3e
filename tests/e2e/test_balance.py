"""Ten thousand mixed events, and three who counted them: the page, the balance, and the vendors."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from tests.support.patience import eventually
from tests.support.shopper import a_visitor, accepted, choice, google_only, purchase, refused
from tests.support.stack import Stack, flat

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EVENTS, BATCH = 10_000, 100
DESTINATIONS = ("ga4", "meta")


def a_batch(chance: random.Random, seen: list[dict[str, Any]]) -> dict[str, Any]:
    """One visitor's events under one choice; a few of them are broken, bots, or were posted before."""
    said = chance.choices(
        (accepted(), choice("analytics_storage"), google_only(), refused(), None), weights=(35, 20, 10, 25, 10)
    )[0]
    visitor, events = a_visitor(), []
    for _ in range(BATCH):
        fate = chance.random()
        event = purchase(client_id=visitor)
        if fate < 0.03:
            event["name"] = "_not allowed"
        elif fate < 0.05:
            event["context"] = {"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}
        elif fate < 0.12 and seen:
            event = chance.choice(seen)
        elif fate < 0.2:
            event["consent"] = refused()
        events.append(event)
    seen[:] = [event for event in events if event["name"] == "purchase" and "consent" not in event] or seen
    batch: dict[str, Any] = {"events": events}
    return batch if said is None else {**batch, "consent": said}


def batches() -> Iterator[dict[str, Any]]:
    chance = random.Random(20261121)  # noqa: S311 -- the same mix in every run
    seen: list[dict[str, Any]] = []
    while True:
        yield a_batch(chance, seen)


def door(balance: dict[str, Any]) -> Counter[str]:
    return Counter({outcome: sum(sites.values()) for outcome, sites in balance["door"].items()})


def test_every_event_is_accounted_for_and_all_three_counts_agree(stack: Stack) -> None:
    start = stack.balance()
    outcomes: Counter[str] = Counter()
    queued: Counter[str] = Counter()
    for batch in islice(batches(), EVENTS // BATCH):
        status, _, answer = stack.post(batch)
        assert status == 202
        outcomes.update(result["outcome"] for result in answer["results"])
        queued.update(
            name for result in answer["results"] for name, is_ in result["destinations"].items() if is_ == "queued"
        )
    assert outcomes.total() == EVENTS
    assert set(outcomes) == {"accepted", "refused", "duplicate", "invalid", "filtered"}

    stack.settled(timeout_s=50)
    told = stack.sluis("balance", "--json")
    assert told.returncode == 0
    balance = json.loads(told.stdout)
    counted = flat(balance) - flat(start)
    assert balance["unaccounted"] == 0
    for name in DESTINATIONS:
        tally = stack.tally(name)
        assert counted[f"{name} accepted"] == queued[name] > 1000
        assert counted[f"{name} handed_over"] == tally["accepted_events"] == tally["events"]
        fates = sum(count for fate, count in counted.items() if fate.startswith(f"{name} "))
        assert fates == 2 * queued[name]  # each accepted one has exactly one other fate
        assert tally["violations"] == {}
    eventually(lambda: door(stack.balance()) - door(start) == outcomes, seconds=5)
    assert "unaccounted: 0" in stack.sluis("balance").stdout
