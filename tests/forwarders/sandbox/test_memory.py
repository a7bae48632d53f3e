from __future__ import annotations

import pytest

from tests.forwarders.sandbox.fixture_cases import clean_request
from tests.forwarders.sandbox.live_sandbox import GA4_QUERY, get, running, send_ga4, send_meta

pytestmark = pytest.mark.anyio


async def test_without_a_destination_all_requests_are_shown_with_theirs_and_a_part_can_be_cut_out() -> None:
    async with running() as client:
        await send_ga4(client)
        await send_meta(client)
        await send_ga4(client, "purchase")
        requests = (await get(client, "/api/received"))["requests"]
        assert [request["destination"] for request in requests] == ["ga4", "meta", "ga4"]
        [middle] = (await get(client, "/api/received?offset=1&limit=1"))["requests"]
        assert middle["destination"] == "meta"
        for query in ("destination=tiktok", "limit=-1", "offset=ten"):
            async with client.get(f"/api/received?{query}") as answer:
                assert answer.status == 400
                assert query.split("=")[0] in (await answer.json())["error"]["message"]


async def test_the_oldest_is_forgotten_beyond_the_limit_and_the_counts_go_on() -> None:
    async with running(kept_events=3) as client:
        for _ in range(2):
            await send_ga4(client)
        event = clean_request("meta", "page_view")["body"]["data"][0]
        await send_meta(client, {"data": [event, event]})
        shown = await get(client, "/api/received")
        assert shown["forgotten"] == 1
        assert [request["destination"] for request in shown["requests"]] == ["ga4", "meta"]
        summary = await get(client, "/api/summary")
        assert summary["forgotten"] == 1
        assert summary["destinations"]["ga4"]["requests"] == 2
        async with client.get("/") as page:
            assert "1 older event forgotten" in await page.text()


async def test_requests_without_events_and_large_requests_are_forgotten_too() -> None:
    async with running(kept_events=2) as client:
        for _ in range(3):
            async with client.post("/mp/collect", data=b"{}") as answer:
                assert answer.status == 204
        assert (await get(client, "/api/received"))["forgotten"] == 1
    async with running(kept_bytes=5000) as client:
        for _ in range(10):
            await send_ga4(client)
        shown = await get(client, "/api/received")
        assert shown["forgotten"] + len(shown["requests"]) == 10
        assert 0 < len(shown["requests"]) < 10


async def test_a_sandbox_for_load_counts_and_keeps_nothing() -> None:
    async with running(checks=False) as client:
        async with client.post("/mp/collect", data=b'{"events":[{"name":"error"},{"name":"error"}]}') as answer:
            assert answer.status == 204
        status, answer = await send_meta(client, {"data": [{}, {}, {}]})
        assert (status, answer["events_received"]) == (200, 3)
        summary = await get(client, "/api/summary")
        assert summary["checks"] is False
        assert summary["destinations"]["ga4"]["events"] == 2
        assert summary["destinations"]["meta"]["accepted_events"] == 3
        assert await get(client, "/api/received") == {"forgotten": 5, "requests": []}
        async with client.get("/") as page:
            assert "only counts" in await page.text()


async def test_clearing_forgets_requests_and_counts() -> None:
    async with running() as client:
        await send_ga4(client)
        async with client.delete("/api/received") as answer:
            assert await answer.json() == {"cleared": 1}
        assert await get(client, "/api/received") == {"forgotten": 0, "requests": []}
        assert (await get(client, "/api/summary"))["destinations"]["ga4"]["requests"] == 0


async def test_the_summary_counts_violations_by_rule_and_answers_by_status() -> None:
    async with running() as client:
        await send_ga4(client)
        for _ in range(2):
            async with client.post("/mp/collect", params=GA4_QUERY, json={"events": [{"name": "error"}]}) as answer:
                assert answer.status == 204
        tally = (await get(client, "/api/summary"))["destinations"]["ga4"]
        assert (tally["requests"], tally["events"], tally["answers"]) == (3, 3, {"204": 3})
        assert tally["violations"]["ga4.event_name_reserved"] == 2
        assert tally["violations"]["ga4.consent_missing"] == 2
