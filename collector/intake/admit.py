"""THE SPINE.  An event comes in; an Admission says what becomes of it, and holds a record per destination.

    filters -> hear the signals -> decide -> for each destination of the site: may it? -> minimise, pseudonymise

Pure and synchronous: no clock, no store, no network. `serve` and `sluis explain` run this very code.
A drop is a value with a reason, never an exception.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.intake import pseudonymise
from collector.intake.event import Event
from collector.intake.facts import Facts
from collector.intake.filters import FILTERS
from collector.intake.outcome import Outcome, Skipped
from collector.intake.pseudonymise import DomainKeys, Visitor
from collector.intake.record import Record
from collector.intake.site import Identity, Site, Target
from consent.decide import decide
from consent.model import Choice, Decision, Reason, Signal
from consent.signals import gpc, recorded
from consent.signals import site as site_signal
from consent.signals.site import Statement

QUEUED = "queued"
DUPLICATE = "duplicate"
MIXED = "no_destination_permitted"


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said about consent for one event, and what follows."""

    statement: Statement | None
    decision: Decision
    choice_id: str | None
    country: str


@dataclass(slots=True)
class Admission:
    """The fate of one event at the door. `act` (or what `lowers`) is for the ledger, under `subjects`."""

    outcome: Outcome
    event_id: str
    reason: str | None = None
    destinations: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    heard: Heard | None = None
    subjects: list[bytes] = field(default_factory=list)
    digest: bytes = b""
    act: Choice | None = None
    lowers: bool = False


def admit(event: Event, facts: Facts, site: Site, heard: Heard, keys: DomainKeys) -> Admission:
    """Decide one event. Raises KeyMissing if its pseudonyms cannot be made."""
    admission = Admission(Outcome.REFUSED, event.event_id or "", heard=heard)
    for reason in (found for check in FILTERS if (found := check(event, facts))):
        admission.outcome, admission.reason = Outcome.FILTERED, reason
        return admission
    visitor = Visitor(event, heard.choice_id, site, keys, facts.received_ms)
    admission.subjects, admission.digest = visitor.subjects, visitor.digest
    for target in site.targets:
        why_not = _why_not(event, facts, site, target, heard.decision)
        if why_not is None:
            made = pseudonymise.record(event, facts, site, target, visitor, heard.decision, heard.country)
            admission.records.append(made)
        admission.destinations[target.name] = QUEUED if why_not is None else f"skipped:{why_not}"
    _conclude(admission, heard.statement, visitor)
    return admission


def hear(said: Any, facts: Facts, site: Site, latest: Iterable[Choice | None] = ()) -> Heard:
    """Read every signal and decide. `said` is the statement, `latest` the ledger's choices if they were read."""
    policy, now_ms = site.policy, facts.received_ms
    statement = site_signal.read(said, policy, now_ms)
    said = said if isinstance(said, Mapping) else {}
    signals = (
        None if statement is None else statement.signal,
        recorded.read(latest, policy, now_ms),
        gpc.read(facts.sec_gpc, said),
    )
    region = _text(said.get("region"))
    decision = decide(_heard(signals), policy, region)
    country = region[:2].upper() if region and region[:2].isascii() and region[:2].isalpha() else ""
    return Heard(statement, decision, _text(said.get("choice_id")), country)


def needs_ledger(heard: Heard, site: Site) -> bool:
    """Whether the recorded choice could change a decision that so far lets nothing through."""
    if heard.statement is not None and heard.statement.act is not None:
        return False
    return not any(heard.decision.allows(target.recipient, target.required) for target in site.targets)


def _heard(signals: Iterable[Signal | None]) -> list[Signal]:
    return [signal for signal in signals if signal is not None]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 256 else None  # noqa: PLR2004 -- as event.Identifier


def _why_not(event: Event, facts: Facts, site: Site, target: Target, decision: Decision) -> Reason | Skipped | None:
    if not decision.allows(target.recipient, target.required):
        return decision.why_not(target.recipient, target.required)
    if site.for_children and target.advertises:
        return Skipped.CHILDREN
    occurred_ms = facts.received_ms if event.occurred_ms is None else event.occurred_ms
    if occurred_ms < facts.received_ms - target.row.max_age_ms:
        return Skipped.TOO_OLD
    if target.identity is Identity.COMPANION and not pseudonymise.companion_client_id(event):
        return Skipped.NO_CLIENT_ID
    return None


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
