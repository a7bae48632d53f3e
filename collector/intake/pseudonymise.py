"""The only maker of `Record`: a visit's draft for one destination, completed with one event.

Rules
1. A pseudonym is keyed per site, destination and period (domains.py): two sites, destinations or periods give
   values that cannot be joined.
2. URLs and texts are minimised for this destination's kind; properties are cut to what the kind takes.
3. Match keys are hashed here, as the vendor demands, and the raw value goes no further. That is a disclosure to the
   vendor and never called a pseudonym.
"""

from collections.abc import Mapping
from typing import Any, Final

from collector.intake import match_keys, minimise
from collector.intake.event import Event, User
from collector.intake.facts import Facts
from collector.intake.record import Record
from collector.intake.site import Site, Target
from collector.intake.visit import Visitor
from consent.kinds import Allowed, Kind

_RECIPES: Final = {"meta": match_keys.meta, "google": match_keys.google}


def dedupe_digest(visitor: Visitor, event: Event) -> bytes:
    """10 keyed bytes of site (its key), subject and event id: what makes this event itself."""
    return visitor.subject_key.brief(visitor.subjects[0] + (event.event_id or "").encode())


class Told:
    """What every record of one event is made from, worked out once."""

    __slots__ = ("engagement_ms", "event", "is_plain", "occurred_ms", "referrer", "site", "title", "url")

    def __init__(self, event: Event, facts: Facts, site: Site) -> None:
        page, title = event.page, event.page.title or ""
        self.event = event
        self.site = site
        self.occurred_ms = facts.received_ms if event.occurred_ms is None else event.occurred_ms
        self.url = minimise.split(page.url)
        if not self.url[0]:
            self.url = minimise.first(facts.referer, f"{facts.origin}/")
        self.referrer = minimise.split(page.referrer)
        self.engagement_ms = _engagement(event.properties)
        self.title = minimise.text(title) if event.mentions_at else title
        self.is_plain = not event.mentions_at and minimise.is_plain(event.properties)


def record(made: Record, told: Told, target: Target, allowed: Allowed) -> Record:
    """What one destination may have of one event, made of a draft that is the event's own.

    There is a draft only where a decision allows it.
    """
    row, event = target.row, told.event
    url, keep = event.page.url, row.query
    made.page_url, query = told.url
    made.page_referrer, referring = told.referrer
    if query:
        made.page_url = minimise.joined(told.url, keep)
    if referring:
        made.page_referrer = minimise.joined(told.referrer, keep)
    made.event_id = event.event_id or ""
    made.name = event.name
    made.occurred_ms = told.occurred_ms
    made.engagement_ms = told.engagement_ms
    made.page_title = told.title
    made.properties = _properties(told, row)
    if event.user is not None and row.match_keys and allowed.match_keys:
        made.match_keys = _match_keys(event.user, row.match_keys, told.site.default_country)
    if url and allowed.click_ids and not made.fbc:
        made.fbc = minimise.click_id(url, min(told.occurred_ms, made.received_ms))
    return made


def _engagement(properties: Mapping[str, Any]) -> int:
    stated = properties.get("engagement_time_msec")
    return max(int(stated), 1) if isinstance(stated, (int, float)) else 1


def _properties(told: Told, row: Kind) -> dict[str, Any]:
    kept = told.event.properties
    if row.properties is not None:
        kept = {key: value for key, value in kept.items() if key in row.properties}
    return kept if told.is_plain else minimise.properties(kept, row.query)


def _match_keys(user: User, recipe: str, default_country: str | None) -> dict[str, Any]:
    stated = {field: value for field in user.__struct_fields__ if (value := getattr(user, field))}
    return _RECIPES[recipe](stated, default_country)
