"""What the buffer takes and gives: an append, an entry, and the fate an entry ends with.

`attempt` counts the attempts an entry has behind it: 0 at its first claim, one more after each Retry.
Site and destination names, reasons and causes hold no `|`: it separates the parts of counters and heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from collector.store.rows import Row


class Append(msgspec.Struct):
    """One event to store: a sealed record per destination, and the ledger rows it carries.

    `digest` is 10 bytes of a keyed digest of site, subject and event id: what makes the event itself.
    """

    site: str
    digest: bytes
    destinations: tuple[str, ...]
    sealed: tuple[bytes, ...]
    """One sealed record per destination, in that order."""
    rows: tuple[Row, ...] = ()


def sealed_bytes(items: Sequence[Append]) -> int:
    """What appends weigh in memory, near enough: the bytes of their sealed records."""
    return sum([len(sealed) for item in items for sealed in item.sealed])


@dataclass(slots=True)
class Entry:
    """One record claimed for its destination. `received_ms` is when the store took it, kept across retries."""

    destination: str
    id: bytes
    site: str
    attempt: int
    sealed: bytes
    received_ms: int


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The vendor answered that it took it; GA4 says no more than that."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """We decided not to hand it over (withdrawn, too old, ...). `reason` is from a closed list."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dead:
    """The vendor refuses it for good, or it cannot be read. `cause` is from a closed list."""

    cause: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again at `due_ms` (epoch milliseconds); the entry stays pending."""

    due_ms: int


Fate = HandedOver | Dropped | Dead | Retry


def counter(fate: Fate, destination: str, site: str) -> str:
    """The counter a fate adds one to: `handed_over|DEST|SITE`, `dropped:REASON|...`, `dead:CAUSE|...`."""
    match fate:
        case HandedOver():
            kind = "handed_over"
        case Dropped(reason):
            kind = f"dropped:{reason}"
        case Dead(cause):
            kind = f"dead:{cause}"
        case Retry():
            raise ValueError("a retry is no fate yet")
    return f"{kind}|{destination}|{site}"
