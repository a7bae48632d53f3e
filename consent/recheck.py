"""The same question at delivery, after what the visitor chose last.

1. The record's decision must cover what the destination requires *now* (the stricter of both policies).
2. Every identifier of the record is looked up; any latest choice that does not allow it stops it.
3. No recorded choice at all stops it too (`choice_unknown`), unless the record rests on opt-out, where only
   an objection stops it.
"""

from collections.abc import Iterable

from consent.model import Choice, Purposes, Reason, Recipient, Regime


def still_allowed(
    recipient: Recipient,
    granted: Purposes,
    required: Purposes,
    regime: Regime,
    latest: Iterable[Choice | None],
) -> Reason | None:
    """None if the record may leave, else why not. `latest` has one entry per identifier, None = no row."""
    if not required or not required <= granted:
        return Reason.PURPOSE_NOT_GRANTED
    known = [choice for choice in latest if choice is not None]
    if any(not choice.allows(recipient, required) for choice in known):
        return Reason.WITHDRAWN
    if not known and regime is Regime.OPT_IN:
        return Reason.CHOICE_UNKNOWN
    return None
