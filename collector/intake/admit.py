"""THE SPINE.  An event comes in; an Admission says what becomes of it, and holds a record per destination.

    filters -> hear the signals -> decide -> for each destination of the site: may it? -> minimise, pseudonymise

Pure and synchronous: no clock, no store, no network. `serve` and `sluis explain` run this very code.
A drop is a value with a reason, never an exception.
"""

from collections.abc import Callable

import msgspec

from collector.intake.event import Event
from collector.intake.facts import Facts
from collector.intake.filters import FILTERS
from collector.intake.heard import Heard
from collector.intake.outcome import Outcome, Skipped
from collector.intake.pseudonymise import Told, dedupe_digest, record
from collector.intake.record import Record
from collector.intake.site import Site
from collector.intake.visit import Visit, Visitor
from consent.model import Choice
from consent.signals.site import Statement

QUEUED = "queued"
DUPLICATE = "duplicate"
MIXED = "no_destination_permitted"


class Admission(msgspec.Struct):
    """The fate of one event at the door. `act` (or what `lowers`) is for the ledger, under `subjects`."""

    outcome: Outcome
    event_id: str
    reason: str | None = None
    destinations: dict[str, str] = msgspec.field(default_factory=dict)
    records: list[Record] = msgspec.field(default_factory=list)
    sealed_for: tuple[str, ...] = ()
    """The destinations whose records were sealed; the records themselves are gone then."""
    heard: Heard | None = None
    subjects: list[bytes] = msgspec.field(default_factory=list)
    is_known: bool = True
    """Whether the event carries an identifier of its visitor; else its one subject is the event itself."""
    digest: bytes = b""
    act: Choice | None = None
    lowers: bool = False


def admit(event: Event, facts: Facts, site: Site, visit_of: Callable[[Event], Visit]) -> Admission:
    """Decide one event. `visit_of` hears and decides, once per visitor; raises KeyMissing without its keys."""
    admission = Admission(Outcome.REFUSED, event.event_id or "")
    for check in FILTERS:
        if reason := check(event, facts):
            admission.outcome, admission.reason = Outcome.FILTERED, reason
            return admission
    visit = visit_of(event)
    admission.heard, admission.subjects = visit.heard, visit.visitor.subjects
    admission.is_known = visit.visitor.is_known
    admission.digest = dedupe_digest(visit.visitor, event)
    told = Told(event, facts, site)
    for step, draft in visit.drafts:
        name = step.target.name
        if not isinstance(draft, Record):
            admission.destinations[name] = f"skipped:{draft}"
        elif told.occurred_ms < facts.received_ms - step.target.max_age_ms:
            admission.destinations[name] = f"skipped:{Skipped.TOO_OLD}"
        else:
            begun = draft.another() if visit.is_shared else draft
            admission.records.append(record(begun, told, step.target, step.allowed))
            admission.destinations[name] = QUEUED
    _conclude(admission, visit.heard.statement, visit.visitor)
    return admission


def _conclude(admission: Admission, statement: Statement | None, visitor: Visitor) -> None:
    # A refusal by nobody in particular leaves no row: there is no one to remember it for.
    if statement is not None and (visitor.is_known or admission.records):
        admission.act = statement.act or statement.lowers
        admission.lowers = statement.act is None
    if admission.records:
        admission.outcome = Outcome.ACCEPTED
        return
    reasons = {result.removeprefix("skipped:") for result in admission.destinations.values()}
    admission.reason = reasons.pop() if len(reasons) == 1 else MIXED
