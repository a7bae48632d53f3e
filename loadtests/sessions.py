"""Visits to a shop, as `load` plays them: pages, a basket, sometimes a purchase, and what the visitor chose.

Each kind of visitor knows which destinations may be given what it sends (`ga4` and `meta`, as `sluis up` names
them), so that a load test is a consent test too: an answer that queues more than that is a leak.
Contact data is made up: addresses at example.com (RFC 2606), telephone numbers that Ofcom reserves for drama.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from loadtests.visitors import moment

BOTH: Final = frozenset({"ga4", "meta"})
GA4_ONLY: Final = frozenset({"ga4"})
NOBODY: Final[frozenset[str]] = frozenset()

_PURPOSES: Final = ("analytics_storage", "ad_storage", "ad_user_data", "ad_personalization")
_ALL: Final = dict.fromkeys(_PURPOSES, "granted")
_NONE: Final = dict.fromkeys(_PURPOSES, "denied")
_GOODS: Final = (("lantern", 59.0), ("compass", 24.5), ("rope", 12.0), ("kettle", 35.9))
_SENT_TWICE: Final = 0.02
"""Share of beacons whose answer is lost, so that the page sends the same events again."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of visitor: the statement, who may receive, how many of a hundred visits."""

    name: str
    statement: Mapping[str, Any] | None
    may: frozenset[str]
    share: int
    withdraws: bool = False


KINDS: Final = (
    Kind("accepts all", _ALL, BOTH, 45),
    Kind("analytics only", {**_NONE, "analytics_storage": "granted"}, GA4_ONLY, 18),
    Kind("Google only", {**_ALL, "recipients": {"google": {}}}, GA4_ONLY, 5),
    Kind("refuses", _NONE, NOBODY, 20),
    Kind("says nothing", None, NOBODY, 6),
    Kind("withdraws", _ALL, BOTH, 6, withdraws=True),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a visit. `may` are the destinations that may be queued by it."""

    method: str
    path: str
    body: Mapping[str, Any]
    may: frozenset[str]


def kind_of(rng: Random) -> Kind:
    """A kind of visitor, by share."""
    return rng.choices(KINDS, [kind.share for kind in KINDS])[0]


def visit(kind: Kind, rng: Random, now: datetime, shop: str) -> Iterator[Step]:
    """The requests of one visit to the pages of `shop` (an origin), in order."""
    visitor = _Visitor(kind, rng, now, shop)
    if visitor.act is not None:
        yield Step("POST", "/v1/consent", visitor.act, NOBODY)
    for step in visitor.walk():
        yield step
        if rng.random() < _SENT_TWICE:
            yield step
    if kind.withdraws:
        yield Step("DELETE", "/v1/consent", visitor.identifiers, NOBODY)
        yield visitor.after_withdrawal()


class _Visitor:
    """What one visitor sends. Who did not consent has no identifier, as `/sluis.js` has it."""

    def __init__(self, kind: Kind, rng: Random, now: datetime, shop: str) -> None:
        self._kind, self._rng, self._now, self._shop = kind, rng, now, shop
        self._number = rng.getrandbits(48)
        self.identifiers: dict[str, str] = {}
        self._consent: dict[str, Any] | None = None
        if kind.statement is not None:
            chose = now - timedelta(seconds=rng.randrange(3, 3600))
            self._consent = {**kind.statement, "origin": "choice", "decided_at": moment(chose)}
            if kind.may:
                choice_id = f"{chose:%Y%m%d}.{rng.getrandbits(96):024x}"
                self._consent["choice_id"] = choice_id
                client_id = f"{rng.randrange(10**9, 2 * 10**9)}.{int(chose.timestamp())}"
                self.identifiers = {"choice_id": choice_id, "client_id": client_id}

    @property
    def act(self) -> Mapping[str, Any] | None:
        """What the banner reports, if something was chosen and granted."""
        if self._consent is None or not self.identifiers:
            return None
        return {**self._consent, **self.identifiers, "language": "en", "ui_version": "load-1"}

    def walk(self) -> Iterator[Step]:
        """Pages, basket, checkout, purchase; each next one is reached by fewer."""
        goods, price = self._rng.choice(_GOODS)
        seen = {"currency": "EUR", "value": price, "items": [{"item_id": goods, "item_name": goods, "price": price}]}
        yield self._beacon("/", self._event("page_view"))
        for _ in range(self._rng.randrange(3)):
            yield self._beacon("/lamps", self._event("page_view"), self._event("view_item_list"))
        yield self._beacon(f"/{goods}", self._event("page_view"), self._event("view_item", seen))
        if self._rng.random() < 0.4:
            yield self._beacon(f"/{goods}", self._event("add_to_cart", seen))
            if self._rng.random() < 0.6:
                yield self._beacon("/checkout", self._event("page_view"), self._event("begin_checkout", seen))
                if self._rng.random() < 0.7:
                    yield self._beacon("/thanks", self._event("page_view"), self._purchase(seen))

    def after_withdrawal(self) -> Step:
        """Another tab that has not heard of it yet: no statement any more, but the client id still."""
        last = {**self._event("page_view"), "client_id": self.identifiers["client_id"]}
        return Step("POST", "/v1/events", {"events": [last]}, NOBODY)

    def _beacon(self, path: str, *events: dict[str, Any]) -> Step:
        page = {"url": f"{self._shop}{path}", "referrer": f"{self._shop}/", "title": path.strip("/").title()}
        body: dict[str, Any] = {"events": [{**event, "page": page} for event in events]}
        if self._consent is not None:
            body["consent"] = self._consent
        return Step("POST", "/v1/events", body, self._kind.may)

    def _event(self, name: str, properties: Mapping[str, Any] | None = None) -> dict[str, Any]:
        event: dict[str, Any] = {
            "event_id": f"{self._rng.getrandbits(128):032x}",
            "name": name,
            "timestamp": moment(self._now),
            "properties": dict(properties or {}),
        }
        if self.identifiers:
            event |= {"client_id": self.identifiers["client_id"], "session_id": str(int(self._now.timestamp()))}
        return event

    def _purchase(self, seen: Mapping[str, Any]) -> dict[str, Any]:
        event = self._event("purchase", {**seen, "transaction_id": f"T{self._number:012x}"})
        user = {
            "email": f"jane.doe.{self._number:x}@example.com",
            "phone": f"+44 20 7946 0{self._rng.randrange(1000):03}",
            "first_name": "Jane",
            "last_name": "Doe",
            "city": "London",
            "country": "GB",
        }
        return {**event, "user": user} if "meta" in self._kind.may else event
