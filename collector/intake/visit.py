"""A visit: what the events of one visitor share within one request.

Identifiers, their references, the period, and per destination the part of a record that does not change from event
to event. A batch of one visitor makes it once. It lives within one synchronous step.
"""

from functools import lru_cache
from typing import Final

import msgspec

from collector.intake import ga_cookies, minimise
from collector.intake.device import coarse_device, primary_language
from collector.intake.domains import DomainKeys, Mac
from collector.intake.event import Event
from collector.intake.facts import Facts
from collector.intake.heard import Heard
from collector.intake.outcome import Skipped
from collector.intake.periods import period_of, quarter_of
from collector.intake.record import Record
from collector.intake.site import Identity, Site, Target
from consent.kinds import Allowed, allowed_fields
from consent.model import NOTHING, Decision, Reason

SUBJECT_BYTES: Final = 16


def reference(key: Mac, label: str, value: str) -> bytes:
    """The 16-byte ledger reference of one identifier; `label` is choice, client, user or event."""
    return key.digest(f"{label}\0{value}")[:SUBJECT_BYTES]


class Visitor:
    """The identifiers an event carries, and the references by which the ledger knows them."""

    __slots__ = ("best", "client_id", "is_known", "subject_key", "subjects", "user_id")

    def __init__(self, event: Event, choice_ids: tuple[str, ...], site: Site, keys: DomainKeys) -> None:
        key = self.subject_key = keys.subject(site.id)
        self.client_id = event.client_id
        self.user_id = None if event.user_id is None else str(event.user_id)
        known = [reference(key, "choice", choice_id) for choice_id in choice_ids]
        if event.client_id:
            known.append(reference(key, "client", event.client_id))
        if self.user_id:
            known.append(reference(key, "user", self.user_id))
        self.is_known = bool(known)
        self.subjects = known or [reference(key, "event", event.event_id or "")]
        self.best = event.client_id or next(iter(choice_ids), None) or self.user_id or event.event_id or ""


class Step(msgspec.Struct, frozen=True):
    """What one decision means for one destination: the record to begin with, or why there is none."""

    target: Target
    refusal: Reason | Skipped | None
    allowed: Allowed
    prototype: Record


class Visit:
    """A visitor, what was heard of them, and a draft record (or a reason) per destination of the site."""

    __slots__ = ("drafts", "heard", "is_shared", "visitor")

    def __init__(
        self, event: Event, visitor: Visitor, facts: Facts, site: Site, heard: Heard, keys: DomainKeys
    ) -> None:
        self.is_shared = False
        self.visitor = visitor
        self.heard = heard
        self.drafts: list[tuple[Step, Record | Reason | Skipped]] = []
        told: _Told | None = None
        for step in _steps(site, heard.decision):
            if step.refusal is not None:
                self.drafts.append((step, step.refusal))
                continue
            if told is None:
                told = _Told(event, facts, heard, keys)
            self.drafts.append((step, self._draft(step, told, site, keys)))

    def _draft(self, step: Step, told: "_Told", site: Site, keys: DomainKeys) -> Record | Skipped:
        target, allowed, visitor = step.target, step.allowed, self.visitor
        draft = step.prototype.another()
        draft.received_ms = told.received_ms
        draft.subjects = visitor.subjects
        draft.language = primary_language(told.language)
        draft.country = self.heard.country
        key = keys.domain(told.period, site.id, target.name)
        if target.kind == "ga4":
            draft.device = coarse_device(told.user_agent, told.language)
            if not self._identify_for_ga4(draft, told.event, target, key):
                return Skipped.NO_CLIENT_ID
        if target.sends_external_id:
            draft.external_id = key.digest(f"external\0{visitor.user_id or visitor.best}").hex()
        if allowed.click_ids:
            context = told.event.context
            draft.fbp = minimise.browser_id(context.fbp)
            draft.fbc = minimise.click_cookie(context.fbc)
        if allowed.user_agent:
            draft.user_agent = told.user_agent
        return draft

    def _identify_for_ga4(self, draft: Record, event: Event, target: Target, key: Mac) -> bool:
        """Companion: the tag's own client id and session. Keyed: pseudonyms of a valid form."""
        visitor = self.visitor
        session = "" if event.session_id is None else str(event.session_id)
        if visitor.user_id:
            draft.user_id = key.digest(f"user\0{visitor.user_id}").hex()[:32]
        if target.identity is Identity.COMPANION:
            own = ga_cookies.session_id(event.context.ga_session_cookie)
            draft.client_id = ga_cookies.client_id(event.context.ga_cookie) or ga_cookies.client_id(visitor.client_id)
            draft.session_id = own or (session if session.isascii() and session.isdigit() else "")
            return bool(draft.client_id)
        client = key.digest(f"client\0{visitor.best}")
        draft.client_id = f"{_ten_digits(client[:8])}.{_ten_digits(client[8:16])}"
        # A page without sessions gets one a day and visitor: GA4 reports nothing without a session.
        session = session or f"day\0{draft.received_ms // 86_400_000}"
        draft.session_id = str(_ten_digits(key.digest(f"session\0{visitor.best}\0{session}")[:8]))
        return True


class _Told:
    """What the first event and its request tell of the visitor, for all destinations."""

    __slots__ = ("event", "language", "period", "received_ms", "user_agent")

    def __init__(self, event: Event, facts: Facts, heard: Heard, keys: DomainKeys) -> None:
        context = event.context
        self.event = event
        self.received_ms = facts.received_ms
        self.language = context.language or facts.language
        self.user_agent = context.user_agent or facts.user_agent
        self.period = period_of(heard.choice_id, facts.received_ms)
        if not keys.has(self.period):
            # Chosen before this key ring existed: the quarter's root, and it stays that.
            self.period = quarter_of(facts.received_ms)


def _ten_digits(digest: bytes) -> int:
    return 1_000_000_000 + int.from_bytes(digest, "big") % 1_147_483_647


@lru_cache(maxsize=1024)
def _steps(site: Site, decision: Decision) -> tuple[Step, ...]:
    """A decision is made once for all who say the same, and so is what follows from it."""
    return tuple(_step(site, target, decision) for target in site.targets)


def _step(site: Site, target: Target, decision: Decision) -> Step:
    granted = decision.granted.get(target.recipient, NOTHING)
    refusal: Reason | Skipped | None = None
    if not decision.allows(target.recipient, target.required):
        refusal = decision.why_not(target.recipient, target.required)
    elif site.for_children and target.advertises:
        refusal = Skipped.CHILDREN
    prototype = Record(  # copied, never changed
        site=site.id,
        destination=target.name,
        kind=target.kind,
        recipient=target.recipient,
        event_id="",
        name="",
        occurred_ms=0,
        received_ms=0,
        granted=sorted(purpose.value for purpose in granted),
        regime=decision.regime,
        policy_hash=decision.policy_hash,
    )
    return Step(target, refusal, allowed_fields(target.kind, granted), prototype)
