"""What was said about consent for an event, and what follows: every signal read once, then the decision."""

from collections.abc import Iterable
from typing import Any

import msgspec

from collector.intake.facts import Facts
from collector.intake.site import Site
from consent.countries import COUNTRIES
from consent.decide import decide
from consent.model import Choice, Decision
from consent.signals import gpc, recorded
from consent.signals import site as site_signal
from consent.signals.site import Statement


class Heard(msgspec.Struct):
    """The statement as read, the decision, and what else of the statement intake needs."""

    statement: Statement | None
    decision: Decision
    choice_ids: tuple[str, ...]
    country: str

    @property
    def choice_id(self) -> str | None:
        """The one that says the visitor's period: the event's own, else the batch's."""
        return self.choice_ids[0] if self.choice_ids else None

    def needs_ledger(self, site: Site) -> bool:
        """Whether the recorded choice could change a decision that so far lets nothing through."""
        if self.statement is not None and self.statement.act is not None:
            return False
        return not any(self.decision.allows(target.recipient, target.required) for target in site.targets)


def hear(said: Any, facts: Facts, site: Site, latest: Iterable[Choice | None] = ()) -> Heard:
    """Read every signal and decide. `said` is the statement, `latest` the ledger's choices if they were read."""
    policy, now_ms = site.policy, facts.received_ms
    statement = site_signal.read(said, policy, now_ms)
    choice_ids = site_signal.choice_ids(said)
    said = said if isinstance(said, dict) else {}
    objection = gpc.read(facts.sec_gpc, said)
    if objection is not None and statement is not None:
        statement = statement.less(objection)
    signals = (
        None if statement is None else statement.signal,
        recorded.read(latest, policy, now_ms) if latest else None,
        objection,
    )
    region = said.get("region")
    region = region if isinstance(region, str) else None
    decision = decide([signal for signal in signals if signal is not None], policy, region)
    country = "" if region is None else region.partition("-")[0].upper()
    return Heard(statement, decision, choice_ids, country if country in COUNTRIES else "")
