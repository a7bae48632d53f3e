"""`consent_source = "recorded"`: event fields only restrict; the ledger is asked in a second pass."""

import pytest

from tests.collector.intake.shop import DENIED, GRANTED, event
from tests.collector.web.whole import collector

pytestmark = pytest.mark.anyio
BLOG = {"origin": "https://blog.example"}
SAID = {"name": "page_view", "event_id": "e1", "client_id": "1.2"}


async def test_an_event_cannot_grant_itself() -> None:
    async with collector() as shop:
        result = await shop.result(event(), **BLOG)
        assert (result["outcome"], result["reason"]) == ("refused", "record_required")


async def test_a_recorded_choice_grants_what_it_grants() -> None:
    async with collector() as shop:
        act = {"client_id": "1.2", **GRANTED, "recipients": {"google": {}}}
        assert (await shop.post(act, "/v1/consent", **BLOG)).status == 201
        result = await shop.result(SAID, **BLOG)
        assert result["destinations"] == {"ga4": "queued", "meta": "skipped:purpose_not_granted"}
        assert result["event_id"] == "e1"


async def test_an_event_that_restricts_lowers_the_recorded_choice() -> None:
    async with collector() as shop:
        assert (await shop.post({"client_id": "1.2", **GRANTED}, "/v1/consent", **BLOG)).status == 201
        less = {**SAID, "event_id": "e2", "consent": DENIED}
        assert (await shop.result(less, **BLOG))["outcome"] == "refused"
        assert (await shop.result(SAID, **BLOG))["outcome"] == "refused"


async def test_a_choice_of_one_visitor_says_nothing_of_another() -> None:
    async with collector() as shop:
        await shop.post({"client_id": "1.2", **GRANTED}, "/v1/consent", **BLOG)
        body = {"events": [SAID, {**SAID, "client_id": "3.4"}, {"name": "page_view"}]}
        rows = (await shop.post(body, **BLOG)).json["results"]
        assert [row["outcome"] for row in rows] == ["accepted", "refused", "refused"]
        assert [row["reason"] for row in rows[1:]] == ["choice_unknown", "choice_unknown"]


async def test_an_expired_choice_must_be_asked_again() -> None:
    async with collector() as shop:
        await shop.post({"client_id": "1.2", **GRANTED}, "/v1/consent", **BLOG)
        shop.now_ms += 184 * 86_400_000
        assert (await shop.result(SAID, **BLOG))["reason"] == "expired_choice"


async def test_every_identifier_of_an_event_must_agree() -> None:
    async with collector() as shop:
        await shop.post({"client_id": "1.2", **GRANTED}, "/v1/consent", **BLOG)
        await shop.ask("DELETE", "/v1/consent", {"user_id": "crm-1"}, **BLOG)
        result = await shop.result({**SAID, "user_id": "crm-1"}, **BLOG)
        assert result["outcome"] == "refused"


async def test_in_page_mode_an_event_that_says_nothing_asks_the_ledger() -> None:
    async with collector() as shop:
        await shop.post({"client_id": "1.2", **GRANTED}, "/v1/consent")
        assert (await shop.result(SAID))["outcome"] == "accepted"
