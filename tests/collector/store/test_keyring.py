"""The key ring: who may read it, what is made when, what is destroyed when, and that destroyed means gone."""

import base64
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from collector.configuration import KeysSettings
from collector.intake.domains import domain_key
from collector.store.key_periods import Kind, period_of_key
from collector.store.keyring import (
    EphemeralKeyRing,
    KeyRing,
    KeyRingError,
    Master,
    State,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MASTER = Master(bytes(range(32)))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def ring(directory: Path) -> KeyRing:
    made = KeyRing.open(directory, MASTER)
    made.create_due(NOON)
    return made


def test_the_janitor_makes_what_today_and_two_days_ahead_need(directory: Path) -> None:
    made = KeyRing.open(directory, MASTER).create_due(NOON)
    assert "subject" in made
    assert [key for key in made if key.startswith("day-")] == ["day-20261121", "day-20261122", "day-20261123"]
    assert [key for key in made if key.startswith("quarter-")] == ["quarter-2026Q4"]


def test_every_visitor_period_that_is_somebodys_has_a_root(ring: KeyRing) -> None:
    starts = [(NOON + timedelta(days=offset)).strftime("%Y%m%d") for offset in range(-89, 3)]
    assert all(ring.root(f"visitor-{start}") for start in starts)
    assert ring.root("visitor-20260823") is None, "that period ended yesterday"


def test_the_next_quarter_is_made_two_days_before_it_begins(directory: Path) -> None:
    made = KeyRing.open(directory, MASTER).create_due(datetime(2026, 12, 30, 0, 0, tzinfo=UTC))
    assert [key for key in made if key.startswith("quarter-")] == ["quarter-2026Q4", "quarter-2027Q1"]


def test_the_day_is_counted_in_utc(directory: Path) -> None:
    late = datetime.fromisoformat("2026-11-22T00:30:00+01:00")
    assert "day-20261121" in KeyRing.open(directory, MASTER).create_due(late)


def test_a_root_that_exists_is_never_replaced(ring: KeyRing, directory: Path) -> None:
    before = ring.root("day-20261121")
    assert KeyRing.open(directory, MASTER).create_due(NOON) == []
    assert not KeyRing.open(directory, MASTER)._create("day-20261121", NOON)
    assert KeyRing.open(directory, MASTER).root("day-20261121") == before
    assert [file.name for file in directory.iterdir() if file.suffix != ".key"] == []


def test_roots_are_random_32_bytes_and_not_in_their_files(ring: KeyRing, directory: Path) -> None:
    roots = [ring.root(info.id) for info in ring.list(NOON)]
    assert len(set(roots)) == len(roots) == 97
    stored = b"".join(file.read_bytes() for file in directory.iterdir())
    assert all(root and len(root) == 32 and base64.b64encode(root) not in stored for root in roots)


def test_only_the_owner_may_use_directory_and_files(ring: KeyRing, directory: Path) -> None:
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in directory.iterdir()} == {0o600}


def refused(file: Path, at_start: str) -> bool:
    """Whether a running ring does without this file, and a start with nothing else says a sentence."""
    missing = KeyRing(file.parent, MASTER).root(file.stem) is None
    for other in set(file.parent.iterdir()) - {file}:
        other.unlink()
    with pytest.raises(KeyRingError, match=at_start):
        KeyRing.open(file.parent, MASTER)
    return missing


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
def test_a_directory_others_may_use_is_refused_with_what_to_do(mode: int, ring: KeyRing, directory: Path) -> None:
    directory.chmod(mode)
    with pytest.raises(KeyRingError, match=f"chmod 700 {directory}"):
        KeyRing.open(directory, MASTER)
    with pytest.raises(KeyRingError, match="chmod 700"):
        ring.create_due(NOON)


def test_a_file_others_may_read_is_refused_with_what_to_do(ring: KeyRing, directory: Path) -> None:
    file = directory / "day-20261121.key"
    file.chmod(0o644)
    assert refused(file, at_start=f"mode 644.*chmod 600 {file}")


def test_the_wrong_master_is_said_at_the_start(ring: KeyRing, directory: Path) -> None:
    with pytest.raises(KeyRingError, match="the master is not the one it was made with"):
        KeyRing.open(directory, Master(bytes(32)))


@pytest.mark.parametrize("field", ["name", "created_ms", "wrapped"])
def test_a_wrapped_root_cannot_be_renamed_redated_or_changed(field: str, ring: KeyRing, directory: Path) -> None:
    file = directory / "day-20261121.key"
    body = json.loads(file.read_text())
    if field == "name":
        file = file.rename(directory / "day-20261120.key")
    elif field == "created_ms":
        body["created_ms"] += 1
    else:
        body["wrapped"] = base64.b64encode(bytes(48)).decode()
    file.write_text(json.dumps(body))
    assert refused(file, at_start="cannot be unwrapped")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"created_ms": 1, "nonce": "x", "wrapped": "-"}'])
def test_a_damaged_file_is_named(text: str, ring: KeyRing, directory: Path) -> None:
    file = directory / "day-20261121.key"
    file.write_text(text)
    assert refused(file, at_start=r"day-20261121\.key is not a wrapped root")


def test_a_root_that_cannot_be_read_counts_as_missing_until_it_is_mended_and_is_logged_once(
    ring: KeyRing, directory: Path
) -> None:
    now = [100.0]
    reader = KeyRing(directory, MASTER, monotonic=lambda: now[0])
    file = directory / "day-20261121.key"
    whole = file.read_bytes()
    file.write_text("")
    with capture_logs() as logs:
        for _ in range(5):
            assert reader.root("day-20261121") is None
            now[0] += 1.0
    assert [(entry["event"], entry["key_id"]) for entry in logs] == [("key_unreadable", "day-20261121")]
    assert reader.is_unreadable("day-20261121")
    assert not reader.is_unreadable("day-20261122")
    assert reader.root("day-20261122") is not None, "the others work as before"
    file.write_bytes(whole)
    now[0] += 1.0
    assert reader.root("day-20261121") == ring.root("day-20261121")
    assert not reader.is_unreadable("day-20261121")


def test_a_root_that_was_unreadable_and_is_destroyed_is_just_missing(ring: KeyRing, directory: Path) -> None:
    now = [100.0]
    reader = KeyRing(directory, MASTER, monotonic=lambda: now[0])
    (directory / "day-20261121.key").write_text("")
    assert reader.root("day-20261121") is None
    (directory / "day-20261121.key").unlink()
    now[0] += 60.0
    assert reader.root("day-20261121") is None
    assert not reader.is_unreadable("day-20261121")


def test_a_key_directory_that_cannot_be_read_is_no_crash(ring: KeyRing, directory: Path) -> None:
    now = [100.0]
    reader = KeyRing(directory, MASTER, monotonic=lambda: now[0])
    hidden = directory.rename(directory.with_name("hidden"))
    directory.write_text("a file in its place")
    assert reader.root("day-20261121") is None
    assert reader.is_unreadable("day-20261121")
    directory.unlink()
    hidden.rename(directory)
    now[0] += 1.0
    assert reader.root("day-20261121") is not None
    assert not reader.is_unreadable("day-20261121")


def test_a_damaged_file_stops_nobody_else_and_can_be_destroyed(ring: KeyRing, directory: Path) -> None:
    (directory / "day-20261121.key").write_text("")
    reader = KeyRing.open(directory, MASTER)
    assert reader.root("day-20261122") is not None
    by_id = {info.id: info for info in reader.list(NOON)}
    assert (by_id["day-20261121"].created, by_id["day-20261121"].fingerprint) == (None, "")
    assert "day-20261121" in [i.id for i in reader.destroy_expired(NOON + timedelta(days=10), day_key_days=9)]


def test_an_absent_directory_is_an_empty_ring_that_finds_keys_within_a_second(directory: Path) -> None:
    now = [100.0]
    reader = KeyRing(directory, MASTER, monotonic=lambda: now[0])
    assert reader.root("day-20261121") is None
    KeyRing.open(directory, MASTER).create_due(NOON)
    assert reader.root("day-20261121") is None, "it looks once a second at most"
    now[0] += 1.0
    assert reader.root("day-20261121") is not None


def test_a_destroyed_root_is_forgotten_by_other_processes_within_a_minute(ring: KeyRing, directory: Path) -> None:
    now = [100.0]
    reader = KeyRing(directory, MASTER, monotonic=lambda: now[0])
    assert reader.root("day-20261121") is not None
    destroyed = ring.destroy_expired(NOON + timedelta(days=10), day_key_days=9)
    assert "day-20261121" in [info.id for info in destroyed]
    assert ring.root("day-20261121") is None
    now[0] += 60.0
    assert reader.root("day-20261121") is None


def test_roots_are_destroyed_when_their_time_is_over_and_not_before(ring: KeyRing, directory: Path) -> None:
    ends = {
        "day-20261121": date(2026, 12, 1),
        "quarter-2026Q4": date(2027, 1, 10),
        "visitor-20261121": date(2026, 11, 21) + timedelta(days=90 + 9),
    }
    for key_id, first_day_gone in ends.items():
        midnight = datetime(first_day_gone.year, first_day_gone.month, first_day_gone.day, tzinfo=UTC)
        ring.destroy_expired(midnight - timedelta(seconds=1), day_key_days=9)
        assert (directory / f"{key_id}.key").exists()
        ring.destroy_expired(midnight, day_key_days=9)
        assert not (directory / f"{key_id}.key").exists()


def test_a_draft_that_a_crash_left_is_removed_after_an_hour(ring: KeyRing, directory: Path) -> None:
    draft = directory / ".day-20261124.0123456789abcdef"
    draft.write_text("half a fi")
    made = datetime.fromtimestamp(draft.stat().st_mtime, UTC)
    ring.destroy_expired(made + timedelta(minutes=59), day_key_days=40)
    assert draft.exists()
    ring.destroy_expired(made + timedelta(minutes=61), day_key_days=40)
    assert not draft.exists()


def test_the_subject_root_is_never_destroyed_by_age(ring: KeyRing) -> None:
    ring.destroy_expired(NOON + timedelta(days=4000), day_key_days=9)
    assert [info.id for info in ring.list(NOON)] == ["subject"]


def test_the_list_says_state_age_and_fingerprint(ring: KeyRing) -> None:
    by_id = {info.id: info for info in ring.list(NOON + timedelta(days=1))}
    assert by_id["day-20261121"].state is State.ENDED
    assert by_id["day-20261122"].state is State.LIVE
    assert by_id["day-20261123"].state is State.UPCOMING
    assert by_id["subject"].kind is Kind.SUBJECT
    assert by_id["subject"].created == NOON
    assert len({info.fingerprint for info in by_id.values()}) == len(by_id)
    assert all(len(info.fingerprint) == 8 for info in by_id.values())


@pytest.mark.parametrize(
    "key_id", ["", "day-", "day-20261301", "day-2026112", "visitor-20260230", "quarter-2026Q5", "../subject"]
)
def test_what_is_no_key_id_has_no_root(key_id: str, ring: KeyRing) -> None:
    assert period_of_key(key_id) is None
    assert ring.root(key_id) is None
    assert EphemeralKeyRing().root(key_id) is None


def test_an_ephemeral_ring_gives_one_root_per_id() -> None:
    roots = EphemeralKeyRing()
    assert roots.root("day-20261121") == roots.root("day-20261121") != roots.root("day-20261122")


def test_labels_of_a_domain_cannot_run_into_each_other() -> None:
    root = bytes(32)
    keys = {domain_key(root, "ab", "c"), domain_key(root, "a", "bc"), domain_key(root, "abc")}
    keys |= {domain_key(root), domain_key(root, ""), domain_key(bytes([1] * 32), "abc")}
    assert len(keys) == 6
    assert domain_key(root, "ab", b"c") in keys


def test_a_master_is_made_once_and_loaded_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "master"
    made = Master.create(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Master.load(KeysSettings(master_file=file)) == made
    with pytest.raises(FileExistsError):
        Master.create(file)
    assert base64.b64encode(made.key).decode() not in repr(made)


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    text = SecretStr(base64.b64encode(MASTER.key).decode())
    assert Master.load(KeysSettings(master=text, master_file=tmp_path / "none")) == MASTER


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(bytes(31)).decode(), "é" * 44])
def test_a_master_of_another_size_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(KeyRingError, match="32 bytes in base64"):
        Master.load(KeysSettings(master=SecretStr(text)))


def test_an_absent_or_readable_master_file_gets_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "master"
    with pytest.raises(KeyRingError, match="There is no master key at"):
        Master.load(KeysSettings(master_file=file))
    Master.create(file)
    file.chmod(0o640)
    with pytest.raises(KeyRingError, match="others may use it"):
        Master.load(KeysSettings(master_file=file))
