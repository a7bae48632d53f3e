"""What every public route does with an admitted body: seal its records, commit them, and tell what became of each.

A 2xx follows the fsynced write. An event with nothing to keep needs no write and is answered without the store.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from collector.configuration import LimitsSettings
from collector.intake.admit import DUPLICATE, Admission
from collector.intake.batch import Admitted, BadBatch, TooManyEvents, admit_body
from collector.intake.domains import DomainKeys, KeyMissing
from collector.intake.event import Body
from collector.intake.facts import Facts
from collector.intake.outcome import Outcome
from collector.intake.record import to_bytes
from collector.intake.site import Site
from collector.store.buffer import Append, Row, StoreUnavailable
from collector.store.group_commit import CommitFailed, GroupCommit, QueueFull
from collector.store.ledger import Ledger
from collector.store.rows import others
from collector.store.sealing import Sealer
from collector.telemetry import logger
from collector.web.answers import Refusal, fault, keys_away, store_away
from collector.web.witness import Witness

log = logger(__name__)
Commits = GroupCommit[list[Append], list[tuple[bool, ...]]]
Door = Counter[tuple[str, str]]
Results = list[dict[str, Any]]
"""One per event of a request, in order."""
Tell = Callable[[Results | Refusal], None]


class IntakeDesk:
    """Admits bodies and commits what they leave behind."""

    def __init__(
        self,
        *,
        keys: DomainKeys,
        sealer: Sealer,
        commits: Commits,
        ledger: Ledger,
        limits: LimitsSettings,
        door: Door,
        now_ms: Callable[[], int],
        witnesses: Sequence[Witness] = (),
    ) -> None:
        self.now_ms = now_ms
        self.limits = limits
        self._keys, self._sealer, self._commits = keys, sealer, commits
        self._ledger, self._door, self._witnesses = ledger, door, witnesses
        self._looking_up: set[asyncio.Task[None]] = set()

    @property
    def is_committing(self) -> bool:
        """Whether a commit is in flight: what is admitted now waits for it."""
        return self._commits.is_committing

    def after_each_commit(self, call: Callable[[], None]) -> None:
        """Have `call` called when a commit is over."""
        self._commits.after = call

    async def take(self, body: Body, facts: Facts, site: Site) -> Results:
        """One result per event, in order; raises Refusal."""
        answered: asyncio.Future[Results | Refusal] = asyncio.get_running_loop().create_future()
        self.begin(body, facts, site, lambda told: None if answered.done() else answered.set_result(told))
        told = await answered
        if isinstance(told, Refusal):
            raise told
        return told

    def begin(self, body: Body, facts: Facts, site: Site, tell: Tell) -> None:
        """Admit a body; `tell` gets one result per event, or the refusal, now or when the store has answered."""
        try:
            admitted = self._admit(body, facts, site, None)
            if admitted.wants:
                task = asyncio.create_task(self._look_up_first(body, facts, site, admitted.wants, tell))
                self._looking_up.add(task)
                task.add_done_callback(self._looking_up.discard)
            else:
                self._keep(admitted, facts, site, tell)
        except Refusal as refusal:
            tell(refusal)

    async def _look_up_first(self, body: Body, facts: Facts, site: Site, wants: frozenset[bytes], tell: Tell) -> None:
        try:
            self._keep(self._admit(body, facts, site, await self._latest(wants)), facts, site, tell)
        except Refusal as refusal:
            tell(refusal)
        except Exception as error:
            log.exception("internal_error", exc_info=error)
            tell(fault())

    def _keep(self, admitted: Admitted, facts: Facts, site: Site, tell: Tell) -> None:
        """Seal and commit what the admissions leave behind; tell what became of them."""
        admissions = admitted.admissions
        for unforeseen in admitted.faults:
            log.error("internal_error", exc_info=unforeseen)
        try:
            appends, places = self._seal(admissions, facts, site)
        except KeyMissing:
            raise keys_away() from None
        told = partial(self._tell, admissions, places, site, facts.received_ms, tell)
        if not appends:
            told([])
            return
        try:
            self._commits.put(appends, told)
        except QueueFull:
            raise Refusal(503, "overloaded", "More events are waiting for the store than it may hold.") from None

    def _tell(
        self,
        admissions: Sequence[Admission],
        places: Sequence[int],
        site: Site,
        received_ms: int,
        tell: Tell,
        queued: Sequence[tuple[bool, ...]] | CommitFailed,
    ) -> None:
        if isinstance(queued, CommitFailed):
            tell(store_away())
            return
        self._mark_duplicates(admissions, places, queued)
        for admission in admissions:
            self._door[site.id, admission.outcome] += 1
        tell([_result(admission) for admission in admissions])
        for witness in self._witnesses:
            witness(site, admissions, received_ms)

    def _admit(self, body: Body, facts: Facts, site: Site, latest: Mapping[bytes, Any] | None) -> Admitted:
        try:
            return admit_body(body, facts, site, self._keys, self.limits.batch_events, latest)
        except TooManyEvents as fault:
            raise Refusal(413, "too_many_events", str(fault)) from None
        except BadBatch as fault:
            raise Refusal(400, "bad_batch", str(fault)) from None
        except KeyMissing:
            raise keys_away() from None

    def _seal(self, admissions: Sequence[Admission], facts: Facts, site: Site) -> tuple[list[Append], list[int]]:
        appends: list[Append] = []
        places: list[int] = []
        written: set[tuple[int, int]] = set()
        for place, admission in enumerate(admissions):
            rows = _rows(admission, written)
            if not admission.records and not rows:
                continue
            received_ms, seal = facts.received_ms, self._sealer.seal
            names = tuple([record.destination for record in admission.records])
            sealed = [seal(site.id, record.destination, received_ms, to_bytes(record)) for record in admission.records]
            # What was sealed is all that is kept while the commit is waited for: less to hold, and its memory is
            # still warm for the next event.
            admission.sealed_for = names
            admission.records = []
            appends.append(Append(site.id, admission.digest, names, tuple(sealed), rows))
            places.append(place)
        return appends, places

    async def _latest(self, subjects: frozenset[bytes]) -> Mapping[bytes, Any]:
        wanted = list(subjects)
        try:
            return dict(zip(wanted, await self._ledger.latest(wanted), strict=True))
        except StoreUnavailable:
            raise store_away() from None

    @staticmethod
    def _mark_duplicates(
        admissions: Sequence[Admission], places: Sequence[int], queued: Sequence[tuple[bool, ...]]
    ) -> None:
        for place, flags in zip(places, queued, strict=True):
            if False not in flags:
                continue
            admission = admissions[place]
            for name, is_new in zip(admission.sealed_for, flags, strict=True):
                if not is_new:
                    admission.destinations[name] = DUPLICATE
            if not any(flags):
                admission.outcome, admission.reason = Outcome.DUPLICATE, "event_id_seen"


def _rows(admission: Admission, written: set[tuple[int, int]]) -> tuple[Row, ...]:
    """Ledger rows of one event; a batch writes one and the same act of a visitor once.

    Each row knows the others' references, so that a withdrawal that names one identifier reaches the rest.
    """
    act = admission.act
    if act is None:
        return ()
    subjects = admission.subjects
    said = (id(subjects), id(act))  # of one visit: its events share both
    if said in written:
        return ()
    written.add(said)
    brief = not admission.is_known
    return tuple([Row(one, act, admission.lowers, others(one, subjects), brief) for one in subjects])


def _result(admission: Admission) -> dict[str, Any]:
    destinations = admission.destinations
    return {
        "event_id": admission.event_id,
        "outcome": admission.outcome,
        "reason": admission.reason,
        "destinations": destinations,
    }
