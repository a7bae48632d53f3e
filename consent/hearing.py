"""One question, everything that was said, one decision: the signals in the order in which they are explained.

    the site's statement -> the record -> the platform's strings -> Global Privacy Control -> decide

1. What a statement may change in the ledger is what all signals together leave of it: an act is recorded as granting
   what the strings beside it grant, and without what they or Global Privacy Control deny.
2. Where a string alone grants and nothing said now is an act, the record has the last word: delivery will ask it.
3. A visitor's region is the strictest of what the statement, a proxy and an address file say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consent import platforms
from consent.countries import COUNTRIES
from consent.decide import decide
from consent.model import Choice, Decision, Regime
from consent.policy import SitePolicy, strictest
from consent.signals import gpc, recorded, site
from consent.signals.site import Statement


@dataclass(slots=True)  # not frozen: one is made for every event
class Hearing:
    """The statement as read, where the visitor is, and the decision."""

    statement: Statement | None
    region: str | None
    decision: Decision
    rests_on_strings: bool
    """Whether a consent platform's string grants, and nothing said now is an act of the visitor."""
    choice_ids: tuple[str, ...]
    """What names the choice: the event's own, then the batch's."""
    country: str
    """The country of the region, upper case; empty if there is none of that name."""

    @property
    def choice_id(self) -> str | None:
        """The one that says the visitor's period."""
        return self.choice_ids[0] if self.choice_ids else None


def hear(
    said: Any,
    sec_gpc: str | None,
    policy: SitePolicy,
    now_ms: int,
    *,
    latest: Sequence[Choice | None] = (),
    regions: Sequence[str] = (),
    is_record: bool = False,
) -> Hearing:
    """Hear a statement (a mapping, None, or `site.combine` of two) and decide. Never raises.

    `latest` are the recorded choices, one per identifier, if they were looked up; `regions` what others say of where
    the visitor is; `is_record` is for POST /v1/consent, which grants under both consent sources.
    """
    fields = said if isinstance(said, dict) else {}
    platform = platforms.read(site.parts(said), policy, now_ms)
    statement = site.read(said, policy, now_ms, recorded=is_record, dated_ms=platform.dated_ms)
    objection = gpc.read(sec_gpc, fields)
    others = platform.signals if objection is None else (*platform.signals, objection)
    if others and statement is not None:
        statement = statement.together_with(others)
    region = fields.get("region")
    if region is not None or regions:
        region = _region(region, regions)
    no_act = statement is None or statement.act is None
    on_strings = no_act and platform.grants and policy.regime(region) is Regime.OPT_IN
    record = recorded.read(latest, policy, now_ms, decisive=on_strings) if latest else None
    signals = (None if statement is None else statement.signal, record, *others)
    decision = decide(signals, policy, region)
    country = "" if region is None else _country(region)
    return Hearing(statement, region, decision, on_strings, site.choice_ids(said), country)


def _region(stated: Any, found: Sequence[str]) -> str | None:
    """What was stated and is no text is nowhere known; other sources may only tighten."""
    if stated is not None and not isinstance(stated, str):
        return None
    return strictest((stated, *found)) if found else stated


def _country(region: str) -> str:
    country = region.partition("-")[0].upper()
    return country if country in COUNTRIES else ""
