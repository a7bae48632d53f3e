"""503 with Retry-After for what must be stored, and an answer without the store for what must not."""

from typing import Any

import pytest

from tests.collector.intake.shop import CONFIG, DENIED, event
from tests.collector.web.whole import AwayLedger, NoRoots, away, collector

pytestmark = pytest.mark.anyio
REFUSED = ({"name": "page_view", "consent": DENIED}, {"name": "page_view"}, {"name": ""})


async def test_an_event_that_must_be_stored_is_503() -> None:
    async with collector(append=away) as shop:
        answer = await shop.post(event())
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert not shop.door


@pytest.mark.parametrize("said", REFUSED)
async def test_a_plain_refusal_needs_no_store(said: dict[str, Any]) -> None:
    async with collector(append=away, ledger=AwayLedger()) as shop:
        assert (await shop.result(said))["outcome"] in ("refused", "invalid")


async def test_a_refusal_that_lowers_somebodys_choice_is_503() -> None:
    async with collector(append=away) as shop:
        answer = await shop.post({"name": "page_view", "client_id": "1.2", "consent": DENIED})
        assert (answer.status, answer.code) == (503, "store_unavailable")


async def test_a_question_the_ledger_cannot_answer_is_503() -> None:
    async with collector(ledger=AwayLedger()) as shop:
        answer = await shop.post({"name": "page_view", "client_id": "1.2"})
        assert (answer.status, answer.code) == (503, "store_unavailable")


async def test_a_full_queue_is_503() -> None:
    async with collector(CONFIG + "\n[store]\nqueue_events = 2\n") as shop:
        answer = await shop.post({"events": [event(event_id=name) for name in "abc"]})
        assert (answer.status, answer.code) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        assert (await shop.result(event()))["outcome"] == "accepted"


@pytest.mark.parametrize("missing", ["subject", "day-", "quarter-", ""])
async def test_a_missing_key_is_503(missing: str) -> None:
    async with collector(roots=NoRoots(missing)) as shop:
        answer = await shop.post(event())
        assert (answer.status, answer.code) == (503, "keys_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_fault_of_ours_is_503_and_nothing_counts_as_accepted() -> None:
    async def broken(_items: Any) -> list[tuple[bool, ...]]:
        raise ZeroDivisionError

    async with collector(append=broken) as shop:
        assert (await shop.post(event())).status == 503
        assert not shop.door
