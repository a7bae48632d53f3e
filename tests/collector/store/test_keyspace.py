"""The table of keys and the functions that build them say the same."""

import pytest

from collector.store import keyspace

BUILT = {
    "stream": keyspace.stream("ga4"),
    "due": keyspace.due("ga4"),
    "dead": keyspace.dead("meta_eu-2"),
    "seen": keyspace.seen(1),
    "choice": keyspace.choice(bytes(range(240, 256))),
    "receipt": keyspace.receipt("20261121.abc"),
    "counters": keyspace.counters(),
    "door": keyspace.door(),
    "consent": keyspace.consent("20261121"),
    "flush": keyspace.flush("20261121abc"),
    "destinations": keyspace.destinations(),
    "recipients": keyspace.recipients("shop"),
    "restored": keyspace.restored(),
    "epoch": keyspace.epoch(),
}


def test_every_class_has_a_function_and_every_key_its_class() -> None:
    assert set(BUILT) == {row.name for row in keyspace.KEY_CLASSES}
    for name, key in BUILT.items():
        row = keyspace.class_of(key)
        assert row is not None
        assert row.name == name


def test_a_key_starts_as_its_template_says() -> None:
    for row in keyspace.KEY_CLASSES:
        assert BUILT[row.name].startswith(row.template.replace("<shard>", "0").partition("<")[0].encode())


def test_keys_of_a_shard_carry_its_hash_tag() -> None:
    assert keyspace.stream("ga4", shard=7) == b"{s7}:stream:ga4"
    assert keyspace.choice(b"\n" * 16, shard=3) == b"{s3}:choice:" + b"\n" * 16


@pytest.mark.parametrize("key", [b"foreign", b"{s0}:stream", b"{s0}:counters:x", b"{s0}:nothing:x", b"s0:door"])
def test_a_foreign_key_has_no_class(key: bytes) -> None:
    assert keyspace.class_of(key) is None


def test_every_class_says_when_it_ends() -> None:
    ends = [row.ends for row in keyspace.KEY_CLASSES] + [row.ends for row in keyspace.FILE_CLASSES]
    assert all(ends)
