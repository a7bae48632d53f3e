"""Consent at delivery: what the configuration says now, and what the visitor chose last.

The ledger is asked for many records in one round trip.

Rules
1. The answer is good for one second, counted from *before* the ledger was asked: a withdrawal recorded a
   moment later may be missing in it.
2. An answer that does not come is not a yes: StoreUnavailable goes to whoever asked.
3. Without the withdrawals of a store that was emptied (NotRestored) nothing may leave either.
4. Of the record's day and today the stricter rules hold: a site, a target or opt-out that is gone is gone for records
   that wait as well.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from collector.intake.record import Record
from collector.intake.site import Site
from collector.store.connection import StoreUnavailable
from collector.store.group_commit import CommitFailed, GroupCommit, QueueFull
from collector.store.restoring import NotRestored
from consent.model import Choice, Purposes, Reason, Recipient, Regime
from consent.recheck import still_allowed
from forwarders.contract import Overruled

FRESH_S = 1.0
LEDGER_BATCH = 256

_Subjects = Sequence[bytes]
_Latest = Sequence[Choice | None]


class Ledger(Protocol):
    """What delivery needs of collector/store/ledger.py."""

    async def latest(self, subjects: _Subjects) -> _Latest:
        """The latest choice of each subject, in order; raises StoreUnavailable."""
        ...


class Recheck:
    """The recheck of one destination. `recipient`, `required` and `sites` are what the configuration says now."""

    def __init__(
        self,
        recipient: Recipient,
        required: Purposes,
        sites: Mapping[str, Site],
        ledger: Ledger,
        clock: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._recipient = recipient
        self._required = required
        self._sites = sites
        self._ledger = ledger
        self._clock = clock
        self._now_ms = now_ms
        self._lookups = GroupCommit[_Subjects, tuple[_Latest, float]](
            self._look_up, max_weight=LEDGER_BATCH, away=(StoreUnavailable,)
        )

    async def run(self) -> None:
        """Carry questions to the ledger until closed."""
        await self._lookups.run()

    async def close(self) -> None:
        """Answer what is waiting, take no more."""
        await self._lookups.close()

    async def may_leave(self, record: Record) -> Reason | Overruled | float:
        """Why the record may not leave, or else the time (seconds) by which it must start to be written.

        Raises StoreUnavailable.
        """
        site = self._sites.get(record.site)
        if site is None:
            return Overruled.SITE_REMOVED
        if overruled := _overruled(record, site):
            return overruled
        if record.recipient != self._recipient:
            return Reason.RECIPIENT_NOT_COVERED  # the visitor agreed to another recipient than today's
        try:
            latest, asked_s = await self._lookups.submit(record.subjects)
        except (CommitFailed, QueueFull) as error:
            if isinstance(error.__cause__, NotRestored):
                raise NotRestored(str(error.__cause__)) from error
            raise StoreUnavailable("the ledger did not answer") from error
        granted = frozenset(purpose for purpose in self._required if purpose in record.granted)
        # A site that has opt-out today still needs opt-in for those who needed it at the door.
        regime = record.regime if site.policy.elsewhere is Regime.OPT_OUT else Regime.OPT_IN
        reason = still_allowed(
            self._recipient,
            granted,
            self._required,
            regime,
            latest,
            now_ms=self._now_ms(),
            max_age_days=site.policy.choice_max_age_days,
        )
        return asked_s + FRESH_S if reason is None else reason

    async def _look_up(self, batch: list[_Subjects]) -> list[tuple[_Latest, float]]:
        asked_s = self._clock()
        distinct = list(dict.fromkeys(subject for subjects in batch for subject in subjects))
        latest = dict(zip(distinct, await self._ledger.latest(distinct), strict=True))
        return [([latest[subject] for subject in subjects], asked_s) for subjects in batch]


def _overruled(record: Record, site: Site) -> Overruled | None:
    target = next((target for target in site.targets if target.name == record.destination), None)
    if target is None:
        return Overruled.DESTINATION_REMOVED
    return Overruled.CHILDREN if site.for_children and target.advertises else None
