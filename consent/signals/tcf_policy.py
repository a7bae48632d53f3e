"""What a TC string and an AC string permit: the house's reading, stricter than the format's and than Google's code.

Rules
1. Neither `gdpr_applies` nor a string: nothing was said. GDPR does not apply: TCF has no answer. A string without
   `gdpr_applies` is denied: unknown is not false.
2. A string heard while the banner is open is not a choice (CMP API v2, `eventStatus`).
3. A string that is missing, unreadable, not service-specific, of a policy before 4, from the future, older than the
   site allows or without the vendors it disclosed permits nothing.
4. Purpose i is permitted to Google if its consent bit is set and no publisher restriction of type 0, 2 or 3 names
   vendor 755. Legitimate interest never counts, and PurposeOneTreatment never stands for purpose 1.
5. Google has to be among the vendors consented to and among those disclosed; then Google's own mapping holds:
   ad_storage from purpose 1, ad_user_data from 1 and 7, ad_personalization from 3 and 4.
6. Meta is not on IAB's list: its id 89 has to be consented in the AC string, and purposes 1, 3, 4 and 7 as such.
7. Others are on neither list: the string cannot grant them anything; what its purposes leave out is refused to them.
8. analytics_storage never follows from TCF; `measures` (1, 8 and 9 for Google) is for sites that ask for it as well.
Sources: TCF v2 and CMP API v2 (IAB Europe); Google's mapping of TCF to consent mode (enableAdvertiserConsentMode).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Final

from consent.model import NOTHING, Purpose, Purposes
from consent.signals import additional_consent, tcf
from consent.signals.refusal import Refused
from consent.signals.tcf import TcString

GOOGLE: Final = 755  # Google Advertising Products on the Global Vendor List
META: Final = 89  # Meta on Google's list of ad technology providers
MAX_VALIDITY_DAYS: Final = 395  # thirteen months, whatever the site says
_OLDEST_POLICY: Final = 4
_DAY_MS: Final = 24 * 60 * 60 * 1000
_SKEW_MS: Final = _DAY_MS  # dates are rounded to the day, in whatever zone the visitor's clock has
_CONSENT_REQUIRED: Final = 1  # the one restriction that leaves a consented purpose as it is
_CHOICES: Final = (None, "tcloaded", "useractioncomplete")
_MEASURING: Final = frozenset({1, 8, 9})
MAPPING: Final = (
    (frozenset({1}), Purpose.AD_STORAGE),
    (frozenset({1, 7}), Purpose.AD_USER_DATA),
    (frozenset({3, 4}), Purpose.AD_PERSONALIZATION),
)
"""TCF purposes that must all be consented, and the purpose that follows."""
_MAPPED: Final = frozenset().union(*[needed for needed, _ in MAPPING])


class TcfOutcome(StrEnum):
    """Whether the string could be relied on, and if not why. All but the first three deny."""

    OK = "ok"  # it could; it may still permit nothing
    NO_SIGNAL = "no_signal"  # nobody said anything about TCF
    NOT_APPLICABLE = "tcf_not_applicable"  # the GDPR does not apply, says the CMP
    GDPR_APPLIES_UNKNOWN = "gdpr_applies_unknown"  # a string, and no word on whether the GDPR applies
    NOT_A_CHOICE = "not_a_choice"  # the banner was still open
    MALFORMED = "malformed"  # missing or unreadable
    NOT_SERVICE_SPECIFIC = "not_service_specific"  # global scope, which no longer exists
    POLICY_TOO_OLD = "policy_too_old"  # of a policy before TCF 2.2
    FROM_THE_FUTURE = "from_the_future"  # dated more than a day ahead of our clock
    UPDATED_BEFORE_CREATED = "updated_before_created"  # its dates contradict each other
    EXPIRED = "expired"  # older than the site allows; ask again
    NO_DISCLOSED_VENDORS = "no_disclosed_vendors"  # it does not show which vendors the visitor was told of


@dataclass(frozen=True, slots=True)
class TcfAnswer:
    """What TCF permits at most: to Google by purpose, to Meta as a whole, and measuring by Google.

    `unlisted` is what it leaves open to those it cannot name; `updated_ms` is when the visitor last chose, to the day.
    """

    outcome: TcfOutcome
    google: Purposes = NOTHING
    meta: bool = False
    measures: bool = False
    unlisted: Purposes = NOTHING
    updated_ms: int | None = None

    @property
    def abstains(self) -> bool:
        """Whether TCF has no say: what it does not permit is then not denied either."""
        return self.outcome in _SILENT


_SILENT: Final = (TcfOutcome.NO_SIGNAL, TcfOutcome.NOT_APPLICABLE)
_WITHOUT_STRING: Final = {outcome: TcfAnswer(outcome) for outcome in TcfOutcome}


def permitted(
    tc_text: str | None,
    gdpr_applies: bool | None,  # noqa: FBT001 -- TCF's own word, of three values
    ac_text: str | None,
    event_status: str | None,
    now_ms: int,
    validity_days: int,
) -> TcfAnswer:
    """What the strings permit. Never raises on them. `event_status` is None where the transport has none."""
    if not gdpr_applies:
        return _WITHOUT_STRING[_where_gdpr_is_not_said_to_apply(tc_text, gdpr_applies)]
    if event_status not in _CHOICES:
        return _WITHOUT_STRING[TcfOutcome.NOT_A_CHOICE]
    said = tcf.decode(tc_text or "")
    if isinstance(said, Refused):
        return _WITHOUT_STRING[TcfOutcome.MALFORMED]
    outcome = _reliability(said, now_ms, min(validity_days, MAX_VALIDITY_DAYS) * _DAY_MS)
    if outcome is not TcfOutcome.OK:
        return _WITHOUT_STRING[outcome]
    return _answer(said, ac_text)


@lru_cache(maxsize=512)
def _answer(said: TcString, ac_text: str | None) -> TcfAnswer:
    """What a string that can be relied upon permits: worked out once per visitor's pair of strings."""
    google = _permitted_to_google(said)
    return TcfAnswer(
        TcfOutcome.OK,
        google=_mapped(google & _MAPPED),
        meta=_permitted_to_meta(said, ac_text),
        measures=google >= _MEASURING,
        unlisted=_mapped(said.purposes_consent & _MAPPED),
        updated_ms=said.last_updated_ms,
    )


def _where_gdpr_is_not_said_to_apply(tc_text: str | None, gdpr_applies: bool | None) -> TcfOutcome:  # noqa: FBT001
    if gdpr_applies is False:
        return TcfOutcome.NOT_APPLICABLE
    return TcfOutcome.GDPR_APPLIES_UNKNOWN if tc_text else TcfOutcome.NO_SIGNAL


def _reliability(said: TcString, now_ms: int, validity_ms: int) -> TcfOutcome:
    """The first reason why a readable string cannot be relied on, else OK."""
    if not said.is_service_specific:
        return TcfOutcome.NOT_SERVICE_SPECIFIC
    if said.tcf_policy_version < _OLDEST_POLICY:
        return TcfOutcome.POLICY_TOO_OLD
    if max(said.created_ms, said.last_updated_ms) > now_ms + _SKEW_MS:
        return TcfOutcome.FROM_THE_FUTURE
    if said.last_updated_ms < said.created_ms:
        return TcfOutcome.UPDATED_BEFORE_CREATED
    if now_ms - said.last_updated_ms > validity_ms:
        return TcfOutcome.EXPIRED
    return TcfOutcome.OK if said.disclosed_vendors is not None else TcfOutcome.NO_DISCLOSED_VENDORS


def _permitted_to_google(said: TcString) -> frozenset[int]:
    """The numbers of the purposes that the visitor consented to for Google."""
    if said.disclosed_vendors is None or GOOGLE not in said.disclosed_vendors or GOOGLE not in said.vendor_consent:
        return frozenset()
    return said.purposes_consent.difference(
        restriction.purpose_id
        for restriction in said.publisher_restrictions
        if restriction.restriction_type != _CONSENT_REQUIRED and GOOGLE in restriction.vendors
    )


@cache
def _mapped(purposes: frozenset[int]) -> Purposes:
    """Google's mapping; kept for each combination of the four purposes it knows."""
    return frozenset(purpose for needed, purpose in MAPPING if needed <= purposes)


def _permitted_to_meta(said: TcString, ac_text: str | None) -> bool:
    if not ac_text or not said.purposes_consent >= _MAPPED:
        return False
    additional = additional_consent.decode(ac_text)
    return not isinstance(additional, Refused) and META in additional.agreed
