"""`GET /v1/pixel.gif`: the same event in a query."""

import struct
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from collector.web.pixel import GIF
from tests.collector.intake.shop import NOW_MS
from tests.collector.web.asgi import Answer
from tests.collector.web.whole import AwayLedger, Collector, away, collector

pytestmark = pytest.mark.anyio
ALL = {f"consent.{name}": "granted" for name in ("ad_storage", "analytics_storage", "ad_user_data")}
GRANTED = ALL | {"consent.ad_personalization": "granted", "consent.decided_at": "2026-11-21T09:58:00Z"}
VIEW = {"name": "page_view", "event_id": "e1", "client_id": "1.2", **GRANTED}


async def load(shop: Collector, query: dict[str, Any], **headers: str | None) -> Answer:
    """As an <img> loads it: without an Origin."""
    return await shop.ask("GET", f"/v1/pixel.gif?{urlencode(query, quote_via=quote)}", **({"origin": None} | headers))


def test_the_image_is_a_whole_transparent_gif_of_one_pixel() -> None:
    assert GIF[:6] == b"GIF89a"
    width, height, flags = struct.unpack("<HHB", GIF[6:11])
    assert (width, height, flags & 0x80, 2 << (flags & 7)) == (1, 1, 0x80, 2)
    extension = GIF[13 + 6 :]
    assert extension[:4] == b"\x21\xf9\x04\x01"  # graphic control, transparent
    image = extension[8:]
    assert image[0] == 0x2C
    assert struct.unpack("<HHHHB", image[1:10]) == (0, 0, 1, 1, 0)
    assert image[-2:] == b"\x00\x3b"


async def test_a_page_view_is_stored_and_the_answer_is_the_image_with_its_outcome() -> None:
    async with collector() as shop:
        answer = await load(shop, VIEW | {"page.url": "https://shop.example/a?utm_source=x&t=1", "page.title": "A"})
        assert (answer.status, answer.body) == (200, GIF)
        assert answer.headers["content-type"] == "image/gif"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["sluis-outcome"] == "accepted"
        assert "sluis-reason" not in answer.headers
        (record,) = await shop.records("ga4")
        assert (record.page_url, record.page_title) == ("https://shop.example/a?utm_source=x", "A")


async def test_numbers_lists_and_objects_are_read_and_everything_else_is_text() -> None:
    async with collector() as shop:
        properties = {
            "value": "59.90",
            "quantity": "3",
            "zero": "0",
            "debt": "-1.5",
            "on": "true",
            "off": "false",
            "items": '[{"item_id": "SKU1", "price": 29.95}]',
            "nested.deeper": "x",
            "postcode": "00123",
            "order": "9007199254740993",
            "arabic": "١٢",
            "exponent": "1e5",
            "broken": "[1",
            "empty": "",
            "plus": "+32",
        }
        query = VIEW | {f"properties.{name}": text for name, text in properties.items()}
        await load(shop, query)
        (record,) = await shop.records("ga4")
        assert record.properties == {
            "value": 59.9,
            "quantity": 3,
            "zero": 0,
            "debt": -1.5,
            "on": True,
            "off": False,
            "items": [{"item_id": "SKU1", "price": 29.95}],
            "nested": {"deeper": "x"},
            "postcode": "00123",
            "order": "9007199254740993",
            "arabic": "١٢",
            "exponent": "1e5",
            "broken": "[1",
            "empty": "",
            "plus": "+32",
        }


@pytest.mark.parametrize("digits", ["1" * 5000, "9" * 20, "1" * 16])
async def test_a_timestamp_of_too_many_digits_is_an_invalid_event(digits: str) -> None:
    async with collector() as shop:
        answer = await load(shop, VIEW | {"timestamp": digits})
        reason = "timestamp: must be RFC 3339 with an offset, or epoch milliseconds"
        assert (answer.status, answer.headers["sluis-reason"]) == (200, reason)


async def test_a_choice_may_be_dated_in_epoch_milliseconds() -> None:
    async with collector() as shop:
        answer = await load(shop, VIEW | {"consent.decided_at": str(NOW_MS - 60_000)})
        assert answer.headers["sluis-outcome"] == "accepted"


async def test_asking_for_the_head_of_the_image_takes_no_event() -> None:
    async with collector() as shop:
        answer = await shop.ask("HEAD", f"/v1/pixel.gif?{urlencode(VIEW)}", origin=None)
        assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
        assert "sluis-outcome" not in answer.headers
        assert await shop.records("ga4") == []
        assert not shop.door


async def test_identifiers_that_look_like_numbers_stay_text() -> None:
    async with collector() as shop:
        answer = await load(shop, VIEW | {"client_id": "42", "event_id": "7", "session_id": "1763"})
        assert answer.headers["sluis-outcome"] == "accepted"
        (record,) = await shop.records("ga4")
        assert record.event_id == "7"


@pytest.mark.parametrize("moment", [str(NOW_MS - 60_000), "2026-11-21T09:59:00Z"])
async def test_a_timestamp_is_a_number_or_a_text(moment: str) -> None:
    async with collector() as shop:
        await load(shop, VIEW | {"timestamp": moment})
        (record,) = await shop.records("ga4")
        assert record.occurred_ms == NOW_MS - 60_000


@pytest.mark.parametrize(
    ("said", "destinations"),
    [({"consent.recipients": '{"google": {}}'}, ["ga4"]), ({"consent.gpc": "true"}, ["ga4"]), ({}, ["ga4", "meta"])],
)
async def test_consent_is_read_from_the_query_too(said: dict[str, str], destinations: list[str]) -> None:
    async with collector() as shop:
        await load(shop, VIEW | said)
        assert [name for name in ("ga4", "meta") if await shop.records(name)] == destinations


async def test_a_refusal_names_its_reason_in_a_header() -> None:
    async with collector(append=away, ledger=AwayLedger()) as shop:
        answer = await load(shop, {"name": "page_view"})
        assert (answer.status, answer.body) == (200, GIF)
        assert (answer.headers["sluis-outcome"], answer.headers["sluis-reason"]) == ("refused", "choice_unknown")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({}, "name: is missing"),
        ({"name": "vidéo"}, "name: must be 1 to 40 letters, digits or underscores and begin with a letter (GA4)"),
        ({"name": "a\x00b"}, "name: contains a NUL character"),
        ({"name": "page_view", "page": "x"}, "page: expected `object`, got `str`"),
        ({"name": "page_view", "properties.x": "[1e17]"}, "properties.x[0]: is a number beyond 2^53; send it as text"),
    ],
)
async def test_an_invalid_event_still_gets_its_image_and_says_what_is_wrong(query: dict[str, str], reason: str) -> None:
    async with collector() as shop:
        answer = await load(shop, query)
        assert (answer.status, answer.body) == (200, GIF)
        assert (answer.headers["sluis-outcome"], answer.headers["sluis-reason"]) == ("invalid", reason)


@pytest.mark.parametrize("name", ["user", "user.email", "user.address.city", "user_id"])
async def test_contact_data_may_not_travel_in_a_query(name: str) -> None:
    async with collector() as shop:
        answer = await load(shop, VIEW | {name: "jane@example.com"})
        assert (answer.status, answer.code) == (400, "field_not_allowed")
        assert "jane" not in answer.text
        assert await shop.records("ga4") == []


@pytest.mark.parametrize(
    "query", ["page=x&page.url=y", "page.url=x&page.url.path=y", "name=page_view&properties.x=" + "[" * 300 + "]" * 300]
)
async def test_a_query_that_makes_no_event_is_a_400(query: str) -> None:
    async with collector() as shop:
        answer = await shop.ask("GET", f"/v1/pixel.gif?{query}", origin=None)
        assert answer.status == 400
        assert answer.json["error"]["message"]


async def test_a_query_cannot_be_a_batch() -> None:
    async with collector() as shop:
        answer = await load(shop, {"events": "[]"})
        assert (answer.status, answer.code) == (400, "bad_batch")


async def test_bytes_that_are_not_unicode_are_replaced_and_never_an_error() -> None:
    async with collector() as shop:
        answer = await shop.ask("GET", "/v1/pixel.gif?name=page_view&page.title=%ED%A0%80%FF", origin=None)
        assert answer.status == 200


async def test_while_the_store_is_away_the_pixel_is_503() -> None:
    async with collector(append=away) as shop:
        answer = await load(shop, VIEW)
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_the_pages_address_comes_from_the_referer_when_the_query_says_none() -> None:
    async with collector() as shop:
        await load(shop, VIEW, referer="https://shop.example/page?secret=1#x")
        (record,) = await shop.records("ga4")
        assert record.page_url == "https://shop.example/page"
