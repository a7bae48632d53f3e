"""Which pages may read the answers: CORS on every answer, and preflights that browsers may keep."""

from typing import Any

import pytest

from tests.collector.intake.shop import GRANTED, event
from tests.collector.web.whole import away, collector

pytestmark = pytest.mark.anyio
ALLOWED = "access-control-allow-origin"


@pytest.mark.parametrize("path", ["/v1/events", "/v1/consent", "/v1/consent/abc", "/v1/pixel.gif"])
@pytest.mark.parametrize("origin", ["https://shop.example", "https://www.shop.example"])
async def test_a_preflight_names_the_asking_origin_and_may_be_kept_for_two_hours(path: str, origin: str) -> None:
    async with collector() as shop:
        headers = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}
        answer = await shop.ask("OPTIONS", path, origin=origin, **headers)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers[ALLOWED] == origin
        assert answer.headers["access-control-max-age"] == "7200"
        assert {"GET", "POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
        assert "content-type" in answer.headers["access-control-allow-headers"]
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_preflight_of_a_foreign_page_is_refused_and_allows_nothing(origin: str) -> None:
    async with collector() as shop:
        answer = await shop.ask("OPTIONS", "/v1/events", origin=origin)
        assert (answer.status, answer.code) == (403, "origin_not_allowed")
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/v1/events", event(), 202),
        ("POST", "/v1/events", b"{", 400),
        ("POST", "/v1/events", b" " * 300_000, 413),
        ("POST", "/v1/events", {"site": "shop"}, 403),
        ("POST", "/v1/consent", {"client_id": "1.2", **GRANTED}, 201),
        ("POST", "/v1/consent", b"{", 400),
        ("POST", "/v1/consent", b" " * 300_000, 413),
        ("DELETE", "/v1/consent", {"client_id": "1.2"}, 200),
        ("GET", "/v1/consent/unknown", b"", 404),
        ("GET", "/v1/pixel.gif?name=page_view", b"", 200),
        ("GET", "/v1/pixel.gif?user_id=1", b"", 400),
    ],
)
async def test_every_answer_may_be_read_by_the_page_that_asked_errors_included(
    method: str, target: str, body: Any, status: int
) -> None:
    async with collector() as shop:
        answer = await shop.ask(method, target, body)
        assert answer.status == status
        assert answer.headers[ALLOWED] == "https://shop.example"
        assert answer.headers["vary"] == "Origin"
        assert answer.headers["cache-control"] == "no-store"


async def test_an_answer_while_the_store_is_away_may_be_read_too() -> None:
    async with collector(append=away) as shop:
        answer = await shop.post(event())
        assert (answer.status, answer.headers[ALLOWED]) == (503, "https://shop.example")


@pytest.mark.parametrize("host", ["collect.shop.example", "shop.example", "Shop.Example"])
async def test_without_an_origin_the_host_says_the_site_and_nothing_is_allowed_across(host: str) -> None:
    async with collector() as shop:
        answer = await shop.post(event(), origin=None, host=host)
        assert answer.status == 202
        assert ALLOWED not in answer.headers


async def test_a_foreign_origin_is_refused_on_every_public_route_even_with_the_right_host() -> None:
    async with collector() as shop:
        for method, target in (
            ("POST", "/v1/events"),
            ("POST", "/v1/consent"),
            ("DELETE", "/v1/consent"),
            ("GET", "/v1/consent/abc"),
            ("GET", "/v1/pixel.gif?name=page_view"),
        ):
            answer = await shop.ask(method, target, event(), origin="https://evil.example")
            assert (answer.status, answer.code) == (403, "origin_not_allowed"), target
            assert ALLOWED not in answer.headers
        assert not shop.door
