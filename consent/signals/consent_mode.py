"""What Google Consent Mode's `gcs` and `gcd` answer.

Rules
1. What either says is denied is denied to everybody: the visitor said no to a purpose, not to a company.
2. Only an *update* to granted in `gcd` is a visitor's act, and speaks for Google alone. A default, an implicit grant
   ("l") and `gcs` never grant.
3. Google does not document `gcd`, so it grants only where the site's policy says that it may.
4. What cannot be read denies, in every regime: it may have held a denial. An empty parameter is an absent one.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from consent.model import ADS, EVERY_RECIPIENT, GOOGLE, NOTHING, Purpose, Purposes, Reason, Signal, Source
from consent.policy import SitePolicy
from consent.signals import google
from consent.signals.fields import text_of
from consent.signals.google import State
from consent.signals.refusal import Refused

FIELDS: Final = ("gcs", "gcd")
_SPOKEN_OF: Final[Purposes] = ADS | {Purpose.ANALYTICS_STORAGE}


def read(said: Mapping[str, Any], policy: SitePolicy) -> Signal | None:
    """One signal from both. Never raises."""
    gcs, gcd = text_of(said.get("gcs")), text_of(said.get("gcd"))
    if gcs is None and gcd is None:
        return None
    denied = _denied_by_gcs(gcs)
    granted = NOTHING
    if gcd is not None:
        found = google.decode_gcd(gcd)
        if isinstance(found, Refused):
            denied = _SPOKEN_OF
        else:
            states = found.signals.items()
            denied |= frozenset(purpose for purpose, signal in states if signal.effective is State.DENIED)
            granted = frozenset(purpose for purpose, signal in states if signal.explicit_grant)
            denied |= ADS if found.flags.gpc else NOTHING
    may_grant = Source.CONSENT_MODE in policy.grants and GOOGLE in policy.recipients
    return _signal(granted - denied if may_grant else NOTHING, denied)


def _denied_by_gcs(text: str | None) -> Purposes:
    if text is None:
        return NOTHING
    found = google.decode_gcs(text)
    if isinstance(found, Refused):
        return _SPOKEN_OF
    said = ((Purpose.AD_STORAGE, found.ad_storage), (Purpose.ANALYTICS_STORAGE, found.analytics_storage))
    return frozenset(purpose for purpose, state in said if state is State.DENIED)


@lru_cache(maxsize=512)
def _signal(granted: Purposes, denied: Purposes) -> Signal:
    return Signal(
        Source.CONSENT_MODE,
        grants={GOOGLE: granted} if granted else {},
        denies={EVERY_RECIPIENT: denied} if denied else {},
        denial=Reason.CONSENT_MODE_DENIED,
        silence=Reason.CHOICE_UNKNOWN,
    )
