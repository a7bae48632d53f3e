"""Google yes, Meta no, and the reverse: exactly one destination receives, whoever says it; and a grant that comes later
lets the same event through once."""

import time
from collections import Counter
from typing import Any

import pytest

from tests.consent.signals.tcf_encoder import encode
from tests.support.shopper import a_visitor, accepted, choice, moment, purchase, refused
from tests.support.stack import Stack, ask, flat

pytestmark = pytest.mark.e2e

DAY_MS = 86_400_000
GOOGLE = 755
QUEUED = {"ga4": "queued", "meta": "queued"}


def strings(google: bool, meta: bool) -> dict[str, Any]:
    """What a consent platform says today, the strings as it would write them."""
    today = int(time.time() * 1000) // DAY_MS * DAY_MS
    vendors = [GOOGLE] if google else []
    tc_string = encode(
        purposes=range(1, 12), vendors=vendors, disclosed=[GOOGLE], created=today, updated=today, policy=5
    )
    additional = "2~89~dv." if meta else "2~~dv.89"
    return {
        "tc_string": tc_string,
        "gdpr_applies": True,
        "event_status": "useractioncomplete",
        "additional_consent": additional,
    }


def handed_over(stack: Stack, before: Counter[str]) -> dict[str, int]:
    done = flat(stack.settled()) - before
    return {name: done[f"{name} handed_over"] for name in ("ga4", "meta")}


@pytest.mark.parametrize(("google", "meta"), [(True, False), (False, True), (True, True), (False, False)])
def test_through_tcf_each_recipient_gets_what_the_strings_allow_it(stack: Stack, google: bool, meta: bool) -> None:
    """GA4 needs analytics, which never follows from TCF: the page states it for Google where the visitor said yes."""
    before = stack.counts()
    recipients: dict[str, Any] = {"meta": {}, "google": {} if google else {"analytics_storage": "denied"}}
    consent = {**accepted(), **strings(google, meta), "recipients": recipients}
    status, _, answer = stack.post(purchase(consent=consent))
    assert status == 202
    said = answer["results"][0]["destinations"]
    assert {name: result == "queued" for name, result in said.items()} == {"ga4": google, "meta": meta}
    assert handed_over(stack, before) == {"ga4": int(google), "meta": int(meta)}
    assert {name: len(stack.received(name)) for name in said} == {"ga4": int(google), "meta": int(meta)}
    assert all(not one["violations"] for name in said for one in stack.received(name))


def test_google_may_have_the_event_without_advertising_where_tcf_refuses_it(stack: Stack) -> None:
    stack.post(purchase(consent={**accepted(), **strings(google=False, meta=False)}))
    stack.settled()
    (request,) = stack.received("ga4")
    assert request["body"]["consent"] == {"ad_user_data": "DENIED", "ad_personalization": "DENIED"}
    assert "user_data" not in request["body"]
    assert stack.received("meta") == []


@pytest.mark.parametrize("only", ["google", "meta"])
def test_through_the_record_only_the_recipient_it_names_receives(stack: Stack, only: str) -> None:
    before, visitor = stack.counts(), a_visitor()
    act = {**accepted(), "client_id": visitor, "recipients": {only: {}}}
    status, _, raw = ask("POST", f"{stack.shop}/v1/consent", act)
    assert status == 201, raw
    said = stack.post(purchase(client_id=visitor))[2]["results"][0]["destinations"]
    expected = {"ga4": only == "google", "meta": only == "meta"}
    assert {name: result == "queued" for name, result in said.items()} == expected
    assert handed_over(stack, before) == {name: int(opened) for name, opened in expected.items()}


def test_an_act_recorded_with_strings_holds_for_events_that_say_nothing(stack: Stack) -> None:
    before, visitor = stack.counts(), a_visitor()
    act = {**accepted(), **strings(google=True, meta=False), "client_id": visitor}
    status, _, raw = ask("POST", f"{stack.shop}/v1/consent", act)
    assert status == 201, raw
    stack.post(purchase(client_id=visitor))
    assert handed_over(stack, before) == {"ga4": 1, "meta": 0}


def test_a_string_without_a_date_beside_it_is_an_act_of_its_day(stack: Stack) -> None:
    before = stack.counts()
    said = {"analytics_storage": "granted", **strings(google=True, meta=True)}
    assert stack.post(purchase(consent=said))[2]["results"][0]["destinations"] == QUEUED
    assert handed_over(stack, before) == {"ga4": 1, "meta": 1}


def test_an_event_sent_again_after_the_grant_is_handed_over_once_per_destination(stack: Stack) -> None:
    """Tags re-send what they had when the visitor accepts (Consent Mode): refused, then for Google, then for both."""
    before, visitor = stack.counts(), a_visitor()
    event = purchase(client_id=visitor)
    steps: list[tuple[dict[str, Any], dict[str, str]]] = [
        (refused(), dict.fromkeys(QUEUED, "skipped:purpose_not_granted")),
        (choice("analytics_storage", ago_s=20), {"ga4": "queued", "meta": "skipped:purpose_not_granted"}),
        (accepted(10), {"ga4": "duplicate", "meta": "queued"}),
        (accepted(5), dict.fromkeys(QUEUED, "duplicate")),
    ]
    for said, expected in steps:
        result = stack.post({**event, "consent": said})[2]["results"][0]
        assert result["destinations"] == expected
    assert handed_over(stack, before) == {"ga4": 1, "meta": 1}
    (sent,) = stack.received("meta")
    assert [one["event_id"] for one in sent["body"]["data"]] == [event["event_id"]]
    assert len(stack.received("ga4")) == 1


def test_a_late_offline_event_does_not_revive_a_withdrawn_choice(stack: Stack) -> None:
    """It was made, with consent, before the withdrawal, and comes after it."""
    before, visitor = stack.counts(), a_visitor()
    assert ask("POST", f"{stack.shop}/v1/consent", {**accepted(300), "client_id": visitor})[0] == 201
    assert ask("DELETE", f"{stack.shop}/v1/consent", {"client_id": visitor})[0] == 200
    late = purchase(client_id=visitor, timestamp=moment(200), consent=accepted(300))
    stack.post(late)
    stack.post({**late, "event_id": "again", "consent": {**accepted(300), **strings(google=True, meta=True)}})
    assert handed_over(stack, before) == {"ga4": 0, "meta": 0}
