"""What delivery leaves on file: every drop, and at the levels that keep them the records a vendor took or refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collector.intake.domains import DomainKeys
from collector.intake.record import to_bytes
from collector.intake.visit import reference
from collector.running_section import DecisionsSettings
from collector.store.buffer import Dead, Dropped, Entry, Fate, HandedOver, Retry, StoreUnavailable
from collector.store.decision_lines import DecisionRecord
from collector.store.decision_log import DecisionLog
from collector.store.decisions import DecisionRecords
from collector.store.keyring import EphemeralKeyRing
from collector.store.sealing import Cause
from consent.model import NOTHING
from forwarders.contract import Judgement, Skip, Verdict
from forwarders.witness import WitnessedBuffer
from tests.support.delivery import NOW_MS, VISITOR, Bench, PlainDestination, a_record

pytestmark = pytest.mark.anyio
VISITORS = [VISITOR.ljust(16)[:16]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Office:
    """A bench whose buffer has a witness, and the records that this leaves."""

    def __init__(self, folder: Path, bench: Bench | None = None, **settings: Any) -> None:
        self.folder, self.keys, self.bench = folder, DomainKeys(EphemeralKeyRing()), bench or Bench()
        self.decisions = DecisionLog(folder, "deliver", DecisionsSettings(**settings), self.keys)
        self.buffer = WitnessedBuffer(
            self.bench.buffer, self.bench.opener.open, self.decisions, "policy-of-today", lambda: NOW_MS
        )

    async def settle(self, *fates: Fate) -> None:
        """Settle one record with each fate; the first is the event e0."""
        entries = [
            Entry(
                "ga4",
                f"{number}-0".encode(),
                "shop",
                0,
                to_bytes(a_record(event_id=f"e{number}", subjects=VISITORS)),
                NOW_MS,
            )
            for number in range(len(fates))
        ]
        await self.buffer.settle("ga4", list(zip(entries, fates, strict=True)))

    async def on_file(self, event_id: str) -> list[DecisionRecord]:
        """End the log if it has not ended, and look the event up."""
        self.decisions.close()
        await self.decisions.run()
        return DecisionRecords(self.folder).find(self.reference(event_id)).records

    def files(self) -> list[Path]:
        return list(self.folder.glob("*/*"))

    def reference(self, event_id: str) -> bytes:
        return reference(self.keys.subject("shop"), "event", event_id)

    def record(self, event_id: str, outcome: str, reason: str, subjects: list[bytes]) -> DecisionRecord:
        about = (self.reference(event_id), NOW_MS // 60_000, "shop", "ga4")
        return DecisionRecord(*about, outcome, reason, "policy-of-today", tuple(subjects))


async def test_a_drop_is_noted_under_the_policy_of_today_and_without_a_subject(tmp_path: Path) -> None:
    office = Office(tmp_path)
    await office.settle(Dropped("withdrawn"))
    assert await office.on_file("e0") == [office.record("e0", "dropped", "withdrawn", [])]


@pytest.mark.parametrize(
    ("fate", "outcome", "reason"), [(HandedOver(), "handed_over", ""), (Dead("http_400"), "dead", "http_400")]
)
@pytest.mark.parametrize("level", ["refusals", "all"])
async def test_what_was_permitted_is_noted_only_where_it_is_kept(
    tmp_path: Path, level: str, fate: Fate, outcome: str, reason: str
) -> None:
    office = Office(tmp_path, level=level)
    await office.settle(fate)
    noted = [office.record("e0", outcome, reason, VISITORS)]
    assert await office.on_file("e0") == (noted if level == "all" else [])


async def test_a_retry_is_no_end_and_leaves_no_note(tmp_path: Path) -> None:
    office = Office(tmp_path, level="all")
    await office.settle(Retry(NOW_MS), HandedOver())
    assert await office.on_file("e0") == []
    assert len(await office.on_file("e1")) == 1


async def test_what_the_store_has_not_settled_is_not_noted(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.bench.buffer.away = 1
    with pytest.raises(StoreUnavailable):
        await office.settle(Dropped("withdrawn"))
    assert await office.on_file("e0") == []


async def test_what_cannot_be_opened_names_no_event(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.bench.opener.unreadable[b"x"] = Cause.KEY_DESTROYED
    entries = [Entry("ga4", b"1-0", "shop", 0, sealed, NOW_MS) for sealed in (b"x", b"no record")]
    await office.buffer.settle("ga4", [(entry, Dropped("key_destroyed")) for entry in entries])
    assert await office.on_file("e1") == []
    assert office.files() == []
    assert list(office.bench.buffer.fates.values()) == [Dropped("key_destroyed")]


async def test_a_record_of_another_destination_is_nobodys(tmp_path: Path) -> None:
    office = Office(tmp_path, level="all")
    entry = Entry("ga4", b"1-0", "shop", 0, to_bytes(a_record(destination="meta", subjects=VISITORS)), NOW_MS)
    await office.buffer.settle("ga4", [(entry, Dead(Cause.FORGED))])
    assert await office.on_file("e1") == []


@pytest.mark.parametrize(
    ("bench", "outcome", "reason"),
    [
        (Bench(destination=PlainDestination(skip=Skip.NO_CLIENT_ID)), "dropped", "no_client_id"),
        (Bench(destination=PlainDestination(judgement=Judgement(Verdict.HANDED_OVER))), "handed_over", ""),
        (Bench(destination=PlainDestination(judgement=Judgement(Verdict.REFUSED, "100"))), "dead", "100"),
    ],
)
async def test_a_worker_at_work_leaves_the_same_records(
    tmp_path: Path, bench: Bench, outcome: str, reason: str
) -> None:
    office = Office(tmp_path, bench, level="all")
    worker = bench.worker(office.buffer)
    bench.ledger.choices[VISITORS[0]] = bench.ledger.choices[VISITOR]
    working = asyncio.create_task(worker.run())
    bench.buffer.put(a_record(subjects=VISITORS))
    await bench.buffer.settled(1)
    worker.stop()
    await working
    subjects = [] if outcome == "dropped" else VISITORS
    assert await office.on_file("e1") == [office.record("e1", outcome, reason, subjects)]


async def test_a_withdrawal_seen_by_the_recheck_is_on_file(tmp_path: Path) -> None:
    bench = Bench()
    bench.ledger.choose(VISITORS[0], google=NOTHING)
    office = Office(tmp_path, bench)
    worker = bench.worker(office.buffer)
    working = asyncio.create_task(worker.run())
    bench.buffer.put(a_record(subjects=VISITORS))
    await bench.buffer.settled(1)
    worker.stop()
    await working
    assert await office.on_file("e1") == [office.record("e1", "dropped", "withdrawn", [])]
    assert bench.transport.sent == []
