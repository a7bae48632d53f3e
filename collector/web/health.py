"""`/healthz` (the process answers) and `/readyz` (it can keep promise 4 now)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.intake.domains import Roots

Check = Callable[[], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Health:
    """Named checks; each answers None when all is well, else a short word."""

    checks: dict[str, Check]

    def routes(self) -> list[Route]:
        """Routes for the application."""
        return [Route("/healthz", self.alive), Route("/readyz", self.ready)]

    async def alive(self, _request: Request) -> Response:
        """200 as long as the event loop turns."""
        return Response(orjson.dumps({"status": "alive"}), media_type="application/json")

    async def ready(self, _request: Request) -> Response:
        """200 if every check passes, else 503 with the checks that do not."""
        found = {name: await check() for name, check in self.checks.items()}
        ok = not any(found.values())
        answer = {"status": "ready" if ok else "not_ready", "checks": {k: v or "ok" for k, v in found.items()}}
        headers = {"cache-control": "no-store"} if ok else {"cache-control": "no-store", "retry-after": "2"}
        return Response(orjson.dumps(answer), 200 if ok else 503, headers, "application/json")


def pings(ping: Callable[[], Awaitable[object]]) -> Check:
    """Whether the store answers within a second."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(1):
                await ping()
        except Exception:  # noqa: BLE001 -- whatever it is, the store does not answer
            return "store_unavailable"
        return None

    return check


def has_today(roots: Roots) -> Check:
    """Whether today's key is there: without it nothing is sealed."""

    async def check() -> str | None:
        today = time.strftime("day-%Y%m%d", time.gmtime())
        return None if roots.root(today) is not None else "day_key_missing"

    return check
