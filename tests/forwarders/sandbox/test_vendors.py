from __future__ import annotations

import io
import json

import pytest

from tests.forwarders.sandbox.fixture_cases import NOW_MS, clean_request
from tests.forwarders.sandbox.live_sandbox import BEARER, META_PATH, TOKEN, get, running, send_ga4, send_meta

pytestmark = pytest.mark.anyio


async def test_ga4_answers_204_and_the_request_is_shown_as_it_came_but_for_its_secret() -> None:
    async with running() as client:
        assert await send_ga4(client) == 204
        shown = await get(client, "/api/received?destination=ga4")
        assert shown["forgotten"] == 0
        [request] = shown["requests"]
        assert set(request) == {"received_at", "method", "path", "query", "headers", "body", "violations"}
        assert request["received_at"] == "2026-11-21T10:00:00.000Z"
        assert (request["method"], request["path"]) == ("POST", "/mp/collect")
        assert request["query"] == {"measurement_id": "G-TEST12345", "api_secret": "a-se…"}
        assert request["headers"]["content-type"] == "application/json"
        assert request["body"] == clean_request("ga4", "page_view")["body"]
        assert request["violations"] == []


async def test_meta_counts_its_events_and_its_token_is_redacted_everywhere() -> None:
    async with running() as client:
        status, answer = await send_meta(client)
        assert status == 200
        assert (answer["events_received"], answer["messages"]) == (1, [])
        assert answer["fbtrace_id"]
        [request] = (await get(client, "/api/received?destination=meta"))["requests"]
        assert request["headers"]["authorization"] == "Bearer EAAB…"
        assert request["violations"] == []
        async with client.get("/") as page:
            assert TOKEN not in await page.text()


async def test_a_token_in_the_query_or_the_body_is_redacted_as_well() -> None:
    async with running() as client:
        body = {**clean_request("meta", "page_view")["body"], "access_token": TOKEN}
        async with client.post(META_PATH, params={"access_token": TOKEN}, json=body) as answer:
            assert answer.status == 200
        text_body = f"access_token={TOKEN}&data=[]"
        async with client.post(META_PATH, data=text_body, headers={"content-type": "text/plain"}) as answer:
            assert answer.status == 401
        async with client.get("/api/received") as answer:
            shown = await answer.text()
        assert TOKEN not in shown
        first, second = json.loads(shown)["requests"]
        assert first["query"]["access_token"] == first["body"]["access_token"] == "EAAB…"
        assert second["body"] == "access_token=EAAB…&data=[]"


async def test_one_invalid_event_makes_meta_refuse_them_all() -> None:
    async with running() as client:
        body = clean_request("meta", "page_view")["body"]
        old = {**body["data"][0], "event_time": NOW_MS // 1000 - 8 * 86400}
        status, answer = await send_meta(client, {"data": [body["data"][0], old]})
        assert status == 400
        assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 2804003)
        assert answer["error"]["error_data"]["blame_field_specs"] == [["data", "1", "event_time"]]
        assert answer["error"]["is_transient"] is False
        [request] = (await get(client, "/api/received?destination=meta"))["requests"]
        [violation] = request["violations"]
        assert violation["rule"] == "meta.event_time_too_old"
        assert violation["field"] == "data[1].event_time"
        summary = await get(client, "/api/summary")
        assert summary["destinations"]["meta"]["accepted_events"] == 0
        assert summary["destinations"]["meta"]["events"] == 2


async def test_meta_answers_401_without_a_token_and_200_to_what_only_the_sandbox_minds() -> None:
    async with running() as client:
        body = clean_request("meta", "page_view")["body"]
        async with client.post(META_PATH, json=body) as answer:
            assert answer.status == 401
            assert (await answer.json())["error"]["code"] == 190
        del body["data"][0]["event_id"]
        status, _ = await send_meta(client, body)
        assert status == 200
        [_, request] = (await get(client, "/api/received"))["requests"]
        assert [found["rule"] for found in request["violations"]] == ["meta.event_id_missing"]


async def test_the_validation_endpoint_speaks_googles_codes_and_remembers_nothing() -> None:
    async with running() as client:
        body = clean_request("ga4", "page_view")["body"]
        body["events"][0]["name"] = "page view"
        body["timestamp_micros"] = (NOW_MS - 73 * 3600 * 1000) * 1000
        async with client.post("/debug/mp/collect", json=body) as answer:
            assert answer.status == 200
            [message] = (await answer.json())["validationMessages"]
        assert set(message) == {"fieldPath", "description", "validationCode"}
        assert (message["fieldPath"], message["validationCode"]) == ("events[0].name", "NAME_INVALID")
        body["validation_behavior"] = "ENFORCE_RECOMMENDATIONS"
        async with client.post("/debug/mp/collect", json=body) as answer:
            codes = {row["validationCode"] for row in (await answer.json())["validationMessages"]}
        assert codes == {"NAME_INVALID", "VALUE_OUT_OF_BOUNDS"}
        async with client.post("/debug/mp/collect", json=clean_request("ga4", "page_view")["body"]) as answer:
            assert await answer.json() == {"validationMessages": []}
        assert (await get(client, "/api/received"))["requests"] == []


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"", b"{", b"[" * 900 + b"]" * 900, b'"text"', b"null", b'{"events":7}'])
async def test_rubbish_is_recorded_and_never_an_internal_error(raw: bytes) -> None:
    async with running() as client:
        async with client.post("/mp/collect", data=raw) as answer:
            assert answer.status == 204
        async with client.post(META_PATH, headers=BEARER, data=raw) as answer:
            assert answer.status == 400
        async with client.get("/") as page:
            assert page.status == 200
        async with client.get("/api/received?destination=ga4") as answer:
            assert answer.status == 200
            assert b"ga4." in await answer.read()


async def test_a_body_beyond_every_vendors_limit_is_not_read_to_its_end() -> None:
    async with running() as client:
        async with client.post("/mp/collect", data=io.BytesIO(b" " * (8 * 1024 * 1024 + 1))) as answer:
            assert answer.status == 413
        assert (await get(client, "/api/received"))["requests"] == []


async def test_it_is_healthy_and_a_get_on_a_vendors_endpoint_is_refused() -> None:
    async with running() as client:
        assert await get(client, "/healthz") == {"status": "ok"}
        for path in ("/mp/collect", META_PATH):
            async with client.get(path) as answer:
                assert answer.status == 405
