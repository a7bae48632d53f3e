"""Counts what consent answered, for `sluis consent stats`: one increment per event, the rest once a second.

Decisions are made once for all who say the same, so events are counted under the decision itself. What it answered to
each recipient and purpose that the site's destinations ask for is looked up when the counts are taken.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from collector.intake.admit import Admission
from collector.intake.outcome import Outcome
from collector.intake.site import Site
from collector.store.consent_counts import GRANTED, Said
from consent.model import Decision, Purpose, Recipient

MOST_KEYS: Final = 256
"""More different decisions than this are looked up at once: a few milliseconds of the loop."""

_DUPLICATE: Final = Outcome.DUPLICATE  # to look a member up costs as much as the rest
_Answers = tuple[tuple[Recipient, str, str, str], ...]


class ConsentTally:
    """A witness that counts. A duplicate was counted when it first came; what is no visitor's event is not counted."""

    def __init__(self) -> None:
        self._heard: dict[tuple[Site, Decision, str], int] = {}
        self._answered: Counter[tuple[str, str, _Answers]] = Counter()

    def __call__(self, site: Site, admissions: Sequence[Admission], received_ms: int) -> None:  # noqa: ARG002 -- a Witness
        """Count the decisions of a request."""
        counted = self._heard
        for admission in admissions:
            heard = admission.heard
            if heard is not None and admission.outcome is not _DUPLICATE:
                said = site, heard.decision, heard.country
                counted[said] = counted.get(said, 0) + 1
        if len(counted) > MOST_KEYS:
            self._look_up()

    def take(self) -> dict[Said, int]:
        """What was counted since the last time."""
        self._look_up()
        taken = Counter[Said]()
        for (site, region, answers), count in self._answered.items():
            for recipient, purpose, signal, answer in answers:
                taken[Said(site, recipient, purpose, region, signal, answer)] += count
        self._answered.clear()
        return dict(taken)

    def _look_up(self) -> None:
        for (site, decision, country), count in self._heard.items():
            self._answered[site.id, country, _answers(site, decision)] += count
        self._heard.clear()


@lru_cache(maxsize=1024)
def _answers(site: Site, decision: Decision) -> _Answers:
    return tuple(_answer(decision, recipient, purpose) for recipient, purpose in _asked(site))


@lru_cache(maxsize=1024)
def _asked(site: Site) -> tuple[tuple[Recipient, Purpose], ...]:
    """The purposes that each recipient's destinations need, or that open further fields to them."""
    asked = {
        (target.recipient, purpose)
        for target in site.targets
        for purpose in target.required.union(*target.row.fields.values())
    }
    return tuple(sorted(asked))


def _answer(decision: Decision, recipient: Recipient, purpose: Purpose) -> tuple[Recipient, str, str, str]:
    answer = decision.answer(recipient, purpose)
    return recipient, purpose.value, str(answer.signal), GRANTED if answer.granted else str(answer.reason)
