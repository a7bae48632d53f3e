"""The visitor's recorded choice, as the ledger holds it for each identifier an event carries.

Rules
1. Every identifier counts: what any of the latest choices does not allow is denied.
2. A choice older than the policy allows grants nothing (the visitor must be asked again); it still denies.
3. No row says nothing.
4. Where it is decisive (nothing that was said now is an act of the visitor, and a string alone would grant), the
   record has to grant: no row and an expired one deny everything, as they would at delivery.
"""

from collections.abc import Iterable
from typing import Final

from consent.model import (
    EVERY_RECIPIENT,
    EVERYTHING,
    NOTHING,
    Choice,
    Purposes,
    Reason,
    Recipient,
    Signal,
    Source,
)
from consent.policy import SitePolicy
from consent.signals.site import DAY_MS

_UNKNOWN: Final = Signal(Source.RECORDED, denies={EVERY_RECIPIENT: EVERYTHING}, denial=Reason.CHOICE_UNKNOWN)
_EXPIRED: Final = Signal(Source.RECORDED, denies={EVERY_RECIPIENT: EVERYTHING}, denial=Reason.EXPIRED_CHOICE)


def read(latest: Iterable[Choice | None], policy: SitePolicy, now_ms: int, *, decisive: bool = False) -> Signal | None:
    """One signal from the latest choices of all identifiers; None if none is known."""
    known = [choice for choice in latest if choice is not None]
    if not known:
        return _UNKNOWN if decisive else None
    allowed = {recipient: _common(known, recipient) for recipient in policy.recipients}
    denied = {recipient: EVERYTHING - purposes for recipient, purposes in allowed.items()}
    oldest = min(choice.decided_ms for choice in known)
    if oldest < now_ms - policy.choice_max_age_days * DAY_MS:
        return _EXPIRED if decisive else Signal(Source.RECORDED, denies=denied, silence=Reason.EXPIRED_CHOICE)
    return Signal(Source.RECORDED, grants=allowed, denies=denied)


def _common(known: list[Choice], recipient: Recipient) -> Purposes:
    common = EVERYTHING
    for choice in known:
        common &= choice.granted.get(recipient, NOTHING)
    return common
