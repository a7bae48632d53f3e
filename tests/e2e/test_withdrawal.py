"""A visitor who withdraws is not written to a vendor any more, whatever was on its way; nobody else notices."""

import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from tests.support.patience import eventually
from tests.support.shopper import a_visitor, accepted, moment, purchase
from tests.support.stack import Stack, ask, flat

pytestmark = pytest.mark.e2e

DESTINATIONS = ("ga4", "meta")
QUEUED = dict.fromkeys(DESTINATIONS, "queued")
WITHDRAWN = Counter({f"{name} dropped:withdrawn": 1 for name in DESTINATIONS})
ACCEPTED = Counter({f"{name} accepted": 1 for name in DESTINATIONS})
HANDED_OVER = Counter({f"{name} handed_over": 1 for name in DESTINATIONS})


def post(stack: Stack, visitor: str, ago_s: float = 60.0, **changes: Any) -> str:
    """A purchase with everything granted, queued for both destinations; its event id."""
    status, _, answer = stack.post(purchase(client_id=visitor, consent=accepted(ago_s), **changes))
    (result,) = answer["results"]
    assert (status, result["destinations"]) == (202, QUEUED)
    event_id: str = result["event_id"]
    return event_id


def withdraw(stack: Stack, **identifiers: str) -> None:
    status, _, raw = ask("DELETE", f"{stack.shop}/v1/consent", identifiers)
    assert status == 200, raw


def fail(stack: Stack, retry_after_s: int = 3) -> None:
    """The next request of each destination fails; its event waits in the due-set."""
    for name in DESTINATIONS:
        stack.fault(name, status=503, headers={"Retry-After": str(retry_after_s)})


def wait_for_due(stack: Stack, count: int) -> None:
    eventually(lambda: all(one["due"] == count for one in stack.balance()["destinations"].values()))


def bought(stack: Stack) -> list[str]:
    """The event ids that Meta got, in the order they came."""
    return [event["event_id"] for request in stack.received("meta") for event in request["body"]["data"]]


def orders(stack: Stack) -> list[str]:
    """The order numbers that GA4 got, in the order they came."""
    events = [event for request in stack.received("ga4") for event in request["body"]["events"]]
    return [event["params"]["transaction_id"] for event in events]


@pytest.mark.parametrize("identifier", ["client_id", "choice_id"])
def test_what_waits_for_a_retry_is_dropped_once_its_visitor_withdraws(stack: Stack, identifier: str) -> None:
    before, visitor, other = stack.counts(), a_visitor(), a_visitor()
    chosen = {**accepted(), "choice_id": f"20261101.{visitor[-20:]}"}
    fail(stack)
    status, _, _ = stack.post(purchase(client_id=visitor, consent=chosen))
    assert status == 202
    wait_for_due(stack, 1)
    fail(stack)
    its_id = post(stack, other)
    wait_for_due(stack, 2)
    stack.clear()
    withdraw(
        stack, **{"client_id": {"client_id": visitor}, "choice_id": {"choice_id": chosen["choice_id"]}}[identifier]
    )
    assert flat(stack.settled()) - before == ACCEPTED + ACCEPTED + WITHDRAWN + HANDED_OVER
    assert bought(stack) == [its_id]
    assert orders(stack) == [f"order-{its_id[:8]}"]


def test_the_retry_would_have_been_sent_without_the_withdrawal(stack: Stack) -> None:
    before = stack.counts()
    fail(stack)
    event_id = post(stack, a_visitor())
    wait_for_due(stack, 1)
    stack.clear()
    assert flat(stack.settled()) - before == ACCEPTED + HANDED_OVER
    assert bought(stack) == [event_id]


def test_what_waits_behind_a_slow_vendor_stops_within_a_second(stack: Stack) -> None:
    before, visitor, events = stack.counts(), a_visitor(), 60
    stack.fault("meta", delay_ms=1200, times=events)
    stack.post({"events": [purchase(client_id=visitor) for _ in range(events)], "consent": accepted()})
    eventually(lambda: stack.tally("meta")["requests"])
    withdraw(stack, client_id=visitor)
    withdrawn_s = time.time()
    counted = flat(stack.settled()) - before
    arrived_s = [datetime.fromisoformat(request["received_at"]).timestamp() for request in stack.received("meta")]
    assert max(arrived_s) < withdrawn_s + 1.0
    assert counted["meta handed_over"] == len(arrived_s)
    assert counted["meta dropped:withdrawn"] == events - len(arrived_s) > 0


def test_a_stale_acceptance_does_not_revive_and_a_new_one_does(stack: Stack) -> None:
    visitor = a_visitor()
    post(stack, visitor)
    stack.settled()
    withdraw(stack, client_id=visitor)
    stack.clear()

    before = stack.counts()
    post(stack, visitor, ago_s=30.0)  # decided before the withdrawal, arrives after it
    assert flat(stack.settled()) - before == ACCEPTED + WITHDRAWN
    assert bought(stack) == orders(stack) == []

    before = stack.counts()
    event_id = post(stack, visitor, ago_s=0.0)
    assert flat(stack.settled()) - before == ACCEPTED + HANDED_OVER
    assert bought(stack) == [event_id]


def test_an_event_that_says_nothing_of_consent_follows_the_withdrawal(stack: Stack) -> None:
    visitor = a_visitor()
    status, _, raw = ask("POST", f"{stack.shop}/v1/consent", {"client_id": visitor, **accepted()})
    assert status == 201, raw
    result = stack.post(purchase(client_id=visitor))[2]["results"][0]
    assert result["destinations"] == QUEUED
    withdraw(stack, client_id=visitor)
    result = stack.post(purchase(client_id=visitor))[2]["results"][0]
    assert result["outcome"] == "refused"
    assert set(result["destinations"].values()) == {"skipped:purpose_not_granted"}


def test_a_refusal_in_an_event_withdraws_as_well(stack: Stack) -> None:
    before, visitor = stack.counts(), a_visitor()
    fail(stack)
    post(stack, visitor)
    wait_for_due(stack, 1)
    stack.clear()
    refusal = {**dict.fromkeys(accepted(), "denied"), "decided_at": moment()}
    assert stack.post(purchase(client_id=visitor, consent=refusal))[2]["results"][0]["outcome"] == "refused"
    assert flat(stack.settled()) - before == ACCEPTED + WITHDRAWN
    assert bought(stack) == orders(stack) == []
