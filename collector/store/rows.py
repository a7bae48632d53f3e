"""Ledger rows: the latest choice of one identifier, and which of two choices holds.

The text of a row is `decided_ms|recipient=bits,recipient=bits`, recipients in alphabetical order and
percent-encoded; bit i of `bits` is the i-th purpose of `consent.model.Purpose`.
Example: `1763719080000|google=15`.

Which holds (the same table in scripts/ledger.lua, tested against the same fixture)
1. No row yet: the new one, whatever it says; a denial is remembered too.
2. An act of the visitor: the newer one; of two of the same instant, only what both grant.
3. What is not an act may only lower: only what both grant, dated with the later of the two.
"""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from consent.model import NOTHING, Choice, Purpose, Purposes, Recipient

_BITS = {purpose: 1 << index for index, purpose in enumerate(Purpose)}
UNREADABLE = Choice(0, {})
"""What an unreadable row says: nothing is granted."""


@dataclass(slots=True)
class Row:
    """A ledger write for one identifier (16-byte keyed reference)."""

    subject: bytes
    choice: Choice
    lowers: bool
    """True: not an act of the visitor, so it may only remove."""


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
    granted = ",".join(f"{_name(who)}={_bits(what)}" for who, what in sorted(choice.granted.items()))
    return f"{choice.decided_ms}|{granted}"


def decode(text: bytes) -> Choice:
    """A choice from the text of a row; an unreadable row grants nothing (fail closed)."""
    try:
        decided_ms, _, granted = text.decode().partition("|")
        pairs = [pair.split("=") for pair in granted.split(",")] if granted else []
        return Choice(int(decided_ms), {unquote(who): _purposes(int(bits)) for who, bits in pairs})
    except ValueError:
        return UNREADABLE


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
