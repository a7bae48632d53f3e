"""What was said about consent for an event, and what follows: consent/hearing.py, with what else intake needs of it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from collector.intake.domains import Mac
from collector.intake.facts import Facts
from collector.intake.site import Site
from consent import evidence, hearing
from consent.countries import COUNTRIES
from consent.evidence import Evidence
from consent.model import Choice, Decision
from consent.signals import site as site_signal
from consent.signals.site import Statement


class Heard(msgspec.Struct):
    """The statement as read, the decision, and what else of the statement intake needs."""

    statement: Statement | None
    decision: Decision
    choice_ids: tuple[str, ...]
    country: str
    rests_on_strings: bool = False
    """Whether a consent platform's string grants, and nothing said now is an act of the visitor."""

    @property
    def choice_id(self) -> str | None:
        """The one that says the visitor's period: the event's own, else the batch's."""
        return self.choice_ids[0] if self.choice_ids else None

    def needs_ledger(self, site: Site) -> bool:
        """Whether the recorded choice could open what is still closed, or has the last word."""
        if self.statement is not None and self.statement.act is not None:
            return False
        allows = any(self.decision.allows(target.recipient, target.required) for target in site.targets)
        return self.rests_on_strings if allows else True


def hear(
    said: Any, facts: Facts, site: Site, latest: Sequence[Choice | None] = (), *, is_record: bool = False
) -> Heard:
    """Read every signal and decide. `said` is the statement, `latest` the ledger's choices if they were read.

    `is_record` is for POST /v1/consent, which grants under both consent sources.
    """
    heard = hearing.hear(
        said,
        facts.sec_gpc,
        site.policy,
        facts.received_ms,
        latest=latest,
        regions=facts.regions,
        is_record=is_record,
    )
    country = "" if heard.region is None else heard.region.partition("-")[0].upper()
    return Heard(
        heard.statement,
        heard.decision,
        site_signal.choice_ids(said),
        country if country in COUNTRIES else "",
        heard.rests_on_strings,
    )


def evidence_of(said: Any, facts: Facts) -> tuple[Evidence, ...]:
    """What the decision rests on, for whoever explains or records it."""
    return evidence.gather(said if isinstance(said, dict) else {}, facts.sec_gpc)


def evidence_digest(key: Mac, text: str) -> str:
    """What is kept of a string: 32 hexadecimal digits under the site's subject key."""
    return key.digest(f"evidence\0{text}").hex()[:32]
