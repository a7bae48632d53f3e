"""`POST /v1/events`: one result per event, in order, and what is stored for whom."""

from typing import Any

import orjson
import pytest

from collector.intake.record import Record
from collector.store.memory import MemoryBuffer
from consent.model import Choice, Purpose
from tests.collector.intake.shop import DENIED, GOOGLE_ONLY, GRANTED, NOW, NOW_MS, event
from tests.collector.web.whole import Collector, collector

pytestmark = pytest.mark.anyio
BOTH = {"ga4": "queued", "meta": "queued"}
LESS = {"analytics_storage": "granted", "ad_storage": "denied", "decided_at": NOW}


async def stored(shop: Collector) -> dict[str, list[Record]]:
    return {name: await shop.records(name) for name in ("ga4", "meta")}


def choices_of(shop: Collector) -> dict[bytes, Choice]:
    assert isinstance(shop.buffer, MemoryBuffer)
    return shop.buffer.choices


async def test_everything_granted_is_queued_for_both() -> None:
    async with collector() as shop:
        answer = await shop.post(event())
        assert answer.status == 202
        assert answer.json == {
            "results": [{"event_id": "e1", "outcome": "accepted", "reason": None, "destinations": BOTH}]
        }
        assert answer.headers["sluis-durability"] == "fsync"
        records = await stored(shop)
        assert [(r.event_id, r.name) for r in records["ga4"]] == [("e1", "page_view")]
        assert [(r.event_id, r.name) for r in records["meta"]] == [("e1", "page_view")]


@pytest.mark.parametrize(
    ("consent", "reason"),
    [
        (DENIED, "purpose_not_granted"),
        (None, "choice_unknown"),
        ({}, "default_never_grants"),
        (GRANTED | {"decided_at": None}, "default_never_grants"),
        (GRANTED | {"origin": "default"}, "default_never_grants"),
        (GRANTED | {"origin": "choice", "decided_at": None}, "choice_undated"),
        (GRANTED | {"decided_at": "2026-11-21T10:05:01Z"}, "choice_in_future"),
        (GRANTED | {"decided_at": "2026-05-01T10:00:00Z"}, "expired_choice"),
        (GRANTED | {"recipients": {}}, "recipient_not_covered"),
        ("granted", "unreadable_consent"),
        (GRANTED | {"recipients": ["google"]}, "unreadable_consent"),
        (GRANTED | {"analytics_storage": True, "ad_storage": "yes"}, "purpose_not_granted"),
    ],
)
async def test_without_consent_nothing_is_stored_and_the_answer_says_why_for_each(consent: Any, reason: str) -> None:
    async with collector() as shop:
        result = await shop.result(event(consent=consent))
        assert (result["outcome"], result["reason"]) == ("refused", reason)
        assert result["destinations"] == dict.fromkeys(BOTH, f"skipped:{reason}")
        assert await stored(shop) == {"ga4": [], "meta": []}


async def test_accepting_google_never_opens_meta() -> None:
    async with collector() as shop:
        result = await shop.result(event(consent=GOOGLE_ONLY))
        assert result["outcome"] == "accepted"
        assert result["destinations"] == {"ga4": "queued", "meta": "skipped:recipient_not_covered"}
        assert [len(records) for records in (await stored(shop)).values()] == [1, 0]


@pytest.mark.parametrize("headers", [{"sec_gpc": "1"}, {}])
async def test_gpc_closes_advertising_and_leaves_analytics(headers: dict[str, str]) -> None:
    async with collector() as shop:
        consent = GRANTED if headers else GRANTED | {"gpc": True}
        result = await shop.result(event(consent=consent, user={"email": "jane@example.com"}), **headers)
        assert result["destinations"] == {"ga4": "queued", "meta": "skipped:gpc"}
        (record,) = await shop.records("ga4")
        assert record.granted == ["analytics_storage"]
        assert record.match_keys == {}


async def test_different_reasons_are_said_per_destination() -> None:
    async with collector() as shop:
        consent = GRANTED | {"analytics_storage": "denied", "recipients": {"google": {}}}
        result = await shop.result(event(consent=consent))
        assert (result["outcome"], result["reason"]) == ("refused", "no_destination_permitted")
        assert result["destinations"] == {
            "ga4": "skipped:purpose_not_granted",
            "meta": "skipped:recipient_not_covered",
        }


@pytest.mark.parametrize(
    ("fields", "headers", "reason"),
    [
        ({"context": {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}}, {}, "declared_bot"),
        ({}, {"user_agent": "bingbot/2.0"}, "declared_bot"),
        ({}, {"sec_purpose": "prefetch;prerender"}, "prefetch"),
    ],
)
async def test_what_no_visitor_did_is_filtered(fields: dict[str, Any], headers: dict[str, str], reason: str) -> None:
    async with collector() as shop:
        result = await shop.result(event(**fields), **headers)
        assert (result["outcome"], result["reason"], result["destinations"]) == ("filtered", reason, {})
        assert await stored(shop) == {"ga4": [], "meta": []}


async def test_a_page_that_said_its_own_user_agent_is_believed_over_its_server() -> None:
    async with collector() as shop:
        result = await shop.result(event(context={"user_agent": "Mozilla/5.0"}), user_agent="bingbot/2.0")
        assert result["outcome"] == "accepted"


async def test_an_event_id_counts_once_in_a_batch_and_across_requests() -> None:
    async with collector() as shop:
        answer = await shop.post({"events": [event(), event(), event(event_id="e2")]})
        assert [row["outcome"] for row in answer.json["results"]] == ["accepted", "duplicate", "accepted"]
        assert answer.json["results"][1]["destinations"] == dict.fromkeys(BOTH, "duplicate")
        again = await shop.result(event())
        assert (again["outcome"], again["reason"]) == ("duplicate", "event_id_seen")
        assert [record.event_id for record in await shop.records("ga4")] == ["e1", "e2"]
        assert shop.door == {("shop", "accepted"): 2, ("shop", "duplicate"): 2}


async def test_an_event_that_meta_may_have_later_is_a_duplicate_for_ga4_alone() -> None:
    async with collector() as shop:
        await shop.result(event(consent=GOOGLE_ONLY))
        later = await shop.result(event(consent=GRANTED | {"decided_at": NOW}))
        assert (later["outcome"], later["reason"]) == ("accepted", None)
        assert later["destinations"] == {"ga4": "duplicate", "meta": "queued"}


async def test_the_same_event_id_of_two_visitors_or_two_sites_is_two_events() -> None:
    async with collector() as shop:
        assert (await shop.result(event()))["outcome"] == "accepted"
        assert (await shop.result(event(client_id="9.9")))["outcome"] == "accepted"
        club = await shop.result(event(context={"ga_cookie": "GA1.1.1.2"}), origin="https://club.example")
        assert club["outcome"] == "accepted"


async def test_events_without_an_id_get_one_each() -> None:
    async with collector() as shop:
        said = {"name": "page_view", "consent": GRANTED}
        answer = await shop.post({"events": [said, said]})
        rows = answer.json["results"]
        assert [row["outcome"] for row in rows] == ["accepted", "accepted"]
        assert len({row["event_id"] for row in rows}) == 2
        assert {record.event_id for record in await shop.records("ga4")} == {row["event_id"] for row in rows}


@pytest.mark.parametrize(
    ("age_hours", "destinations"),
    [
        (0, BOTH),
        (71, BOTH),
        (73, {"ga4": "skipped:too_old", "meta": "queued"}),
        (167, {"ga4": "skipped:too_old", "meta": "queued"}),
        (169, {"ga4": "skipped:too_old", "meta": "skipped:too_old"}),
        (-1, BOTH),
    ],
)
async def test_an_event_past_a_vendors_window_is_skipped_for_that_vendor(
    age_hours: int, destinations: dict[str, str]
) -> None:
    async with collector() as shop:
        result = await shop.result(event(timestamp=NOW_MS - age_hours * 3_600_000))
        assert result["destinations"] == destinations
        assert result["outcome"] == ("accepted" if "queued" in destinations.values() else "refused")


async def test_a_batch_shares_consent_and_context_and_an_event_may_only_narrow() -> None:
    async with collector() as shop:
        body = {
            "consent": GRANTED,
            "context": {"language": "nl-BE", "fbp": "fb.1.1795255200000.1234567890"},
            "events": [
                {"name": "page_view", "event_id": "plain", "client_id": "1.2"},
                {"name": "page_view", "event_id": "own", "client_id": "1.2", "context": {"language": "fr"}},
                {"name": "page_view", "event_id": "less", "client_id": "1.2", "consent": LESS},
                {"name": "page_view", "event_id": "more", "client_id": "1.2", "consent": GRANTED},
            ],
        }
        rows = (await shop.post(body)).json["results"]
        less = {"ga4": "queued", "meta": "skipped:purpose_not_granted"}
        assert [row["destinations"] for row in rows] == [BOTH, BOTH, less, BOTH]
        records = {record.event_id: record for record in await shop.records("meta")}
        assert {name: (record.language, record.fbp[:4]) for name, record in records.items()} == {
            "plain": ("nl", "fb.1"),
            "own": ("fr", "fb.1"),
            "more": ("nl", "fb.1"),
        }


async def test_an_event_cannot_grant_what_its_batch_denies() -> None:
    async with collector() as shop:
        rows = (await shop.post({"consent": DENIED, "events": [event()]})).json["results"]
        assert rows[0]["destinations"] == dict.fromkeys(BOTH, "skipped:purpose_not_granted")


async def test_a_visitors_act_is_written_once_per_identifier_with_the_event() -> None:
    async with collector() as shop:
        said = event(user_id=42, consent=GRANTED | {"choice_id": "20261121.abcdef"})
        await shop.post({"events": [said, said | {"event_id": "e2"}]})
        choices = choices_of(shop)
        assert len(choices) == 3
        for choice in choices.values():
            assert choice.decided_ms == NOW_MS - 120_000
            assert set(choice.granted) == {"google", "meta"}
            assert Purpose.AD_STORAGE in choice.granted["meta"]
        (record,) = [r for r in await shop.records("ga4") if r.event_id == "e1"]
        assert set(record.subjects) == set(choices)


async def test_a_refusal_that_names_somebody_is_remembered_and_one_that_names_nobody_is_not() -> None:
    async with collector() as shop:
        choices = choices_of(shop)
        await shop.result({"name": "page_view", "consent": DENIED})
        assert choices == {}
        await shop.result({"name": "page_view", "client_id": "1.2", "consent": DENIED})
        (choice,) = choices.values()
        assert not any(choice.granted.values())


async def test_a_server_names_its_site_with_its_key() -> None:
    async with collector() as shop:
        body = {"site": "shop", **event()}
        answer = await shop.post(body, origin=None, authorization="Bearer key-of-the-shop", user_agent="backend/1.0")
        assert answer.json["results"][0]["outcome"] == "accepted"
        (record,) = await shop.records("ga4")
        assert (record.site, record.page_url) == ("shop", "https://shop.example/")


async def test_a_site_for_children_has_no_advertising() -> None:
    async with collector() as shop:
        said = event(context={"ga_cookie": "GA1.1.1.2"})
        result = await shop.result(said, origin="https://toys.example")
        assert result["destinations"] == {
            "ga4": "queued",
            "meta": "skipped:children",
            "companion": "queued",
            "pixel": "skipped:children",
            "trace": "queued",
        }


async def test_companion_mode_without_the_tags_client_id_joins_nothing() -> None:
    async with collector() as shop:
        result = await shop.result(event(client_id="not-googles"), origin="https://club.example")
        assert result["destinations"]["companion"] == "skipped:no_client_id"
        assert result["destinations"]["pixel"] == "queued"


async def test_what_is_stored_is_sealed_and_holds_no_address_of_the_client() -> None:
    async with collector() as shop:
        said = event(user={"email": "jane.doe@example.com", "phone": "+32 2 555 12 12"})
        await shop.result(said, x_forwarded_for="203.0.113.9", forwarded="for=203.0.113.9")
        for name in ("ga4", "meta"):
            (record,) = await shop.records(name)
            plain = repr(orjson.dumps({field: str(getattr(record, field)) for field in record.__struct_fields__}))
            for raw in ("203.0.113.9", "192.0.2.77", "jane", "555 12 12", "25551212"):
                assert raw not in plain, raw
        for entry in shop.entries:
            assert b"page_view" not in entry.sealed
            assert b"shop.example" not in entry.sealed


async def test_purposes_are_written_by_name() -> None:
    async with collector() as shop:
        await shop.result(event())
        (record,) = await shop.records("meta")
        assert set(record.granted) == {
            Purpose.AD_STORAGE,
            Purpose.ANALYTICS_STORAGE,
            Purpose.AD_USER_DATA,
            Purpose.AD_PERSONALIZATION,
        }
