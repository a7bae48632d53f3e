"""`/healthz` and `/readyz`: alive is not ready."""

from collections.abc import Awaitable, Callable

import pytest
from starlette.applications import Starlette

from collector.web.health import Health
from tests.collector.web.asgi import Answer, get


def answers(word: str | None) -> Callable[[], Awaitable[str | None]]:
    async def check() -> str | None:
        return word

    return check


def asked(target: str, **checks: str | None) -> Answer:
    health = Health({name: answers(word) for name, word in checks.items()})
    return get(Starlette(routes=[*health.routes()]), target)


def test_it_is_ready_when_every_check_passes() -> None:
    answer = asked("/readyz", store=None, keys=None)
    assert (answer.status, answer.json) == (200, {"status": "ready", "checks": {"store": "ok", "keys": "ok"}})


@pytest.mark.parametrize("failing", ["store", "keys"])
def test_one_failing_check_is_503_and_says_which(failing: str) -> None:
    answer = asked("/readyz", **{"store": None, "keys": None, failing: "away"})
    assert answer.status == 503
    assert answer.json["status"] == "not_ready"
    assert answer.json["checks"] == {"store": "ok", "keys": "ok", failing: "away"}
    assert int(answer.headers["retry-after"]) > 0


def test_it_is_alive_whatever_the_store_does() -> None:
    answer = asked("/healthz", store="away")
    assert (answer.status, answer.json) == (200, {"status": "alive"})
