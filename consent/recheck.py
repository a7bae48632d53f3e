"""The same question at delivery, after what the visitor chose last.

1. The record's decision must cover what the destination requires *now* (the stricter of both policies).
2. Every identifier of the record is looked up, and each latest choice must allow it. The strictest answer is the
   reason: a choice that says no; one that does not know this recipient, because it was made before the visitor was
   told of it; one that is older than the policy allows now.
3. A choice that has expired grants no longer, and still denies. Where the record rests on opt-out nothing needs to be
   granted, so its age is no matter there.
4. No recorded choice at all stops it too (`choice_unknown`), unless the record rests on opt-out, where only an
   objection stops it.
"""

from collections.abc import Iterable
from typing import Final

from consent.model import Choice, Purposes, Reason, Recipient, Regime
from consent.signals.site import DAY_MS

_STRICTEST_FIRST: Final = (Reason.WITHDRAWN, Reason.RECIPIENT_NOT_NAMED, Reason.EXPIRED_CHOICE)


def still_allowed(
    recipient: Recipient,
    granted: Purposes,
    required: Purposes,
    regime: Regime,
    latest: Iterable[Choice | None],
    *,
    now_ms: int,
    max_age_days: int,
) -> Reason | None:
    """None if the record may leave, else why not. `latest` has one entry per identifier, None = no row."""
    if not required or not required <= granted:
        return Reason.PURPOSE_NOT_GRANTED
    known = [choice for choice in latest if choice is not None]
    if not known:
        return Reason.CHOICE_UNKNOWN if regime is Regime.OPT_IN else None
    oldest_ms = now_ms - max_age_days * DAY_MS if regime is Regime.OPT_IN else None
    found = {_objection(choice, recipient, required, oldest_ms) for choice in known}
    return next((reason for reason in _STRICTEST_FIRST if reason in found), None)


def _objection(choice: Choice, recipient: Recipient, required: Purposes, oldest_ms: int | None) -> Reason | None:
    """Why one latest choice does not allow it; `oldest_ms` is when it must have been made to grant, if that matters."""
    if recipient not in choice.granted:
        return Reason.RECIPIENT_NOT_NAMED
    if not choice.allows(recipient, required):
        return Reason.WITHDRAWN
    return Reason.EXPIRED_CHOICE if oldest_ms is not None and choice.decided_ms < oldest_ms else None
