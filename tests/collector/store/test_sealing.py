"""Sealed records: unreadable without the day's key, and not to be passed off as anything else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.intake.domains import KeyMissing
from collector.store.keyring import EphemeralKeyRing
from collector.store.sealing import Cause, Opened, Opener, Sealer, Unreadable

NOON_MS = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
PLAIN = b"client 123.456 bought T1"


class Roots(EphemeralKeyRing):
    """An ephemeral ring whose roots can be destroyed."""

    def destroy(self, key_id: str) -> None:
        self.destroyed = key_id

    destroyed = ""

    def root(self, key_id: str) -> bytes | None:
        return None if key_id == self.destroyed else super().root(key_id)


@pytest.fixture
def roots() -> Roots:
    return Roots()


@pytest.fixture
def sealer(roots: Roots) -> Sealer:
    return Sealer(roots, bytes(range(16)))


def test_a_record_whose_key_has_to_be_mended_is_not_taken_for_an_ended_one(roots: Roots, sealer: Sealer) -> None:
    sealed = sealer.seal("shop", "ga4", NOON_MS, PLAIN)
    roots.destroy("day-20261121")
    opener = Opener(roots, is_unreadable=lambda key_id: key_id == "day-20261121")
    assert cause_of(opener, sealed) is Cause.KEY_UNREADABLE


def cause_of(opener: Opener, sealed: bytes) -> Cause:
    with pytest.raises(Unreadable) as caught:
        opener.open(sealed)
    return caught.value.cause


def test_what_was_sealed_is_opened_with_its_clear_fields(roots: Roots, sealer: Sealer) -> None:
    sealed = sealer.seal("shop", "ga4", NOON_MS + 59_999, PLAIN)
    assert Opener(roots).open(sealed) == Opened("shop", "ga4", NOON_MS, PLAIN)


def test_nothing_of_the_record_is_readable_in_its_seal(sealer: Sealer) -> None:
    sealed = sealer.seal("shop", "ga4", NOON_MS, PLAIN)
    assert not any(PLAIN[at : at + 4] in sealed for at in range(len(PLAIN) - 3))


def test_the_same_record_sealed_twice_looks_different(sealer: Sealer) -> None:
    one, two = (sealer.seal("shop", "ga4", NOON_MS, PLAIN) for _ in range(2))
    assert one[-30:] != two[-30:]


def test_two_processes_never_share_a_key(roots: Roots) -> None:
    one, two = (Sealer(roots, bytes([salt]) * 16).seal("s", "d", NOON_MS, PLAIN) for salt in (1, 2))
    assert one[-len(PLAIN) - 16 :] != two[-len(PLAIN) - 16 :]
    assert [Opener(roots).open(sealed).plaintext for sealed in (one, two)] == [PLAIN, PLAIN]


@pytest.mark.parametrize(
    ("old", "new"), [(b"\x04shop", b"\x04blog"), (b"\x03ga4", b"\x03xyz"), (b"\x04shop\x03", b"\x03shop\x04")]
)
def test_a_swapped_site_or_destination_is_forged(old: bytes, new: bytes, roots: Roots, sealer: Sealer) -> None:
    sealed = sealer.seal("shop", "ga4", NOON_MS, PLAIN)
    assert old in sealed
    assert cause_of(Opener(roots), sealed.replace(old, new)) is not Cause.KEY_DESTROYED


def test_a_record_cannot_be_given_to_another_destination(roots: Roots, sealer: Sealer) -> None:
    sealed = sealer.seal("shop", "ga4", NOON_MS, PLAIN).replace(b"\x03ga4", b"\x03xyz")
    assert cause_of(Opener(roots), sealed) is Cause.FORGED


def test_any_changed_byte_is_noticed(roots: Roots, sealer: Sealer) -> None:
    sealed = sealer.seal("shop", "ga4", NOON_MS, PLAIN)
    opener = Opener(roots)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        assert isinstance(cause_of(opener, bytes(changed)), Cause), at


@given(st.binary(max_size=120))
def test_bytes_of_any_kind_are_unreadable_and_never_an_accident(noise: bytes) -> None:
    with pytest.raises(Unreadable):
        Opener(EphemeralKeyRing()).open(noise)
    with pytest.raises(Unreadable):
        Opener(EphemeralKeyRing()).open(b"SL\x01" + noise)


def test_a_record_of_a_newer_format_is_said_to_be_one(roots: Roots, sealer: Sealer) -> None:
    sealed = sealer.seal("shop", "ga4", NOON_MS, PLAIN)
    assert cause_of(Opener(roots), b"SL\x02" + sealed[3:]) is Cause.UNKNOWN_FORMAT
    assert cause_of(Opener(roots), sealed[:40]) is Cause.UNKNOWN_FORMAT


def test_a_destroyed_day_is_unreadable_even_where_its_key_was_in_use(roots: Roots, sealer: Sealer) -> None:
    sealed, opener = sealer.seal("shop", "ga4", NOON_MS, PLAIN), Opener(roots)
    assert opener.open(sealed).plaintext == PLAIN
    roots.destroy("day-20261121")
    assert cause_of(opener, sealed) is Cause.KEY_DESTROYED


def test_each_day_has_its_key(roots: Roots, sealer: Sealer) -> None:
    days = [sealer.seal("shop", "ga4", NOON_MS + day * DAY_MS, PLAIN) for day in range(6)]
    roots.destroy("day-20261123")
    opener = Opener(roots, most_keys=2)
    readable = [day for day, sealed in enumerate(days) if _opens(opener, sealed)]
    assert readable == [0, 1, 3, 4, 5]


def _opens(opener: Opener, sealed: bytes) -> bool:
    try:
        return opener.open(sealed).plaintext == PLAIN
    except Unreadable:
        return False


def test_without_the_key_of_the_day_nothing_is_sealed(roots: Roots, sealer: Sealer) -> None:
    roots.destroy("day-20261121")
    with pytest.raises(KeyMissing, match="day 20261121"):
        sealer.seal("shop", "ga4", NOON_MS, PLAIN)


def test_a_short_salt_is_refused(roots: Roots) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Sealer(roots, b"short")


def test_an_opened_record_does_not_print_what_it_holds() -> None:
    assert "123.456" not in repr(Opened("shop", "ga4", NOON_MS, PLAIN))
