"""What was said about consent for an event, and what follows: consent/hearing.py, with what else intake needs of it."""

from collections.abc import Sequence
from typing import Any

from collector.intake.domains import Mac
from collector.intake.facts import Facts
from collector.intake.site import Site
from consent import evidence, hearing
from consent.evidence import Evidence
from consent.model import Choice

Heard = hearing.Hearing


def needs_ledger(heard: Heard, site: Site) -> bool:
    """Whether the recorded choice could open what is still closed, or has the last word."""
    if heard.statement is not None and heard.statement.act is not None:
        return False
    allows = any(heard.decision.allows(target.recipient, target.required) for target in site.targets)
    return heard.rests_on_strings if allows else True


def hear(
    said: Any, facts: Facts, site: Site, latest: Sequence[Choice | None] = (), *, is_record: bool = False
) -> Heard:
    """Read every signal and decide. `said` is the statement, `latest` the ledger's choices if they were read.

    `is_record` is for POST /v1/consent, which grants under both consent sources.
    """
    return hearing.hear(
        said,
        facts.sec_gpc,
        site.policy,
        facts.received_ms,
        latest=latest,
        regions=facts.regions,
        is_record=is_record,
    )


def evidence_of(said: Any, facts: Facts) -> tuple[Evidence, ...]:
    """What the decision rests on, for whoever explains or records it."""
    return evidence.gather(said if isinstance(said, dict) else {}, facts.sec_gpc)


def evidence_digest(key: Mac, text: str) -> str:
    """What is kept of a string: 32 hexadecimal digits under the site's subject key."""
    return key.digest(f"evidence\0{text}").hex()[:32]
