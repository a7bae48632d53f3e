"""A running sandbox for tests, and a client that speaks to it as a forwarder would."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import uvicorn

from forwarders.sandbox.app import create_app
from tests.forwarders.sandbox.fixture_cases import NOW_MS, clean_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "a-secret-of-the-stream"
TOKEN = "EAABexampletoken"
GA4_QUERY = {"measurement_id": "G-TEST12345", "api_secret": SECRET}
META_PATH = "/v26.0/1234567890123456/events"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@contextlib.asynccontextmanager
async def running(**options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A sandbox on a free port, and a client whose addresses are relative to it."""
    app = create_app(**{"now_ms": lambda: NOW_MS, **options})
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with aiohttp.ClientSession(base) as client:
            yield client
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def send_ga4(client: aiohttp.ClientSession, name: str = "page_view") -> int:
    body = clean_request("ga4", name)["body"]
    async with client.post("/mp/collect", params=GA4_QUERY, json=body) as answer:
        assert await answer.read() == b""
        return answer.status


async def send_meta(client: aiohttp.ClientSession, body: Any = None) -> tuple[int, Any]:
    body = body or clean_request("meta", "page_view")["body"]
    async with client.post(META_PATH, headers=BEARER, json=body) as answer:
        return answer.status, await answer.json()


async def get(client: aiohttp.ClientSession, address: str) -> Any:
    async with client.get(address) as answer:
        assert answer.status == 200
        return await answer.json()


async def script(client: aiohttp.ClientSession, **fault: Any) -> None:
    async with client.post("/api/faults", json=fault) as answer:
        assert answer.status == 201, await answer.text()


async def post_status(client: aiohttp.ClientSession) -> int:
    async with client.post("/mp/collect", json={}) as answer:
        return answer.status
