"""Input that is no event: the documented code, a sentence, CORS where the site is known, and nothing stored."""

from typing import Any

import pytest

from tests.collector.intake.cases import cases
from tests.collector.intake.shop import event
from tests.collector.web.asgi import ask
from tests.collector.web.whole import PAGE, collector

pytestmark = pytest.mark.anyio
LIMIT = 262_144


def body_of(case: dict[str, Any]) -> Any:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    return case["raw"].encode() if "raw" in case else case["json"]


@pytest.mark.parametrize("case", cases("bad_requests"))
async def test_a_bad_request_gets_its_documented_code_and_a_sentence(case: dict[str, Any]) -> None:
    async with collector() as shop:
        headers = {name.replace("-", "_"): value for name, value in case.get("headers", {}).items()}
        answer = await shop.post(body_of(case), **headers)
        assert (answer.status, answer.code) == (case["status"], case["code"])
        assert " " in answer.json["error"]["message"]
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        known = case["code"] not in ("origin_not_allowed", "unknown_site")
        assert answer.headers.get("access-control-allow-origin") == ("https://shop.example" if known else None)
        assert await shop.records("ga4") == []
        assert not shop.door


async def test_a_body_that_grows_over_the_limit_is_refused_before_it_is_whole() -> None:
    async with collector() as shop:
        chunks = [b" " * 100_000] * 3 + [b"never read"]
        answer = await ask(shop.app, "POST", "/v1/events", headers=PAGE, chunks=chunks)
        assert (answer.status, answer.code) == (413, "body_too_large")


async def test_a_body_of_exactly_the_limit_is_read_in_one_piece_and_in_many() -> None:
    async with collector() as shop:
        whole = b'{"name": "page_view"}'.ljust(LIMIT)
        for chunks in ([whole], [whole[:1], whole[1:9], whole[9:]]):
            answer = await ask(shop.app, "POST", "/v1/events", headers=PAGE, chunks=chunks)
            assert answer.status == 202


async def test_a_body_in_thousands_of_pieces_costs_no_more_than_its_bytes() -> None:
    async with collector() as shop:
        whole = b'{"name": "page_view"}'.ljust(100_000)
        chunks = [whole[place : place + 1] for place in range(len(whole))]
        answer = await ask(shop.app, "POST", "/v1/events", headers=PAGE, chunks=chunks)
        assert answer.status == 202


@pytest.mark.parametrize("target", ["/v1/events", "/v1/consent"])
@pytest.mark.parametrize("chunks", [[], [b'{"name": ']])
async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind(
    target: str, chunks: list[bytes]
) -> None:
    async with collector() as shop:
        answer = await ask(shop.app, "POST", target, headers=PAGE, chunks=chunks, leaves=True)
        assert answer.status in (0, 400)
        assert not shop.door
        assert await shop.records("ga4") == []


@pytest.mark.parametrize(
    "media_type", ["application/json", "APPLICATION/JSON; charset=utf-8", "text/plain;charset=UTF-8", "text/plain"]
)
async def test_json_comes_as_json_or_as_the_plain_text_of_a_beacon(media_type: str) -> None:
    async with collector() as shop:
        assert (await shop.result(event(), content_type=media_type))["outcome"] == "accepted"


@pytest.mark.parametrize("case", cases("invalid_events"))
async def test_an_invalid_event_is_a_202_that_names_the_field_and_repeats_no_value(case: dict[str, Any]) -> None:
    async with collector() as shop:
        good = event(event_id="good")
        answer = await shop.post({"events": [case["event"], good]})
        assert answer.status == 202
        bad, other = answer.json["results"]
        assert (bad["outcome"], bad["reason"], bad["destinations"]) == ("invalid", case["reason"], {})
        assert (other["event_id"], other["outcome"]) == ("good", "accepted")
        assert "jane" not in answer.text
        alone = await shop.post({"events": [case["event"]]})
        assert alone.json["results"][0]["reason"] == case["reason"]
        if isinstance(case["event"], dict):
            assert (await shop.result(case["event"]))["reason"] == case["reason"]


# GA4 Measurement Protocol reference, "Reserved names", and Analytics Help, "Reserved event names".
RESERVED = (
    "ad_activeview ad_click ad_exposure ad_query ad_reward adunit_exposure app_clear_data app_exception app_install "
    "app_remove app_store_refund app_store_subscription_cancel app_store_subscription_convert "
    "app_store_subscription_renew app_update app_upgrade dynamic_link_app_open dynamic_link_app_update "
    "dynamic_link_first_open error firebase_campaign firebase_in_app_message_action firebase_in_app_message_dismiss "
    "firebase_in_app_message_impression first_open first_visit notification_dismiss notification_foreground "
    "notification_open notification_receive notification_send os_update session_start user_engagement "
    "ad_impression in_app_purchase screen_view firebase_x ga_x google_x"
).split()


async def test_every_name_that_ga4_reserves_is_refused_and_its_neighbours_are_not() -> None:
    async with collector() as shop:
        answer = await shop.post({"events": [event(name=name) for name in RESERVED]})
        assert {row["reason"] for row in answer.json["results"]} == {"name: is reserved by GA4"}
        allowed = ["page_view", "Error", "errors", "gas", "googled", "firebase", "a", "a" * 40, "Z9_"]
        answer = await shop.post({"events": [event(name=name, event_id=name) for name in allowed]})
        assert [row["outcome"] for row in answer.json["results"]] == ["accepted"] * len(allowed)


@pytest.mark.parametrize(
    "fields",
    [
        {"properties": {"value": 2**53, "least": -(2**53), "exact": 0.1}},
        {"properties": {"note": "a" * 4096, "k" * 128: 1, "items": [1] * 500}},
        {"properties": {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}},
        {"event_id": "e" * 256, "client_id": "c" * 256, "user_id": 2**53, "session_id": -(2**53)},
        {"user": {"email": "x" * 512}, "context": {"user_agent": "u" * 1024, "fbc": "f" * 1024}},
        {"unknown": {"of": "no concern"}, "timestamp": None, "page": {}, "user": None},
        {"page": {"title": "\U0001f512 \u2028 \u200b \x7f \x1b"}},
    ],
)
async def test_what_is_exactly_within_the_bounds_is_taken(fields: dict[str, Any]) -> None:
    async with collector() as shop:
        assert (await shop.result(event(**fields)))["outcome"] == "accepted"


async def test_one_bad_event_in_twenty_costs_nothing_but_itself() -> None:
    async with collector() as shop:
        events = [event(event_id=f"e{place}") for place in range(20)]
        events[7] = {"event_id": "e7", "name": "page_view", "properties": {"value": 1e17}}
        answer = await shop.post({"events": events})
        rows = answer.json["results"]
        assert [row["event_id"] for row in rows] == [f"e{place}" for place in range(20)]
        assert [place for place, row in enumerate(rows) if row["outcome"] != "accepted"] == [7]
        assert rows[7]["reason"].startswith("properties.value: ")
        assert [record.event_id for record in await shop.records("ga4")] == [
            f"e{place}" for place in range(20) if place != 7
        ]
        assert shop.door == {("shop", "accepted"): 19, ("shop", "invalid"): 1}


@pytest.mark.parametrize("context", ["Chrome", 5, [], True])
async def test_a_batch_whose_context_is_no_object_says_so_for_each_event(context: Any) -> None:
    async with collector() as shop:
        answer = await shop.post({"context": context, "events": [event(), event(context={"language": "nl"})]})
        assert answer.json["results"][0]["outcome"] == "invalid"
        assert answer.json["results"][0]["reason"].startswith("context: expected `object`")


async def test_an_events_bad_context_is_not_covered_up_by_the_batchs() -> None:
    async with collector() as shop:
        answer = await shop.post({"context": {"language": "nl"}, "events": [event(context=5)]})
        assert answer.json["results"][0]["reason"] == "context: expected `object`, got `int`"
