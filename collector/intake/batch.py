"""A request body, whole: parsed, each event admitted, one result per event in the order they came.

The choice in the ledger may be needed (an event that says nothing of consent, or a site whose choices must be
recorded). Since no event is kept across an await, the first pass then names the references it `wants`, and the
caller runs a second pass over the same bytes with the answers.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec

from collector.intake.admit import Admission, admit
from collector.intake.domains import DomainKeys, KeyMissing
from collector.intake.event import Body, Event, Invalid, read_event
from collector.intake.facts import Facts
from collector.intake.heard import Heard, hear, needs_ledger
from collector.intake.outcome import Outcome
from collector.intake.site import Site
from collector.intake.visit import Visit, Visitor
from consent.model import Choice
from consent.signals.site import combine

Latest = Mapping[bytes, Choice | None]


class BadBatch(Exception):
    """The body is JSON but not an event or a batch of events."""


class TooManyEvents(BadBatch):
    """More events than [limits] batch_events."""


class Admitted(msgspec.Struct, frozen=True):
    """One admission per event, what should not have happened (for the log), and what the ledger is needed for."""

    admissions: list[Admission]
    faults: list[Exception]
    wants: frozenset[bytes]
    """References to look up before these admissions count; empty if they stand."""


class Batch(msgspec.Struct):
    """What the events of one request share, and what was found out about its visitors."""

    facts: Facts
    site: Site
    keys: DomainKeys
    body: Body
    consent: Any
    context: Any
    latest: Latest | None
    alone: bool
    heard: Heard | None = None
    visits: dict[tuple[Any, ...], Visit] = {}
    wants: set[bytes] = set()
    faults: list[Exception] = []

    def visit_of(self, event: Event) -> Visit:
        """The visit this event belongs to; events that say the same of visitor and consent share one."""
        if self.alone:
            return self._new_visit(event)
        said = None if event.consent is None else repr(event.consent)
        key = (event.client_id, event.user_id, event.session_id, said, event.context)
        visit = self.visits.get(key)
        if visit is None:
            visit = self._new_visit(event)
            if visit.visitor.is_known:
                visit.is_shared = True
                self.visits[key] = visit
        return visit

    def _new_visit(self, event: Event) -> Visit:
        said = combine(self.consent, event.consent)
        heard = self._hear(event, said)
        visitor = Visitor(event, heard.choice_ids, self.site, self.keys)
        if needs_ledger(heard, self.site):
            if not visitor.is_known:
                if heard.rests_on_strings:
                    heard = hear(said, self.facts, self.site, [None])  # there is nobody to have a record
            elif self.latest is None:
                self.wants.update(visitor.subjects)
            else:
                heard = hear(said, self.facts, self.site, [self.latest.get(subject) for subject in visitor.subjects])
        return Visit(event, visitor, self.facts, self.site, heard, self.keys)

    def _hear(self, event: Event, said: Any) -> Heard:
        """What was said, heard once for all events that say nothing of their own."""
        if event.consent is not None:
            return hear(said, self.facts, self.site)
        if self.heard is None:
            self.heard = hear(said, self.facts, self.site)
        return self.heard


def admit_body(
    body: Body, facts: Facts, site: Site, keys: DomainKeys, max_events: int, latest: Latest | None
) -> Admitted:
    """Admit every event of a body. With `latest` None the ledger has not been read yet.

    Raises BadBatch or TooManyEvents for the request, KeyMissing if nothing can be pseudonymised now.
    """
    raw_events, consent, context = _unpack(body.json, max_events)
    batch = Batch(facts, site, keys, body, consent, context, latest, alone=len(raw_events) == 1)
    admissions = [_admit_one(raw, batch) for raw in raw_events]
    return Admitted(admissions, batch.faults, frozenset(batch.wants))


def _unpack(said: Any, max_events: int) -> tuple[list[Any], Any, Any]:
    if not isinstance(said, dict):
        raise BadBatch('the body must be one event, or {"events": [...]}')
    if "events" not in said:
        return [said], None, None
    events = said["events"]
    if not isinstance(events, list) or not events:
        raise BadBatch("events must be a list with at least one event")
    if len(events) > max_events:
        raise TooManyEvents(f"events holds {len(events)} events; at most {max_events} are taken at once")
    return events, said.get("consent"), said.get("context")


def _admit_one(raw: Any, batch: Batch) -> Admission:
    event_id = _event_id(raw)
    try:
        event = read_event(_in_context(raw, batch.context), batch.body)
        event.event_id = event_id
        return admit(event, batch.facts, batch.site, batch.visit_of)
    except Invalid as fault:
        return Admission(Outcome.INVALID, event_id, reason=str(fault))
    except KeyMissing:
        raise
    except Exception as fault:  # noqa: BLE001 -- the one place where the unforeseen becomes an outcome
        batch.faults.append(fault)
        return Admission(Outcome.INTERNAL_ERROR, event_id, reason="internal_error")


def _event_id(raw: Any) -> str:
    stated = raw.get("event_id") if isinstance(raw, dict) else None
    return stated if isinstance(stated, str) and 0 < len(stated) <= 256 else uuid4().hex  # noqa: PLR2004


def _in_context(raw: Any, context: Any) -> Any:
    """The event with the batch's context where it has none of its own; one that is no object stays to be refused."""
    if context is None or not isinstance(raw, dict):
        return raw
    own = raw.get("context")
    if isinstance(context, dict) and own is not None:
        context = {**context, **own} if isinstance(own, dict) else own
    return {**raw, "context": context}
