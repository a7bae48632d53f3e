from __future__ import annotations

import pytest

from tests.forwarders.sandbox.live_sandbox import GA4_QUERY, SECRET, running, send_ga4

pytestmark = pytest.mark.anyio


async def test_the_page_tells_what_to_do_next_when_nothing_came() -> None:
    async with running() as client, client.get("/?destination=ga4") as page:
        text = await page.text()
        assert "Nothing here yet" in text
        assert f"{str(page.url).split('/?', maxsplit=1)[0]}/mp/collect" in text
        assert "demo shop" in text


async def test_the_page_shows_the_newest_first_with_sentences_badges_and_no_markup_of_the_sender() -> None:
    async with running() as client:
        await send_ga4(client, "purchase")
        body = {"events": [{"name": "<script>alert(1)</script>"}]}
        async with client.post("/mp/collect", params=GA4_QUERY, json=body) as answer:
            assert answer.status == 204
        async with client.get("/") as page:
            text = await page.text()
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        assert text.index("&lt;script&gt;") < text.index("transaction_id")
        assert "The consent block must be explicit" in text
        assert "ga4.consent_missing" in text
        assert "no violations" in text
        assert SECRET not in text


async def test_the_page_loads_nothing_but_its_own_style_and_its_refresh_can_be_paused() -> None:
    async with running() as client:
        async with client.get("/") as page:
            text, policy = await page.text(), page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'")
        assert "script-src" not in policy
        assert '<meta http-equiv="refresh"' in text
        assert "style=" not in text
        assert "<script" not in text
        async with client.get("/?paused=1") as page:
            assert '<meta http-equiv="refresh"' not in await page.text()
        for name, kind in (("inspector.css", "text/css"), ("icon.svg", "image/svg+xml")):
            async with client.get(f"/static/{name}") as asset:
                assert (asset.status, asset.content_type) == (200, kind)
        async with client.get("/static/app.py") as asset:
            assert asset.status == 404


async def test_older_requests_are_a_page_away() -> None:
    async with running() as client:
        for _ in range(21):
            await send_ga4(client)
        async with client.get("/") as page:
            assert "Older" in await page.text()
        async with client.get("/?page=2&paused=1") as page:
            text = await page.text()
        assert "Newer" in text
        assert text.count('<article class="request') == 1


async def test_a_foreign_page_cannot_read_it_under_a_name_of_its_own() -> None:
    async with running() as client:
        for host, status in (("localhost", 200), ("[::1]:8082", 200), ("evil.example", 400)):
            for address in ("/", "/api/received"):
                async with client.get(address, headers={"host": host}) as page:
                    assert page.status == status, (host, address)
