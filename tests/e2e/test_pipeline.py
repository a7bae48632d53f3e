"""The whole way of an event, with real processes: posted, decided, stored, handed over, accounted for."""

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import eventually
from tests.support.shopper import BROWSER, a_visitor, accepted, choice, google_only, purchase, refused
from tests.support.stack import Stack, flat

pytestmark = pytest.mark.e2e

EMAIL_HASH = hashlib.sha256(b"jane.doe@example.com").hexdigest()
QUEUED = {"ga4": "queued", "meta": "queued"}


def told(stack: Stack, event: dict[str, Any], **headers: str) -> dict[str, Any]:
    """What the page is told of one event."""
    status, _, answer = stack.post(event, **headers)
    assert status == 202, answer
    (result,) = answer["results"]
    assert isinstance(result, dict)
    return result


def since(before: Counter[str], stack: Stack) -> Counter[str]:
    """What the balance counted since, now that nothing waits."""
    return flat(stack.settled()) - before


def the_request(stack: Stack, destination: str) -> dict[str, Any]:
    """The one request of a destination, which breaks no rule."""
    (request,) = stack.received(destination)
    assert request["violations"] == []
    return request


def nothing_was_sent(stack: Stack) -> bool:
    return not stack.received("ga4") and not stack.received("meta")


def test_with_everything_granted_each_destination_gets_one_valid_request(stack: Stack) -> None:
    before = stack.counts()
    event = purchase(consent=accepted())
    result = told(stack, event)
    assert result == {
        "event_id": event["event_id"],
        "outcome": "accepted",
        "reason": None,
        "destinations": QUEUED,
    }
    assert since(before, stack) == Counter(
        {f"{name} {fate}": 1 for name in QUEUED for fate in ("accepted", "handed_over")}
    )
    sold = event["properties"]

    google = the_request(stack, "ga4")["body"]
    (sent,) = google["events"]
    assert sent["name"] == "purchase"
    assert sent["params"].items() >= sold.items()
    assert sent["params"]["page_location"] == "https://shop.example.com/thanks?utm_source=letter"
    assert google["consent"] == {"ad_user_data": "GRANTED", "ad_personalization": "GRANTED"}
    assert google["user_data"]["sha256_email_address"] == [EMAIL_HASH]
    assert event["client_id"] not in str(google)

    meta = the_request(stack, "meta")
    (sent,) = meta["body"]["data"]
    assert (sent["event_name"], sent["event_id"]) == ("Purchase", event["event_id"])
    assert sent["event_source_url"] == "https://shop.example.com/thanks"
    assert sent["custom_data"].items() >= {"value": 59.9, "currency": "EUR", "order_id": sold["transaction_id"]}.items()
    assert sent["user_data"]["em"] == [EMAIL_HASH]
    assert sent["user_data"]["client_user_agent"] == BROWSER
    assert "client_ip_address" not in sent["user_data"]
    assert event["client_id"] not in str(meta)


@pytest.mark.parametrize(
    ("consent", "reason"),
    [
        (refused(), "purpose_not_granted"),
        (None, "choice_unknown"),
        ({**accepted(), "origin": "default"}, "default_never_grants"),
        ({**accepted(), "decided_at": None}, "default_never_grants"),
        (accepted(ago_s=-3600), "choice_in_future"),
    ],
    ids=["refusal", "missing", "default", "undated", "from_the_future"],
)
def test_without_a_choice_that_grants_nothing_leaves_and_the_answer_says_why(
    stack: Stack, consent: dict[str, Any] | None, reason: str
) -> None:
    before = stack.counts()
    result = told(stack, purchase(consent=consent))
    assert result["outcome"] == "refused"
    assert result["destinations"] == {"ga4": f"skipped:{reason}", "meta": f"skipped:{reason}"}
    assert since(before, stack) == Counter()
    assert nothing_was_sent(stack)


def test_accepting_google_does_not_open_meta(stack: Stack) -> None:
    before = stack.counts()
    result = told(stack, purchase(consent=google_only()))
    assert result["destinations"] == {"ga4": "queued", "meta": "skipped:recipient_not_covered"}
    assert since(before, stack) == Counter({"ga4 accepted": 1, "ga4 handed_over": 1})
    the_request(stack, "ga4")
    assert stack.received("meta") == []


def test_a_browser_that_objects_by_gpc_is_measured_without_advertising(stack: Stack) -> None:
    result = told(stack, purchase(consent=accepted()), **{"Sec-GPC": "1"})
    assert result["destinations"] == {"ga4": "queued", "meta": "skipped:gpc"}
    stack.settled()
    google = the_request(stack, "ga4")["body"]
    assert google["consent"] == {"ad_user_data": "DENIED", "ad_personalization": "DENIED"}
    assert "user_data" not in google
    assert stack.received("meta") == []


def test_analytics_alone_reaches_ga4_without_match_keys(stack: Stack) -> None:
    result = told(stack, purchase(consent=choice("analytics_storage")))
    assert result["destinations"] == {"ga4": "queued", "meta": "skipped:purpose_not_granted"}
    stack.settled()
    assert EMAIL_HASH not in str(the_request(stack, "ga4"))


def test_the_same_event_twice_is_one_request(stack: Stack) -> None:
    before = stack.counts()
    event = purchase(consent=accepted())
    assert told(stack, event)["outcome"] == "accepted"
    again = told(stack, event)
    assert (again["outcome"], again["reason"]) == ("duplicate", "event_id_seen")
    assert again["destinations"] == {"ga4": "duplicate", "meta": "duplicate"}
    counted = since(before, stack)
    assert (counted["ga4 accepted"], counted["meta accepted"]) == (1, 1)
    the_request(stack, "ga4")
    the_request(stack, "meta")


def test_one_bad_event_in_twenty_costs_only_itself(stack: Stack) -> None:
    before = stack.counts()
    visitor = a_visitor()
    events = [purchase(client_id=visitor) for _ in range(20)]
    events[7]["properties"]["value"] = 2**53 + 1
    status, _, answer = stack.post({"events": events, "consent": accepted()})
    assert status == 202
    results = answer["results"]
    assert [result["event_id"] for result in results] == [event["event_id"] for event in events]
    assert [number for number, result in enumerate(results) if result["outcome"] != "accepted"] == [7]
    assert results[7]["outcome"] == "invalid"
    assert results[7]["reason"].startswith("properties.value: ")
    assert since(before, stack) == Counter(
        {f"{name} {fate}": 19 for name in QUEUED for fate in ("accepted", "handed_over")}
    )
    arrived = {event["event_id"] for request in stack.received("meta") for event in request["body"]["data"]}
    assert arrived == {event["event_id"] for event in events} - {events[7]["event_id"]}


@pytest.mark.parametrize("destination", ["ga4", "meta"])
def test_a_vendor_that_recovers_gets_the_event_once(stack: Stack, destination: str) -> None:
    before = stack.counts()
    stack.fault(destination, status=503, times=2)
    told(stack, purchase(consent=accepted()))
    counted = since(before, stack)
    assert counted[f"{destination} handed_over"] == 1
    tally = stack.tally(destination)
    assert (tally["requests"], tally["accepted_events"], tally["answers"]["503"]) == (3, 1, 2)
    sent = [request["body"] for request in stack.received(destination)]
    assert sent[0] == sent[1] == sent[2]


def test_a_connection_that_ends_without_an_answer_is_tried_again(stack: Stack) -> None:
    before = stack.counts()
    stack.fault("ga4", close=True)
    told(stack, purchase(consent=accepted()))
    assert since(before, stack)["ga4 handed_over"] == 1
    assert stack.tally("ga4")["answers"] == {"closed": 1, "204": 1}


def test_a_refusal_for_good_becomes_a_dead_letter_with_its_cause(stack: Stack) -> None:
    before, letters = stack.counts(), stack.balance()["destinations"]["meta"]["dead_letters"]
    refusal = {"error": {"message": "Invalid parameter", "code": 100, "error_subcode": 2804050}}
    stack.fault("meta", status=400, body=refusal)
    told(stack, purchase(consent=accepted()))
    assert since(before, stack) == Counter(
        {"ga4 accepted": 1, "ga4 handed_over": 1, "meta accepted": 1, "meta dead:meta_100_2804050": 1}
    )
    balance = stack.balance()
    assert balance["destinations"]["meta"]["dead_letters"] == letters + 1
    assert balance["unaccounted"] == 0
    assert stack.tally("meta")["requests"] == 1


def test_a_slow_meta_does_not_slow_ga4(stack: Stack) -> None:
    before = stack.counts()
    stack.fault("meta", delay_ms=1500, times=40)
    stack.post({"events": [purchase() for _ in range(40)], "consent": accepted()})
    eventually(lambda: (stack.counts() - before)["ga4 handed_over"] == 40, seconds=5)
    assert (stack.counts() - before)["meta handed_over"] < 40
    assert since(before, stack)["meta handed_over"] == 40


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stack]:
    """A `sluis up` of its own: Meta stays parked for minutes."""
    mine = Stack(tmp_path)
    try:
        yield mine.start()
    finally:
        mine.kill()


def test_a_rejected_token_parks_meta_and_burns_nothing(own: Stack) -> None:
    expired = {"error": {"message": "Error validating access token", "code": 190}}
    own.fault("meta", status=401, body=expired, times=1000)
    own.post({"events": [purchase() for _ in range(5)], "consent": accepted()})
    eventually(lambda: "destination meta parked: meta_190" in (own.folder / "var/log/deliver.log").read_text())
    eventually(lambda: own.tally("meta")["requests"] == 5)
    own.post({"events": [purchase() for _ in range(5)], "consent": accepted()})
    eventually(lambda: own.counts()["ga4 handed_over"] == 10)
    assert own.counts() == Counter({"ga4 accepted": 10, "ga4 handed_over": 10, "meta accepted": 10})
    assert own.balance()["destinations"]["meta"]["waiting"] == 10
    assert own.tally("meta")["requests"] == 5

    own.mend()  # a new token, and deliver started again with it
    os.kill(own.children()["deliver"], signal.SIGTERM)
    own.post(purchase(consent=accepted()))
    eventually(lambda: own.counts()["meta handed_over"])
    balance = own.balance()
    meta = flat(balance)
    assert set(meta) == {"ga4 accepted", "ga4 handed_over", "meta accepted", "meta handed_over"}
    assert meta["meta handed_over"] + balance["destinations"]["meta"]["waiting"] == 11
    assert balance["unaccounted"] == 0
    assert own.stop() == 0
