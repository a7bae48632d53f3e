"""What is told of a request's events after its answer: decisions worth a record, and how often consent said what."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.intake.admit import Admission
from collector.intake.domains import DomainKeys
from collector.intake.event import read_json
from collector.intake.site import Site
from collector.intake.visit import reference
from collector.running_section import DecisionsSettings
from collector.store.consent_counts import Said
from collector.store.decision_lines import DecisionRecord
from collector.store.decision_log import DecisionLog
from collector.store.decisions import DecisionRecords
from collector.store.keyring import EphemeralKeyRing
from collector.web.consent_tally import MOST_KEYS, ConsentTally
from collector.web.ingest import facts_of
from collector.web.witness import DecisionWitness
from tests.collector.intake.shop import DENIED, GOOGLE_ONLY, GRANTED, NOW_MS, event, site
from tests.collector.web.whole import away, collector

pytestmark = pytest.mark.anyio
REFUSED = {"ga4": "skipped:purpose_not_granted", "meta": "skipped:purpose_not_granted"}


class Notes:
    """A decision log that only takes notes."""

    def __init__(self, *, keeps_permitted: bool = False) -> None:
        self.keeps_permitted = keeps_permitted
        self.taken: list[tuple[Any, ...]] = []

    def note(self, *said: Any) -> None:
        self.taken.append(said)

    @property
    def fates(self) -> dict[str, dict[str, str]]:
        """Event id to what was noted of it."""
        return {event_id: dict(fates) for _, event_id, fates, *_ in self.taken}


def witness(notes: Notes) -> DecisionWitness:
    return DecisionWitness(notes)  # type: ignore[arg-type]  # the two members that it uses


async def test_an_event_that_may_go_everywhere_is_not_worth_a_note() -> None:
    notes = Notes()
    async with collector(witnesses=[witness(notes)]) as shop:
        assert (await shop.result(event(consent=GRANTED)))["outcome"] == "accepted"
    assert notes.taken == []


async def test_what_is_skipped_is_noted_with_its_policy_and_the_moment_of_receipt() -> None:
    notes = Notes()
    async with collector(witnesses=[witness(notes)]) as shop:
        await shop.result(event(event_id="no", consent=DENIED))
        await shop.result(event(event_id="some", consent=GOOGLE_ONLY))
    assert notes.fates == {"no": REFUSED, "some": {"ga4": "queued", "meta": "skipped:recipient_not_covered"}}
    assert {(shop_id, policy_hash, at_ms) for shop_id, _, _, policy_hash, at_ms, _ in notes.taken} == {
        ("shop", site().policy.policy_hash, NOW_MS)
    }


async def test_where_permitted_events_are_kept_each_is_noted_once_with_its_subjects() -> None:
    notes = Notes(keeps_permitted=True)
    async with collector(witnesses=[witness(notes)]) as shop:
        for _ in range(2):
            await shop.result(event(event_id="yes", consent=GRANTED))
        keys = DomainKeys(shop.roots)
    first, again = [(dict(one[2]), one[5]) for one in notes.taken]
    assert first == ({"ga4": "queued", "meta": "queued"}, [reference(keys.subject("shop"), "client", "123.456")])
    assert again[0] == {"ga4": "duplicate", "meta": "duplicate"}, "which the log leaves out"


async def test_what_is_no_decision_is_not_noted() -> None:
    notes, tally = Notes(keeps_permitted=True), ConsentTally()
    async with collector(witnesses=[witness(notes), tally]) as shop:
        assert (await shop.result(event(timestamp="never")))["outcome"] == "invalid"
        assert (await shop.result(event(), user_agent="Googlebot/2.1"))["outcome"] == "filtered"
    assert (notes.taken, tally.take()) == ([], {})


async def test_what_was_not_stored_was_not_decided() -> None:
    notes, tally = Notes(keeps_permitted=True), ConsentTally()
    async with collector(witnesses=[witness(notes), tally], append=away) as shop:
        assert (await shop.post(event(consent=GOOGLE_ONLY))).status == 503
    assert (notes.taken, tally.take()) == ([], {})


async def test_a_witness_is_told_after_the_answer() -> None:
    order: list[str] = []

    def look(_site: Site, admissions: Sequence[Admission], _received_ms: int) -> None:
        order.append(admissions[0].outcome)

    async with collector(witnesses=[look]) as shop:
        desk = shop.app.ingest._desk  # type: ignore[attr-defined]  # a Front
        body, facts = read_json(orjson.dumps(event(consent=DENIED))), facts_of({}, "https://shop.example", NOW_MS)
        desk.begin(body, facts, site(), lambda _: order.append("answered"))
    assert order == ["answered", "refused"]


async def test_a_refusal_ends_up_on_file_under_a_reference(tmp_path: Path) -> None:
    ring = EphemeralKeyRing()
    keys = DomainKeys(ring)
    decisions = DecisionLog(tmp_path, "serve", DecisionsSettings(), keys)
    async with collector(witnesses=[DecisionWitness(decisions)], roots=ring) as shop:
        await shop.result(event(event_id="order-1", consent=DENIED))
    decisions.close()
    await decisions.run()
    order = reference(keys.subject("shop"), "event", "order-1")
    about = (order, NOW_MS // 60_000, "shop")
    assert DecisionRecords(tmp_path).find(order).records == [
        DecisionRecord(*about, name, "skipped", "purpose_not_granted", site().policy.policy_hash) for name in REFUSED
    ]


# ── Counting ──────────────────────────────────────────────────────────────────────────────────────


def summed(taken: dict[Said, int], *fields: str) -> Counter[tuple[str, ...]]:
    total = Counter[tuple[str, ...]]()
    for said, count in taken.items():
        total[tuple(getattr(said, field) for field in fields)] += count
    return total


async def test_each_event_counts_once_for_each_recipient_and_purpose_that_is_asked_for() -> None:
    tally = ConsentTally()
    async with collector(witnesses=[tally]) as shop:
        await shop.result(event(event_id="1", consent=GRANTED | {"region": "BE"}))
        await shop.result(event(event_id="2", consent=GOOGLE_ONLY | {"region": "FR-75"}))
        await shop.result(event(event_id="3", client_id="another.1", consent=None))
        await shop.post({"events": [event(event_id=f"b{number}") for number in range(3)], "consent": DENIED})
    taken = tally.take()
    assert summed(taken, "site", "recipient", "purpose") == {
        ("shop", "google", "analytics_storage"): 6,
        ("shop", "google", "ad_user_data"): 6,
        ("shop", "meta", "ad_storage"): 6,
        ("shop", "meta", "ad_user_data"): 6,
        ("shop", "meta", "ad_personalization"): 6,
    }
    google = {said: count for said, count in taken.items() if said.purpose == "analytics_storage"}
    assert summed(google, "region", "signal", "answer") == {
        ("BE", "site", "granted"): 1,
        ("FR", "site", "granted"): 1,
        ("", "", "choice_unknown"): 1,
        ("", "site", "purpose_not_granted"): 3,
    }
    assert tally.take() == {}


async def test_an_event_that_comes_twice_is_counted_once_and_an_expired_choice_says_so() -> None:
    tally, expired = ConsentTally(), GRANTED | {"decided_at": "2026-05-01T10:00:00Z"}
    async with collector(witnesses=[tally]) as shop:
        for _ in range(2):
            await shop.result(event(event_id="1", consent=GRANTED))
        await shop.result(event(event_id="2", client_id="another.1", consent=expired))
    answers = summed(tally.take(), "recipient", "purpose", "answer")
    assert answers["google", "analytics_storage", "granted"] == 1
    assert answers["google", "analytics_storage", "expired_choice"] == 1


async def test_nothing_a_visitor_sent_stands_in_a_count() -> None:
    tally = ConsentTally()
    said = GRANTED | {"region": "jane@example.com", "choice_id": "20261101.jane", "notice_version": "jane"}
    async with collector(witnesses=[tally]) as shop:
        await shop.result(event(client_id="jane.1", user_id="jane", consent=said))
    taken = tally.take()
    assert taken
    assert "jane" not in str(taken)


async def test_however_many_different_decisions_come_few_are_held_and_all_are_counted() -> None:
    tally = ConsentTally()
    countries = [f"{one}{other}" for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    async with collector(witnesses=[tally]) as shop:
        for consent in (GRANTED, DENIED):
            for start in range(0, len(countries), 100):
                events = [event(event_id=country, consent=consent | {"region": country}) for country in countries]
                await shop.post({"events": events[start : start + 100]})
                assert len(tally._heard) <= MOST_KEYS
    asked = summed(tally.take(), "recipient", "purpose", "answer")
    assert asked["google", "analytics_storage", "granted"] == len(countries)
    assert asked["google", "analytics_storage", "purpose_not_granted"] == len(countries)
