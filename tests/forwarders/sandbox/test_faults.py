from __future__ import annotations

import time
from typing import Any

import aiohttp
import pytest

from tests.forwarders.sandbox.live_sandbox import (
    BEARER,
    META_PATH,
    get,
    post_status,
    running,
    script,
    send_ga4,
    send_meta,
)

pytestmark = pytest.mark.anyio


async def test_a_scripted_status_is_given_so_often_and_to_that_destination_only() -> None:
    async with running() as client:
        await script(client, destination="meta", times=2, status=503, body={"error": 1}, headers={"Retry-After": "7"})
        assert await send_ga4(client) == 204
        async with client.post(META_PATH, headers=BEARER, json={"data": []}) as answer:
            assert answer.status == 503
            assert answer.headers["retry-after"] == "7"
            assert await answer.json() == {"error": 1}
        assert (await get(client, "/api/faults"))["faults"][0]["times"] == 1
        assert (await send_meta(client))[0] == 503
        assert (await get(client, "/api/faults")) == {"faults": []}
        assert (await send_meta(client))[0] == 200
        tally = (await get(client, "/api/summary"))["destinations"]["meta"]
        assert tally["answers"] == {"503": 2, "200": 1}
        assert (tally["requests"], tally["accepted_events"]) == (3, 1)


async def test_a_scripted_close_ends_the_connection_without_an_answer_and_the_request_is_recorded() -> None:
    async with running() as client:
        await script(client, destination="ga4", close=True)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await send_ga4(client)
        assert await send_ga4(client) == 204
        assert (await get(client, "/api/summary"))["destinations"]["ga4"]["answers"] == {"closed": 1, "204": 1}
        assert len((await get(client, "/api/received"))["requests"]) == 2


async def test_a_scripted_delay_comes_before_the_vendors_own_answer() -> None:
    async with running() as client:
        await script(client, destination="ga4", delay_ms=150)
        started = time.monotonic()
        assert await send_ga4(client) == 204
        assert time.monotonic() - started >= 0.15


async def test_a_scripted_body_alone_is_an_answer_with_status_200() -> None:
    async with running() as client:
        await script(client, destination="ga4", body="<html>maintenance</html>")
        async with client.post("/mp/collect", json={}) as answer:
            assert answer.status == 200
            assert await answer.text() == "<html>maintenance</html>"


async def test_faults_follow_each_other_and_can_be_cleared() -> None:
    async with running() as client:
        await script(client, destination="ga4", status=500)
        await script(client, destination="ga4", times=5, status=429)
        assert [await post_status(client) for _ in range(2)] == [500, 429]
        async with client.get("/") as page:
            assert "Scripted faults are waiting" in await page.text()
        async with client.delete("/api/faults") as answer:
            assert await answer.json() == {"cleared": 1}
        assert await post_status(client) == 204


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"status": 503}, "destination"),
        ({"destination": "tiktok", "status": 503}, "destination"),
        ({"destination": ["ga4"], "status": 503}, "destination"),
        ({"destination": "ga4", "status": 99}, "status"),
        ({"destination": "ga4", "status": "503"}, "status"),
        ({"destination": "ga4", "status": 503, "times": 0}, "times"),
        ({"destination": "ga4", "status": 503, "times": True}, "times"),
        ({"destination": "ga4", "delay_ms": -1}, "delay_ms"),
        ({"destination": "ga4", "close": "yes"}, "close"),
        ({"destination": "ga4", "close": True, "status": 500}, "close"),
        ({"destination": "ga4", "status": 503, "headers": {"Content-Length": "1"}}, "headers"),
        ({"destination": "ga4", "status": 503, "headers": {"x": "a\r\nb"}}, "headers"),
        ({"destination": "ga4", "status": 503, "headers": None}, "headers"),
        ({"destination": "ga4", "status": 204, "body": "x"}, "body"),
        ({"destination": "ga4", "status": 503, "body": None}, "body"),
        ({"destination": "ga4", "satus": 503}, "satus"),
        ({"destination": "ga4"}, "status"),
        ([], "JSON object"),
    ],
    ids=str,
)
async def test_a_fault_that_cannot_be_scripted_is_refused_with_a_sentence_that_names_the_field(
    fault: Any, named: str
) -> None:
    async with running() as client:
        async with client.post("/api/faults", json=fault) as answer:
            assert answer.status == 400
            sentence = (await answer.json())["error"]["message"]
        assert named in sentence
        assert sentence.endswith(".")
        assert await get(client, "/api/faults") == {"faults": []}
