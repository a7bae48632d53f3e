"""Taking something back so that it holds, and holds on if the store is lost.

    the file (withdrawal_book.py), fsynced -> the receipt -> the ledger

1. The file comes first: from then on the withdrawal will hold, whatever happens to the store (restoring.py). What fails
   after that is answered as a failure, and doing it again does no harm.
2. A withdrawal reaches every identifier that was stated together with the one it names, and what was linked meanwhile.
   It is dated now, or as what it takes back where that lies ahead of our clock: an act of the same moment loses to it.
3. What the lists of receipts say was granted before is read before anything is changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from uuid import uuid4

import orjson

from collector.intake.receipt import NOTHING_SHOWN, Act, Shown, receipt
from collector.intake.site import Site
from collector.store.ledger import Ledger
from collector.store.rows import MOST_SIBLINGS, Row
from consent.model import NOTHING, Choice, Recipient

_PASSES: Final = 3  # the first, and what was linked or dated ahead while it was written


class Book(Protocol):
    """What is needed of withdrawal_book.py."""

    async def keep(self, site: str, rows: Sequence[Row]) -> None:
        """Write rows down durably; raises NotKept."""
        ...


class Withdrawn(NamedTuple):
    """The receipt, and how many identifiers it reached, those it did not name included."""

    receipt: dict[str, Any]
    identifiers: int


class Withdrawals:
    """Every method raises NotKept and StoreUnavailable."""

    def __init__(self, ledger: Ledger, book: Book, receipt_seconds: int) -> None:
        self.ledger = ledger
        self._book, self._receipt_seconds = book, receipt_seconds

    async def withdraw(
        self, site: Site, subjects: Iterable[bytes], now_ms: int, shown: Shown = NOTHING_SHOWN
    ) -> Withdrawn:
        """From now on nothing is granted, under these references and all that are linked to them.

        Durable when it answers. Repeating it does no harm.
        """
        named = list(dict.fromkeys(subjects))
        nothing = dict.fromkeys(site.policy.recipients, NOTHING)
        made: dict[str, Any] = {}
        written: dict[bytes, int] = {}
        for _ in range(_PASSES):
            found = await self.ledger.linked(named)
            rows = [_emptied(one, held, now_ms, nothing, named) for one, held in found.items()]
            rows = [row for row in rows if row.choice.decided_ms > written.get(row.subject, -1)]
            if not rows:
                break
            await self._book.keep(site.id, rows)
            if not made:
                act = Act(
                    id=uuid4().hex,
                    site=site,
                    choice=Choice(now_ms, nothing),
                    recorded_ms=now_ms,
                    subjects=named,
                    before=list(found.values()),
                    shown=shown,
                    is_withdrawal=True,
                )
                made = receipt(act) | {"in_effect": True}
                await self.put(made)
            await self.ledger.record([*rows, *(_lowering(row) for row in rows)])
            written |= {row.subject: row.choice.decided_ms for row in rows}
        return Withdrawn(made, len(written))

    async def record(self, site: Site, rows: Sequence[Row], *, takes_back: bool) -> None:
        """Write an act to the ledger, and to the file before that if it takes something back."""
        if takes_back:
            await self._book.keep(site.id, rows)
        await self.ledger.record(rows)

    async def put(self, made: Mapping[str, Any]) -> None:
        """Keep a receipt for its time."""
        await self.ledger.put_receipt(made["receipt_id"], orjson.dumps(made), self._receipt_seconds)


def _emptied(
    subject: bytes,
    held: Choice | None,
    now_ms: int,
    nothing: Mapping[Recipient, frozenset[Any]],
    together: Sequence[bytes],
) -> Row:
    decided_ms = now_ms if held is None else max(now_ms, held.decided_ms)
    siblings = tuple(one for one in together if one != subject)[:MOST_SIBLINGS]
    return Row(subject, Choice(decided_ms, nothing), lowers=False, siblings=siblings)


def _lowering(row: Row) -> Row:
    """The same as what may only take away: an act dated ahead that came in between ends as well."""
    return Row(row.subject, row.choice, lowers=True)
