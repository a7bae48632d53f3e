"""The words of a consent decision.

A *signal* is what one source says (the site's own statement, a header, a CMP string). For every recipient
and purpose it speaks about it grants or denies; about all others it abstains. A *decision* is what follows
from all signals under one policy. A *choice* is what the ledger remembers of a visitor's latest act.

Purposes are the seven of Google Consent Mode v2 (support.google.com, "Consent mode reference").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Purpose(StrEnum):
    """What data may be used for; the names a page already knows from Consent Mode."""

    AD_STORAGE = "ad_storage"
    ANALYTICS_STORAGE = "analytics_storage"
    AD_USER_DATA = "ad_user_data"
    AD_PERSONALIZATION = "ad_personalization"
    FUNCTIONALITY_STORAGE = "functionality_storage"
    PERSONALIZATION_STORAGE = "personalization_storage"
    SECURITY_STORAGE = "security_storage"


Purposes = frozenset[Purpose]
Recipient = str

NOTHING: Purposes = frozenset()
EVERYTHING: Purposes = frozenset(Purpose)
ADS: Purposes = frozenset({Purpose.AD_STORAGE, Purpose.AD_USER_DATA, Purpose.AD_PERSONALIZATION})
EVERY_RECIPIENT: Recipient = "*"
GOOGLE: Recipient = "google"
META: Recipient = "meta"


class Source(StrEnum):
    """Who says something about consent."""

    SITE = "site"  # the site's own statement
    RECORDED = "recorded"  # the visitor's latest choice in the ledger
    TCF = "tcf"  # IAB TCF, with Google's additional consent beside it
    CONSENT_MODE = "consent_mode"  # Google Consent Mode's gcs and gcd
    GPP = "gpp"  # IAB GPP: the sections of US states
    US_PRIVACY = "us_privacy"  # the older US Privacy string
    GPC = "gpc"  # Global Privacy Control


class Reason(StrEnum):
    """Why a purpose is not granted, or no longer. Closed: metrics and answers carry these words."""

    PURPOSE_NOT_GRANTED = "purpose_not_granted"  # the visitor said no, or was not asked about it
    CHOICE_UNKNOWN = "choice_unknown"  # nobody told us of any choice
    DEFAULT_NEVER_GRANTS = "default_never_grants"  # a default is not an act of the visitor
    CHOICE_UNDATED = "choice_undated"  # a choice without a readable decided_at cannot be shown later
    CHOICE_IN_FUTURE = "choice_in_future"  # decided_at more than five minutes ahead of our clock
    EXPIRED_CHOICE = "expired_choice"  # older than the policy allows; ask again
    RECIPIENT_NOT_COVERED = "recipient_not_covered"  # the visitor was not told of this recipient
    RECORD_REQUIRED = "record_required"  # this site grants only through POST /v1/consent
    UNREADABLE = "unreadable_consent"  # a statement that cannot be read denies
    GPC = "gpc"  # Global Privacy Control denies advertising for every recipient
    TCF_NOT_GRANTED = "tcf_not_granted"  # the TC or AC string does not permit it to this recipient
    TCF_UNRELIABLE = "tcf_unreliable"  # a TC string that is missing, unreadable, no choice yet, or not valid any more
    CONSENT_MODE_DENIED = "consent_mode_denied"  # gcs or gcd say denied, or gcd cannot be read
    US_OPT_OUT = "us_opt_out"  # a GPP section or a US Privacy string opts out of sale, sharing or targeting
    US_UNREADABLE = "us_signal_unreadable"  # a GPP or US Privacy string that cannot be read counts as opted out
    KNOWN_CHILD = "known_child"  # a GPP section says that the visitor is a child: no advertising
    SIGNAL_MISSING = "required_signal_missing"  # the site requires a signal that is not there
    WITHDRAWN = "withdrawn"  # a later act of the visitor says no
    RECIPIENT_NOT_NAMED = "recipient_not_named"  # the latest choice was made before this recipient was named


class Regime(StrEnum):
    """How silence is read: as no (opt_in) or, outside the EEA, UK and CH, as yes (opt_out)."""

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"


@dataclass(slots=True, eq=False)  # compared by identity: what was heard once is decided once
class Signal:
    """What one source says: recipient (or EVERY_RECIPIENT) to purposes. Absent means it abstains.

    `denial` answers "why not?" where this signal denies, `silence` where it could have granted and did not.
    """

    source: str
    grants: Mapping[Recipient, Purposes] = field(default_factory=dict)
    denies: Mapping[Recipient, Purposes] = field(default_factory=dict)
    denial: Reason = Reason.PURPOSE_NOT_GRANTED
    silence: Reason = Reason.PURPOSE_NOT_GRANTED

    def granted_to(self, recipient: Recipient) -> Purposes:
        """Purposes this signal grants to one recipient."""
        return self.grants.get(recipient, NOTHING) | self.grants.get(EVERY_RECIPIENT, NOTHING)

    def denied_to(self, recipient: Recipient) -> Purposes:
        """Purposes this signal denies to one recipient."""
        return self.denies.get(recipient, NOTHING) | self.denies.get(EVERY_RECIPIENT, NOTHING)


@dataclass(slots=True)
class Choice:
    """A visitor's latest act as the ledger keeps it: when (epoch milliseconds) and what for whom."""

    decided_ms: int
    granted: Mapping[Recipient, Purposes]

    def allows(self, recipient: Recipient, required: Purposes) -> bool:
        """Whether every required purpose is granted to this recipient."""
        return required <= self.granted.get(recipient, NOTHING)

    def more(self, signals: Iterable[Signal]) -> "Choice":
        """The same act with what other signals of the visitor grant."""
        granted = dict(self.granted)
        for signal in signals:
            for name, purposes in signal.grants.items():
                granted[name] = granted.get(name, NOTHING) | purposes
        return Choice(self.decided_ms, granted)

    def less(self, signals: Iterable[Signal]) -> "Choice":
        """The same act without what any of the signals denies: it is not recorded as granted."""
        granted = {
            name: purposes.difference(*[signal.denied_to(name) for signal in signals])
            for name, purposes in self.granted.items()
        }
        return Choice(self.decided_ms, granted)


class Answer(NamedTuple):
    """One recipient, one purpose: granted by a signal (or by the regime's silence), or not and why."""

    granted: bool
    signal: str
    reason: Reason | None = None


@dataclass(slots=True, eq=False)  # compared by identity, like the signals it rests on
class Decision:
    """`granted[recipient]` is the set of purposes; `signals` are the evidence it rests on."""

    granted: Mapping[Recipient, Purposes]
    regime: Regime
    signals: tuple[Signal, ...]
    policy_hash: str

    def allows(self, recipient: Recipient, required: Purposes) -> bool:
        """All, not any: every required purpose is granted for this recipient."""
        return bool(required) and required <= self.granted.get(recipient, NOTHING)

    def answer(self, recipient: Recipient, purpose: Purpose) -> "Answer":
        """Whether one purpose is granted, by which signal, or why not. The regime answers where signals are silent."""
        for signal in self.signals:
            if purpose in signal.denied_to(recipient):
                return Answer(granted=False, signal=signal.source, reason=signal.denial)
        for signal in self.signals:
            if purpose in signal.granted_to(recipient):
                return Answer(granted=True, signal=signal.source)
        if purpose in self.granted.get(recipient, NOTHING):
            return Answer(granted=True, signal=self.regime)
        return Answer(granted=False, signal="", reason=self.why_not(recipient, frozenset({purpose})))

    def why_not(self, recipient: Recipient, required: Purposes) -> Reason:
        """The reason of the strictest signal: a denial first, else what kept a statement from granting."""
        missing = required - self.granted.get(recipient, NOTHING)
        for signal in self.signals:
            if signal.denied_to(recipient) & missing:
                return signal.denial
        for signal in self.signals:
            if not missing <= signal.granted_to(recipient):
                uncovered = bool(signal.grants) and not signal.grants.keys() & {recipient, EVERY_RECIPIENT}
                return Reason.RECIPIENT_NOT_COVERED if uncovered else signal.silence
        return Reason.CHOICE_UNKNOWN


def purposes(names: Iterable[str]) -> Purposes:
    """Purposes by name; raises ValueError with the unknown name."""
    return frozenset(Purpose(name) for name in names)
