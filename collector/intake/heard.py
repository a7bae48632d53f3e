"""What was said about consent for an event, and what follows: every signal read once, then the decision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from collector.intake.facts import Facts
from collector.intake.site import Site
from consent.decide import decide
from consent.model import Choice, Decision
from consent.signals import gpc, recorded
from consent.signals import site as site_signal
from consent.signals.site import Statement

_LONGEST_ID = 256  # as event.Identifier


@dataclass(slots=True)
class Heard:
    """The statement as read, the decision, and what else of the statement intake needs."""

    statement: Statement | None
    decision: Decision
    choice_id: str | None
    country: str

    def needs_ledger(self, site: Site) -> bool:
        """Whether the recorded choice could change a decision that so far lets nothing through."""
        if self.statement is not None and self.statement.act is not None:
            return False
        return not any(self.decision.allows(target.recipient, target.required) for target in site.targets)


def hear(said: Any, facts: Facts, site: Site, latest: Iterable[Choice | None] = ()) -> Heard:
    """Read every signal and decide. `said` is the statement, `latest` the ledger's choices if they were read."""
    policy, now_ms = site.policy, facts.received_ms
    statement = site_signal.read(said, policy, now_ms)
    said = said if isinstance(said, Mapping) else {}
    signals = (
        None if statement is None else statement.signal,
        recorded.read(latest, policy, now_ms) if latest else None,
        gpc.read(facts.sec_gpc, said),
    )
    region = _text(said.get("region"))
    decision = decide([signal for signal in signals if signal is not None], policy, region)
    country = region[:2].upper() if region and region[:2].isascii() and region[:2].isalpha() else ""
    return Heard(statement, decision, _text(said.get("choice_id")), country)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID else None
