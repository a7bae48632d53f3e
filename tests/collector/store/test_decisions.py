"""Decision records: what is written at which level, found again, forgotten, ended, and never in the way."""

import asyncio
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from collector.intake.domains import DomainKeys
from collector.intake.visit import reference
from collector.running_section import DecisionsSettings
from collector.store.decision_lines import Combination, DecisionRecord, Reader, TornLine, Writer, text_of
from collector.store.decision_log import MOST_WAITING, DecisionLog, is_sampled
from collector.store.decision_segment import locked
from collector.store.decisions import DecisionRecords, Found
from collector.store.keyring import EphemeralKeyRing
from tests.collector.web.whole import NoRoots

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
MINUTE = NOON_MS // 60_000
JANE, JOHN = b"J" * 16, b"j" * 16
NO = {"meta": "skipped:gpc"}
YES = {"ga4": "queued"}
MIXED = NO | YES


class Clock:
    """The wall clock, moved by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now.timestamp()


class Desk:
    """A folder, its keys and its clock, and the processes that write there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "decisions"
        self.keys = DomainKeys(EphemeralKeyRing())
        self.clock = Clock()
        self.records = DecisionRecords(self.folder)

    def log(self, process: str = "serve", most_waiting: int = MOST_WAITING, **settings: Any) -> DecisionLog:
        return DecisionLog(self.folder, process, DecisionsSettings(**settings), self.keys, self.clock, most_waiting)

    async def write(
        self, *notes: tuple[str, dict[str, str], list[bytes]], process: str = "serve", **level: Any
    ) -> None:
        """One process, from its start to its end."""
        log = self.log(process, **level)
        for event_id, fates, subjects in notes:
            log.note("shop", event_id, fates, "p1", NOON_MS, subjects)
        await ended(log)

    def reference(self, event_id: str) -> bytes:
        return reference(self.keys.subject("shop"), "event", event_id)

    def find(self, event_id: str) -> Found:
        return self.records.find(self.reference(event_id))

    def fates(self, event_id: str) -> dict[str, str]:
        """Destination to outcome and reason."""
        return {one.destination: f"{one.outcome}:{one.reason}".rstrip(":") for one in self.find(event_id).records}

    def files(self) -> list[str]:
        return sorted(str(file.relative_to(self.folder)) for file in self.folder.glob("*/*"))

    def file(self, name: str = "serve/refused-2026112112") -> Path:
        return self.folder / name


async def ended(log: DecisionLog) -> None:
    """Write what waits, and end as a process does that is told to."""
    running = asyncio.create_task(log.run())
    log.close()
    await running


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with capture_logs() as entries:
        yield entries


# ── What is written ───────────────────────────────────────────────────────────────────────────────


async def test_a_refusal_is_found_by_its_event_with_everything_that_was_decided(desk: Desk) -> None:
    await desk.write(("order-1", {"ga4": "skipped:purpose_not_granted", "meta": "skipped:gpc"}, [JANE]))
    found = desk.find("order-1")
    about = (desk.reference("order-1"), MINUTE, "shop")
    assert found.records == [
        DecisionRecord(*about, "ga4", "skipped", "purpose_not_granted", "p1"),
        DecisionRecord(*about, "meta", "skipped", "gpc", "p1"),
    ]
    assert (found.lost, found.torn) == (0, 0)
    assert desk.find("order-2").records == []


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ({"level": "refusals"}, {"meta": "skipped:gpc", "late": "dropped:withdrawn"}),
        ({"level": "sample", "sample_per_mille": 1000}, "everything"),
        ({"level": "all"}, "everything"),
    ],
)
async def test_a_level_says_whether_what_is_permitted_is_kept_too(desk: Desk, level: Any, kept: Any) -> None:
    fates = MIXED | {"late": "dropped:withdrawn", "sent": "handed_over", "gone": "dead:http_400"}
    await desk.write(("order-1", fates | {"again": "duplicate"}, [JANE]), **level)
    assert desk.fates("order-1") == (fates if kept == "everything" else kept)


async def test_a_subject_stands_only_where_something_was_permitted(desk: Desk) -> None:
    await desk.write(("order-1", MIXED, [JANE, JOHN]), level="all")
    assert desk.files() == ["serve/kept-2026112112", "serve/refused-2026112112"]
    assert {one.outcome: one.subjects for one in desk.find("order-1").records} == {
        "queued": (JANE, JOHN),
        "skipped": (),
    }
    assert text_of(JANE) in desk.file("serve/kept-2026112112").read_bytes()
    assert text_of(JANE) not in desk.file().read_bytes()


async def test_a_sample_is_the_same_at_the_door_and_at_delivery(desk: Desk) -> None:
    names = [f"order-{number}" for number in range(400)]
    half = {"level": "sample", "sample_per_mille": 500}
    await desk.write(*((name, YES, [JANE]) for name in names), **half)
    await desk.write(*((name, {"ga4": "handed_over"}, [JANE]) for name in names), process="deliver", **half)
    sampled = [name for name in names if is_sampled(desk.reference(name), 500)]
    assert 100 < len(sampled) < 300
    for name in names:
        outcomes = {one.outcome for one in desk.find(name).records}
        assert outcomes == ({"queued", "handed_over"} if name in sampled else set())


async def test_no_event_id_is_written_and_nobody_else_may_read_the_files(desk: Desk) -> None:
    await desk.write(("order-of-jane@example.com", MIXED, [JANE]), level="all")
    for file in desk.folder.glob("*/*"):
        assert b"order-of" not in file.read_bytes()
        assert b"example" not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((desk.folder / "serve").stat().st_mode) == 0o700


async def test_each_hour_has_its_file(desk: Desk) -> None:
    log = desk.log()
    for hours in (0, 1):
        desk.clock.now = NOON + timedelta(hours=hours)
        log.note("shop", f"order-{hours}", NO, "p1", NOON_MS + hours * 3_600_000)
        await log._flush()
    await ended(log)
    assert desk.files() == ["serve/refused-2026112112", "serve/refused-2026112113"]
    assert [one.minute for name in ("order-0", "order-1") for one in desk.find(name).records] == [MINUTE, MINUTE + 60]


async def test_two_processes_of_one_name_never_write_one_file(desk: Desk) -> None:
    first, second = desk.log(), desk.log()
    for number, log in enumerate((first, second)):
        log.note("shop", f"order-{number}", NO, "p1", NOON_MS)
        await log._flush()
    assert desk.files() == ["serve-2/refused-2026112112", "serve/refused-2026112112"]
    await ended(first)
    await ended(second)
    await desk.write(("order-2", NO, []))
    assert len(desk.files()) == 2, "the first directory is free again"
    assert [desk.fates(f"order-{number}") for number in range(3)] == [NO] * 3


def test_more_combinations_than_one_table_holds_are_all_found() -> None:
    lines, reader = Writer(most_named=2), Reader()
    combinations = [Combination("shop", f"p{number}", (("ga4", "queued"),)) for number in (0, 1, 2, 0)]
    text = b"".join(lines.row(JANE, 1, one) for one in combinations)
    assert text.count(b"# ") == 2
    rows = [row for line in text.splitlines(keepends=True) if (row := reader.row(line))]
    assert [row.combination for row in rows] == combinations


# ── What is lost, and says so ─────────────────────────────────────────────────────────────────────


async def test_a_torn_last_line_is_skipped_and_counted(desk: Desk) -> None:
    await desk.write(("order-1", NO, []), ("order-2", NO, []))
    desk.file().write_bytes(desk.file().read_bytes()[:-5])
    assert (desk.fates("order-1"), desk.find("order-1").torn) == (NO, 1)
    assert (desk.fates("order-2"), desk.find("order-2").torn) == ({}, 1)
    assert desk.find("order-of-another-file").torn == 1


async def test_the_next_process_cuts_a_torn_line_off_and_writes_on(desk: Desk) -> None:
    await desk.write(("order-1", NO, []), ("order-2", NO, []))
    desk.file().write_bytes(desk.file().read_bytes()[:-5])
    await desk.write(("order-3", MIXED, []))
    assert [desk.fates(f"order-{number}") for number in (1, 2, 3)] == [NO, {}, NO]
    found = desk.find("order-1")
    assert (found.lost, found.torn) == (1, 0)


async def test_a_line_that_was_changed_is_skipped_and_counted(desk: Desk) -> None:
    await desk.write(*((f"order-{number}", NO, []) for number in range(3)))
    lines = desk.file().read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2].replace(b" 0 ", b" 7 ")
    desk.file().write_bytes(b"".join(lines))
    assert [desk.fates(f"order-{number}") for number in range(3)] == [NO, {}, NO]
    assert desk.find("order-0").torn == 1


@given(st.lists(st.binary(max_size=60)))
def test_no_bytes_break_a_reader(lines: list[bytes]) -> None:
    reader = Reader()
    for line in lines:
        with pytest.raises(TornLine):
            reader.row(line + b"\n")


async def test_a_full_list_drops_the_newest_and_the_file_says_how_many(desk: Desk, logs: list[Any]) -> None:
    await desk.write(*((f"order-{number}", NO, []) for number in range(5)), most_waiting=2)
    assert [bool(desk.fates(f"order-{number}")) for number in range(5)] == [True, True, False, False, False]
    assert desk.find("order-0").lost == 3
    assert [(one["event"], one["why"], one["count"]) for one in logs] == [("decision_records_lost", "dropped", 3)]


async def test_without_a_folder_nothing_fails_and_what_was_lost_is_written_later(desk: Desk, logs: list[Any]) -> None:
    desk.folder.write_text("in the way")
    log = desk.log()
    for _ in range(3):
        log.note("shop", "order-1", NO, "p1", NOON_MS)
        await log._flush()
    assert [(one["event"], one["why"]) for one in logs] == [("decision_records_lost", "NotADirectoryError")]
    desk.folder.unlink()
    log.note("shop", "order-2", NO, "p1", NOON_MS)
    await ended(log)
    assert (desk.fates("order-2"), desk.find("order-2").lost) == (NO, 3)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
async def test_a_full_disk_loses_records_and_nothing_else(desk: Desk, logs: list[Any]) -> None:
    log = desk.log()
    desk.file().parent.mkdir(parents=True)
    desk.file().symlink_to("/dev/full")
    for name in ("order-1", "order-2"):
        log.note("shop", name, NO, "p1", NOON_MS)
        await log._flush()
    desk.file().unlink()
    log.note("shop", "order-3", NO, "p1", NOON_MS)
    await log._flush()
    assert (desk.fates("order-1"), desk.fates("order-3"), desk.find("order-3").lost) == ({}, NO, 2)
    log.note("shop", "order-4", NO, "p1", NOON_MS)
    await ended(log)
    assert [one["event"] for one in logs] == ["decision_records_lost", "decision_records_written_again"]


async def test_while_a_file_is_written_again_only_its_writer_waits(desk: Desk) -> None:
    await desk.write(("order-1", NO, []))
    rewriting = locked(desk.file(), os.O_RDONLY)
    log = desk.log()
    log.note("shop", "order-2", NO, "p1", NOON_MS)
    writing = asyncio.create_task(log._flush())
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not writing.done()
    os.close(rewriting)
    async with asyncio.timeout(5):
        await writing
    await ended(log)
    assert desk.fates("order-2") == NO


async def test_without_the_key_of_references_nothing_is_written_and_it_is_counted(desk: Desk) -> None:
    keyless = DecisionLog(desk.folder, "serve", DecisionsSettings(), DomainKeys(NoRoots()), desk.clock)
    keyless.note("shop", "order-1", NO, "p1", NOON_MS)
    await ended(keyless)
    assert (desk.fates("order-1"), desk.find("order-1").lost) == ({}, 1)


async def test_the_loop_has_its_turn_while_many_records_are_made(desk: Desk) -> None:
    log = desk.log()
    for number in range(2000):
        log.note("shop", f"order-{number}", NO, "p1", NOON_MS)
    writing, seen = asyncio.create_task(ended(log)), set[int]()
    while not writing.done():
        await asyncio.sleep(0)
        seen |= {len(one._waiting) for one in log._segments.values()}
    assert len(seen) >= 10, "none was in line, then all at once"
    assert desk.fates("order-1999") == NO


# ── Export, erasure, end ──────────────────────────────────────────────────────────────────────────


async def some_visitors(desk: Desk, log: DecisionLog) -> None:
    """Jane was permitted once, and once for one of two; John likewise; nobody knows whose the last refusal is."""
    log.note("shop", "jane-1", YES, "p1", NOON_MS, [JANE])
    log.note("shop", "jane-2", MIXED, "p1", NOON_MS, [b"x" * 16, JANE])
    log.note("shop", "john-1", MIXED, "p1", NOON_MS, [JOHN])
    log.note("shop", "whose", NO, "p1", NOON_MS, [JANE])
    await log._flush()


def told(desk: Desk) -> dict[str, dict[str, str]]:
    return {name: desk.fates(name) for name in ("jane-1", "jane-2", "john-1", "whose")}


async def test_an_export_has_what_was_permitted_to_a_visitor_and_what_else_befell_those_events(desk: Desk) -> None:
    log = desk.log(level="all")
    await some_visitors(desk, log)
    await ended(log)
    theirs = list(desk.records.of_subjects([JANE]))
    assert sorted((one.outcome, one.event) for one in theirs) == sorted(
        [
            ("queued", desk.reference("jane-1")),
            ("queued", desk.reference("jane-2")),
            ("skipped", desk.reference("jane-2")),
        ]
    )
    by_event = list(desk.records.of_subjects([desk.reference("whose")]))
    assert [(one.outcome, one.reason) for one in by_event] == [("skipped", "gpc")]


async def test_what_is_forgotten_is_gone_and_its_writer_writes_on(desk: Desk) -> None:
    log = desk.log(level="all")
    await some_visitors(desk, log)
    assert desk.records.forget([JANE]) == 3
    assert told(desk) == {"jane-1": {}, "jane-2": {}, "john-1": MIXED, "whose": NO}
    assert list(desk.records.of_subjects([JANE])) == []
    assert desk.records.forget([JANE]) == 0
    log.note("shop", "jane-1", MIXED, "p1", NOON_MS, [JOHN])
    await ended(log)
    assert told(desk) == {"jane-1": MIXED, "jane-2": {}, "john-1": MIXED, "whose": NO}
    assert desk.files() == ["serve/kept-2026112112", "serve/refused-2026112112"]
    kept = b"".join(desk.file(f"serve/{kind}-2026112112").read_bytes() for kind in ("kept", "refused"))
    assert text_of(JANE) not in kept
    assert {stat.S_IMODE(desk.file(name).stat().st_mode) for name in desk.files()} == {0o600}


async def test_a_file_without_the_forgotten_is_not_written_again(desk: Desk) -> None:
    await desk.write(("john-1", MIXED, [JOHN]), level="all")
    before = [desk.file(name).stat().st_ino for name in desk.files()]
    assert desk.records.forget([JANE]) == 0
    assert [desk.file(name).stat().st_ino for name in desk.files()] == before


@pytest.mark.parametrize(
    ("age", "left"),
    [
        (timedelta(days=29, hours=23), {"kept", "refused"}),
        (timedelta(days=30), {"kept"}),
        (timedelta(days=89, hours=23), {"kept"}),
        (timedelta(days=90), set()),
    ],
)
async def test_each_class_ends_after_its_own_days(desk: Desk, age: timedelta, left: set[str]) -> None:
    await desk.write(("order-1", MIXED, [JANE]), level="all")
    assert desk.records.end(NOON + age, 30, 90) == 2 - len(left)
    assert {name.partition("/")[2].partition("-")[0] for name in desk.files()} == left


async def test_what_a_crash_left_of_a_rewrite_ends_too_and_one_under_way_does_not(desk: Desk) -> None:
    await desk.write(("order-1", NO, []))
    draft = desk.file("serve/.draft-refused-2026112111")
    draft.write_bytes(b"half")
    os.utime(draft, (NOON.timestamp(), NOON.timestamp()))
    assert desk.records.end(NOON + timedelta(minutes=59), 30, 90) == 0
    assert desk.records.end(NOON + timedelta(minutes=60), 30, 90) == 1
    assert desk.files() == ["serve/refused-2026112112"]


def test_where_nothing_was_ever_written_nothing_is_found_and_nothing_ends(desk: Desk) -> None:
    assert desk.find("order-1") == Found()
    assert list(desk.records.of_subjects([JANE])) == []
    assert (desk.records.forget([JANE]), desk.records.end(NOON, 30, 90)) == (0, 0)
