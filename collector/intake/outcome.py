"""Every fate at the door, one row each, and the reasons beyond consent for which a destination is skipped.

Outcomes are coarse, closed and safe as metric labels. The sentence is what docs and `explain` print.
"""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What became of one event at the door."""

    __hash__ = str.__hash__  # an Enum's own is Python code, and each event is counted under its outcome

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    FILTERED = "filtered"
    INVALID = "invalid"
    INTERNAL_ERROR = "internal_error"


class Row(NamedTuple):
    """`intended`: the product meant to do this; otherwise somebody should look."""

    intended: bool
    sentence: str


OUTCOMES: dict[Outcome, Row] = {
    Outcome.ACCEPTED: Row(intended=True, sentence="Stored durably for at least one destination."),
    Outcome.REFUSED: Row(intended=True, sentence="No destination may have it; nothing of it is kept."),
    Outcome.DUPLICATE: Row(intended=True, sentence="This event id was stored before; nothing was added."),
    Outcome.FILTERED: Row(intended=True, sentence="Not a visitor's event: a declared bot or a prefetch."),
    Outcome.INVALID: Row(intended=True, sentence="The event breaks the format; the reason names the field."),
    Outcome.INTERNAL_ERROR: Row(intended=False, sentence="A fault of ours; it is logged and nothing is kept."),
}


class Filtered(StrEnum):
    """Reasons of `filtered`, one per function in filters.FILTERS."""

    BOT = "declared_bot"
    PREFETCH = "prefetch"


class Skipped(StrEnum):
    """Reasons for which one destination is skipped although consent would allow it."""

    TOO_OLD = "too_old"  # past the vendor's window; it would be refused or misdated
    NO_CLIENT_ID = "no_client_id"  # companion mode without the tag's own client id
    CHILDREN = "children"  # a site for children has no advertising destinations
