"""Who is told what became of a request's events, after the answer: evidence and statistics, never the answer itself."""

from collections.abc import Callable, Sequence

from collector.intake.admit import Admission
from collector.intake.site import Site
from collector.store.decision_log import DecisionLog

Witness = Callable[[Site, Sequence[Admission], int], None]
"""Told of a site's admissions and when they were received (epoch milliseconds). It must be quick and not raise."""


class DecisionWitness:
    """Notes decisions. An event that may go everywhere is noted only where permitted ones are kept too."""

    def __init__(self, decisions: DecisionLog) -> None:
        self._note = decisions.note
        self._keeps_permitted = decisions.keeps_permitted

    def __call__(self, site: Site, admissions: Sequence[Admission], received_ms: int) -> None:
        """Note what was not permitted at the door, and perhaps what was."""
        for admission in admissions:
            destinations, sealed_for = admission.destinations, admission.sealed_for
            if len(sealed_for) == len(destinations) and not (sealed_for and self._keeps_permitted):
                continue
            event_id, policy_hash = admission.event_id, site.policy.policy_hash
            self._note(site.id, event_id, destinations, policy_hash, received_ms, admission.subjects)
