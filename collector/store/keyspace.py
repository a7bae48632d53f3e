"""Every key and file class of the store: who owns it, what it holds, when it ends. The one home of key names.

1. Every key of a shard carries its hash tag `{sN}`, so one script touches one slot.
2. A class without an end holds numbers or names of the operator's own configuration, nothing about a person.
3. A key that no class describes is a fault: `class_of` answers None for it, and a scan fails.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

GROUP = "deliver"
"""The one consumer group of every stream."""

LEDGER_SECONDS = 395 * 86_400
"""How long a choice is remembered: 13 months, the longest that IAB TCF lets a choice stand."""

BRIEF_LEDGER_SECONDS = 8 * 86_400
"""The same where nobody comes back under the identifier (an event without any): as long as its records may wait."""

FLUSH_SECONDS = 3600
"""How long a flush of counters is known, so that it is not counted twice."""

CONSENT_DAYS = 90
"""How long the answers of a day are counted for."""


class Owner(StrEnum):
    """The process that writes and ends keys of a class."""

    SERVE = "serve"
    DELIVER = "deliver"
    JANITOR = "janitor"


@dataclass(frozen=True, slots=True)
class KeyClass:
    """One row of the table. `template` names its parts in angle brackets; `ends` says when, and by what."""

    name: str
    template: str
    owner: Owner
    holds: str
    ends: str
    expires: bool = False
    """Whether each key carries a time to live of its own."""


@dataclass(frozen=True, slots=True)
class FileClass:
    """One class of files outside the data store."""

    name: str
    path: str
    owner: Owner
    holds: str
    ends: str


KEY_CLASSES: tuple[KeyClass, ...] = (
    KeyClass(
        "stream",
        "{s<shard>}:stream:<destination>",
        Owner.DELIVER,
        "sealed records that wait for their destination, oldest first",
        "each entry by its settlement, at the latest at its kind's maximum age; sealed under a day key",
    ),
    KeyClass(
        "due",
        "{s<shard>}:due:<destination>",
        Owner.DELIVER,
        "sealed records that wait for another attempt, by the time it is due",
        "each entry by its next attempt, at the latest at its kind's maximum age; sealed under a day key",
    ),
    KeyClass(
        "dead",
        "{s<shard>}:dead:<destination>",
        Owner.JANITOR,
        "sealed records a destination refused for good, with the cause",
        "after retention.dead_letter_days; sealed under a day key",
    ),
    KeyClass(
        "seen",
        "{s<shard>}:seen:<half>",
        Owner.SERVE,
        "10-byte digests of event ids, with the destinations that have them",
        "after two windows of retention.dedupe_hours",
        expires=True,
    ),
    KeyClass(
        "choice",
        "{s<shard>}:choice:<subject>",
        Owner.SERVE,
        "the latest choice of one identifier, under its keyed reference, with those it was stated together with",
        "after 395 days; after 8 days if it stands for a single event",
        expires=True,
    ),
    KeyClass(
        "receipt",
        "{s<shard>}:receipt:<receipt>",
        Owner.SERVE,
        "the receipt of one act of choice",
        "after retention.receipt_days",
        expires=True,
    ),
    KeyClass(
        "counters",
        "{s<shard>}:counters",
        Owner.DELIVER,
        "counts of accepted events and of fates, per destination and site",
        "never: numbers only",
    ),
    KeyClass(
        "door",
        "{s<shard>}:door",
        Owner.SERVE,
        "counts of what was not accepted, per outcome and site",
        "never: numbers only",
    ),
    KeyClass(
        "consent",
        "{s<shard>}:consent:<yyyymmdd>",
        Owner.SERVE,
        "how often each recipient and purpose was granted or not that day, per site, region, signal and reason",
        "90 days after the last event of that day: numbers only",
        expires=True,
    ),
    KeyClass(
        "flush",
        "{s<shard>}:flush:<flush>",
        Owner.SERVE,
        "that one flush of door or consent counters was counted",
        "after an hour",
        expires=True,
    ),
    KeyClass(
        "destinations",
        "{s<shard>}:destinations",
        Owner.SERVE,
        "the bit of each destination's name in the marks of `seen`",
        "never: names from the configuration",
    ),
    KeyClass(
        "recipients",
        "{s<shard>}:recipients:<site>",
        Owner.SERVE,
        "since when each recipient of a site is configured: whom a choice of back then can have meant",
        "never: names from the configuration",
    ),
    KeyClass(
        "restored",
        "{s<shard>}:restored",
        Owner.JANITOR,
        "the epoch whose withdrawals were restored from their files: without it nothing is handed over",
        "never: says nothing but itself",
    ),
    KeyClass(
        "epoch",
        "{s<shard>}:epoch",
        Owner.JANITOR,
        "a random word that tells this store from one that was emptied",
        "never: says nothing but itself",
    ),
)

FILE_CLASSES: tuple[FileClass, ...] = (
    FileClass(
        "wrapped_roots",
        "keys/<key id>.key",
        Owner.JANITOR,
        "random roots of days and pseudonym periods, wrapped by the master",
        "day roots after retention.day_key_days, period roots 8 days after their period; `subject` stays",
    ),
    FileClass(
        "decisions_refused",
        "decisions/<writer>/refused-<yyyymmddhh>",
        Owner.SERVE,
        "which event ids, as keyed references, were not sent where, when and why (written by deliver too)",
        "after decisions.refused_days, 30 at most: deleted by the janitor",
    ),
    FileClass(
        "decisions_kept",
        "decisions/<writer>/kept-<yyyymmddhh>",
        Owner.SERVE,
        "which event ids were permitted where and when, with the visitor's keyed references (written by deliver too)",
        "after decisions.kept_days, 90 at most: deleted by the janitor",
    ),
    FileClass(
        "withdrawals",
        "withdrawals/<writer>/<yyyymmdd>",
        Owner.SERVE,
        "withdrawals, under keyed references, for a store that was emptied (written by `consent withdraw` too)",
        "395 days after their day: deleted by the janitor",
    ),
    FileClass(
        "balance_copy",
        "balance.json",
        Owner.JANITOR,
        "the last balance and epoch, to notice an emptied or rolled-back store",
        "replaced every 30 seconds: numbers only",
    ),
)


@cache
def _named(kind: str, name: str, shard: int) -> bytes:
    return f"{{s{shard}}}:{kind}:{name}".encode()


@cache
def _single(kind: str, shard: int) -> bytes:
    return f"{{s{shard}}}:{kind}".encode()


def stream(destination: str, shard: int = 0) -> bytes:
    """Records waiting for a destination."""
    return _named("stream", destination, shard)


def due(destination: str, shard: int = 0) -> bytes:
    """Records waiting for another attempt (sorted set by due time)."""
    return _named("due", destination, shard)


def dead(destination: str, shard: int = 0) -> bytes:
    """Dead letters of a destination."""
    return _named("dead", destination, shard)


def seen(half: int, shard: int = 0) -> bytes:
    """One of the two rotating hashes of seen events; window number modulo 2."""
    return _named("seen", str(half), shard)


def choice_prefix(shard: int = 0) -> bytes:
    """What stands before the 16-byte reference in a ledger key."""
    return _named("choice", "", shard)


def choice(subject: bytes, shard: int = 0) -> bytes:
    """The latest choice of one identifier, by its keyed reference."""
    return choice_prefix(shard) + subject


def receipt(receipt_id: str, shard: int = 0) -> bytes:
    """One consent receipt."""
    return f"{{s{shard}}}:receipt:{receipt_id}".encode()


def counters(shard: int = 0) -> bytes:
    """Accepted events and fates."""
    return _single("counters", shard)


def door(shard: int = 0) -> bytes:
    """What was not accepted."""
    return _single("door", shard)


def consent(day: str, shard: int = 0) -> bytes:
    """What consent answered on a day (yyyymmdd)."""
    return _named("consent", day, shard)


def flush(flush_id: str, shard: int = 0) -> bytes:
    """The mark of one flush of counters."""
    return f"{{s{shard}}}:flush:{flush_id}".encode()


def destinations(shard: int = 0) -> bytes:
    """Bits of destination names."""
    return _single("destinations", shard)


def recipients(site: str, shard: int = 0) -> bytes:
    """Since when each recipient of a site is configured."""
    return _named("recipients", site, shard)


def restored(shard: int = 0) -> bytes:
    """The epoch whose withdrawals were restored."""
    return _single("restored", shard)


def epoch(shard: int = 0) -> bytes:
    """The store's random epoch."""
    return _single("epoch", shard)


_KEY = re.compile(rb"\{s\d+\}:(?P<name>[a-z]+)(?P<part>:.*)?", re.DOTALL)
_BY_NAME = {row.name.encode(): row for row in KEY_CLASSES}


def class_of(key: bytes) -> KeyClass | None:
    """The class a key belongs to, or None for a key that nothing here makes."""
    match = _KEY.fullmatch(key)
    row = _BY_NAME.get(match["name"]) if match else None
    has_part = bool(match and match["part"])
    return row if row and has_part == row.template.endswith(">") else None
