"""Events that are not a visitor's: an ordered table of small functions, event and facts to a reason or None."""

from collections.abc import Callable
from typing import Final

from collector.intake.device import is_declared_bot
from collector.intake.event import Event
from collector.intake.facts import Facts
from collector.intake.outcome import Filtered


def declared_bot(event: Event, facts: Facts) -> Filtered | None:
    """A crawler that says so in its user agent."""
    return Filtered.BOT if is_declared_bot(event.context.user_agent or facts.user_agent) else None


def prefetch(_event: Event, facts: Facts) -> Filtered | None:
    """A page fetched ahead that no person has seen (Sec-Purpose, W3C Speculation Rules)."""
    return Filtered.PREFETCH if "prefetch" in facts.sec_purpose else None


FILTERS: Final[tuple[Callable[[Event, Facts], Filtered | None], ...]] = (declared_bot, prefetch)
