"""Keyed, domain-separated identifiers; the only maker of `Record`.

Rules
1. A pseudonym is HMAC-SHA-256 under a key derived (HKDF-Expand, RFC 5869) from a random root of the visitor's
   period, the site and the destination: two sites, destinations or periods give values that cannot be joined.
2. A subject reference, by which the ledger and the recheck know a visitor, rests on the site's subject key, which
   has no period: a withdrawal must find what was said months ago.
3. Without its root nothing is made: KeyMissing, and the caller answers 503.
4. Match keys are hashed as the vendor demands. That is a disclosure to the vendor, never called a pseudonym.
"""

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from collector.intake import ga_cookies, match_keys, minimise
from collector.intake.device import coarse_device
from collector.intake.event import Event
from collector.intake.facts import Facts
from collector.intake.periods import period_of, quarter_of
from collector.intake.record import Record
from collector.intake.site import Identity, Site, Target
from consent.kinds import FieldClass
from consent.model import NOTHING, Decision, Purposes

SUBJECT_BYTES: Final = 16
DIGEST_BYTES: Final = 10
_CACHED_KEYS: Final = 4096
_RECIPES: Final = {"meta": match_keys.meta, "google": match_keys.google}


class KeyMissing(Exception):  # noqa: N818 -- a state of the key ring
    """A root that should exist does not. Nothing can be pseudonymised without it."""


class Roots(Protocol):
    """Where random roots come from: the key ring, or throw-away keys in `sluis explain`."""

    def root(self, key_id: str) -> bytes | None:
        """32 random bytes, or None if there is no such root (any more)."""
        ...


class DomainKeys:
    """Keys derived from roots, remembered because a derivation costs as much as a pseudonym."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._derived: dict[tuple[str, ...], bytes] = {}

    def subject(self, site: str) -> bytes:
        """The site's subject key, without period."""
        return self._derive("subject", "subject", site)

    def domain(self, period: str, site: str, destination: str) -> bytes:
        """The key of one destination of one site in one period."""
        return self._derive(period, "destination", site, destination)

    def has(self, key_id: str) -> bool:
        """Whether the root of a period exists."""
        return self._roots.root(key_id) is not None

    def _derive(self, key_id: str, *labels: str) -> bytes:
        key = self._derived.get((key_id, *labels))
        if key is None:
            root = self._roots.root(key_id)
            if root is None:
                raise KeyMissing(key_id)
            if len(self._derived) >= _CACHED_KEYS:
                self._derived.clear()
            info = b"".join(len(part).to_bytes(2, "big") + part for part in (label.encode() for label in labels))
            key = self._derived[(key_id, *labels)] = hmac.digest(root, b"sluis-v1" + info + b"\x01", "sha256")
        return key


def reference(subject_key: bytes, label: str, value: str) -> bytes:
    """The 16-byte ledger reference of one identifier; `label` is choice, client, user or event."""
    return hmac.digest(subject_key, f"{label}\0{value}".encode(), "sha256")[:SUBJECT_BYTES]


class Visitor:
    """The identifiers one event carries, and their references. Lives within one synchronous step."""

    __slots__ = ("_keys", "_site", "best", "digest", "is_known", "period", "subjects", "user_id")

    def __init__(self, event: Event, choice_id: str | None, site: Site, keys: DomainKeys, now_ms: int) -> None:
        event_id = event.event_id or ""
        self._keys, self._site = keys, site.id
        self.user_id = None if event.user_id is None else str(event.user_id)
        stated = (("choice", choice_id), ("client", event.client_id), ("user", self.user_id))
        key = keys.subject(site.id)
        known = [reference(key, label, value) for label, value in stated if value]
        self.is_known = bool(known)
        self.subjects = known or [reference(key, "event", event_id)]
        self.best = event.client_id or choice_id or self.user_id or event_id
        self.period = period_of(choice_id, now_ms)
        if not keys.has(self.period):
            # Chosen before this key ring existed: the quarter's root, and it stays that.
            self.period = quarter_of(now_ms)
        self.digest = hashlib.blake2b(self.subjects[0] + event_id.encode(), digest_size=DIGEST_BYTES, key=key).digest()

    def pseudonym(self, target: Target, label: str, value: str) -> bytes:
        """32 bytes for one identifier in one destination's own domain."""
        key = self._keys.domain(self.period, self._site, target.name)
        return hmac.digest(key, f"{label}\0{value}".encode(), "sha256")


def record(
    event: Event, facts: Facts, site: Site, target: Target, visitor: Visitor, decision: Decision, country: str
) -> Record:
    """What one destination may have of one event. Needs the decision that allows it."""
    granted = decision.granted.get(target.recipient, NOTHING)
    row = target.row
    occurred_ms = facts.received_ms if event.occurred_ms is None else event.occurred_ms
    user_agent = event.context.user_agent or facts.user_agent
    language = event.context.language or facts.language
    page, title = event.page, event.page.title or ""
    made = Record(
        site=site.id,
        destination=target.name,
        kind=target.kind,
        recipient=target.recipient,
        event_id=event.event_id or "",
        name=event.name,
        occurred_ms=occurred_ms,
        received_ms=facts.received_ms,
        granted=_names(granted),
        regime=decision.regime,
        policy_hash=decision.policy_hash,
        subjects=visitor.subjects,
        engagement_ms=_engagement(event.properties),
        page_url=minimise.address(page.url or facts.referer or f"{facts.origin}/", row.query),
        page_referrer=minimise.address(page.referrer, row.query),
        page_title=minimise.text(title) if event.mentions_at else title,
        language=language[:2].lower(),
        country=country,
        properties=_properties(event, row.properties),
    )
    if target.kind == "ga4":
        _identify_ga4(made, event, target, visitor)
        made.device = coarse_device(user_agent, language)
    if target.sends_external_id:
        made.external_id = visitor.pseudonym(target, "external", visitor.user_id or visitor.best).hex()
    if event.user is not None and row.match_keys and row.may_have(FieldClass.MATCH_KEYS, granted):
        made.match_keys = _match_keys(event, row.match_keys, site.default_country)
    if row.may_have(FieldClass.CLICK_IDS, granted):
        made.fbp = minimise.browser_id(event.context.fbp)
        made.fbc = minimise.click_id(event.context.fbc, page.url, occurred_ms)
    if row.may_have(FieldClass.USER_AGENT, granted):
        made.user_agent = user_agent
    return made


def _identify_ga4(made: Record, event: Event, target: Target, visitor: Visitor) -> None:
    """Companion: the tag's own client id and session. Keyed: pseudonyms of a valid form."""
    session = "" if event.session_id is None else str(event.session_id)
    if visitor.user_id:
        made.user_id = visitor.pseudonym(target, "user", visitor.user_id).hex()[:32]
    if target.identity is Identity.COMPANION:
        made.client_id = companion_client_id(event)
        own = ga_cookies.session_id(event.context.ga_session_cookie)
        made.session_id = own or (session if session.isascii() and session.isdigit() else "")
        return
    client = visitor.pseudonym(target, "client", visitor.best)
    made.client_id = f"{_ten_digits(client[:8])}.{_ten_digits(client[8:16])}"
    # A page without sessions gets one a day and visitor: GA4 reports nothing without a session.
    session = session or f"day\0{made.occurred_ms // 86_400_000}"
    made.session_id = str(_ten_digits(visitor.pseudonym(target, "session", f"{visitor.best}\0{session}")[:8]))


def companion_client_id(event: Event) -> str:
    """The client id the tag on the page uses; empty if the event does not carry it."""
    return ga_cookies.client_id(event.context.ga_cookie) or ga_cookies.client_id(event.client_id)


def _ten_digits(digest: bytes) -> int:
    return 1_000_000_000 + int.from_bytes(digest, "big") % 1_147_483_647


def _engagement(properties: Mapping[str, Any]) -> int:
    stated = properties.get("engagement_time_msec")
    return max(int(stated), 1) if isinstance(stated, int | float) else 1


def _properties(event: Event, keep: frozenset[str] | None) -> dict[str, Any]:
    kept = event.properties
    if keep is not None:
        kept = {key: value for key, value in kept.items() if key in keep}
    return minimise.texts(kept) if event.mentions_at else kept


def _match_keys(event: Event, recipe: str, default_country: str | None) -> dict[str, Any]:
    user = event.user
    if user is None:
        return {}
    stated = {field: value for field in user.__struct_fields__ if (value := getattr(user, field))}
    return _RECIPES[recipe](stated, default_country)


@lru_cache(maxsize=256)
def _names(granted: Purposes) -> list[str]:
    return sorted(granted)
