"""Ledger rows: the latest choice of one identifier, and which of two choices holds.

The text of a row is `decided_ms|recipient=bits,recipient=bits`, recipients in alphabetical order and
percent-encoded; bit i of `bits` is the i-th purpose of `consent.model.Purpose`. Where the identifier was stated
together with others, `|` and their references in hex follow, separated by commas: its siblings.
Examples: `1763719080000|google=15`, `1763719080000|google=15|000102030405060708090a0b0c0d0e0f`.

Which holds (the same table in scripts/ledger.lua, tested against the same fixture)
1. No row yet: the new one, whatever it says; a denial is remembered too.
2. An act of the visitor: the newer one; of two of the same instant, only what both grant.
3. What is not an act may only lower: only what both grant, dated with the later of the two.
4. Siblings gather, whichever choice holds: the newest first, four at most. They let a withdrawal under one
   identifier reach the others.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote, unquote

import msgspec

from consent.model import NOTHING, Choice, Purpose, Purposes, Recipient

_BITS = {purpose: 1 << index for index, purpose in enumerate(Purpose)}
UNREADABLE = Choice(0, {})
"""What an unreadable row says: nothing is granted."""

REFERENCE_BYTES = 16
MOST_SIBLINGS = 4


class Row(msgspec.Struct):
    """A ledger write for one identifier (16-byte keyed reference)."""

    subject: bytes
    choice: Choice
    lowers: bool
    """True: not an act of the visitor, so it may only remove."""
    siblings: tuple[bytes, ...] = ()
    """The other references of the same visitor in the same request, four at most."""
    brief: bool = False
    """True: nobody comes back under this reference, so it lives days instead of months."""


@lru_cache(maxsize=256)
def _name(recipient: Recipient) -> str:
    return quote(recipient, safe="")


@lru_cache(maxsize=256)
def _bits(purposes: Purposes) -> int:
    return sum(_BITS[purpose] for purpose in purposes)


@lru_cache(maxsize=256)
def _purposes(bits: int) -> Purposes:
    return frozenset(purpose for purpose, bit in _BITS.items() if bits & bit)


def encode(choice: Choice) -> str:
    """The text of a row."""
    return f"{choice.decided_ms}|{granted_text(choice.granted)}"


def granted_text(granted: Mapping[Recipient, Purposes]) -> str:
    """The part of a row that says what is granted to whom."""
    return ",".join(f"{_name(who)}={_bits(what)}" for who, what in sorted(granted.items()))


def argument(row: Row, said: str) -> str:
    """A row as the scripts take it: one character (1: lowers, 2: brief, 3: both), then the text; `said` = `encode`."""
    flags = row.lowers + 2 * row.brief
    if not row.siblings:
        return f"{flags}{said}"
    siblings = row.siblings
    said_together = siblings[0] if len(siblings) == 1 else b"".join(siblings[:MOST_SIBLINGS])
    return f"{flags}{said}|{said_together.hex(',', REFERENCE_BYTES)}"


def decode(text: bytes) -> Choice:
    """A choice from the text of a row; an unreadable row grants nothing (fail closed)."""
    try:
        decided_ms, _, rest = text.decode().partition("|")
        granted = rest.partition("|")[0]
        pairs = [pair.split("=") for pair in granted.split(",")] if granted else []
        return Choice(int(decided_ms), {unquote(who): _purposes(int(bits)) for who, bits in pairs})
    except ValueError:
        return UNREADABLE


def others(subject: bytes, subjects: Sequence[bytes]) -> tuple[bytes, ...]:
    """The siblings of one reference among those stated together."""
    if len(subjects) == 1:
        return ()
    return tuple([one for one in subjects if one != subject][:MOST_SIBLINGS])


def siblings_of(text: bytes) -> tuple[bytes, ...]:
    """The siblings in the text of a row; none in one that cannot be read, or was written before there were any."""
    try:
        return tuple(bytes.fromhex(reference) for reference in text.decode().split("|")[2].split(","))
    except (IndexError, ValueError):
        return ()


def gathered(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[bytes, ...]:
    """The siblings after a write (rule 4)."""
    if set(new) <= set(old):
        return tuple(old)
    return tuple(dict.fromkeys((*new, *old)))[:MOST_SIBLINGS]


def newest(old: Choice | None, row: Row) -> Choice:
    """The choice that holds after a write."""
    new = row.choice
    if old is None and row.lowers:
        return Choice(new.decided_ms, dict.fromkeys(new.granted, NOTHING))
    if old is None or (not row.lowers and new.decided_ms > old.decided_ms):
        return new
    if not row.lowers and new.decided_ms < old.decided_ms:
        return old
    both = {who: what & old.granted.get(who, NOTHING) for who, what in new.granted.items() if who in old.granted}
    if row.lowers and both == old.granted:
        return old
    return Choice(max(old.decided_ms, new.decided_ms), both)
