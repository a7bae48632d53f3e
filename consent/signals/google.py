"""What Google's tags put on the wire about consent: `gcs`, `gcd` and `tcfd`.

Google documents none of the three; the layouts are what open decoders agree on and live samples show (fact sheet
consent.md, 1.5 to 1.7). So they may restrict and corroborate, and are never the only proof of consent.

`gcs`: `G1`, then ad_storage and analytics_storage: `1` granted, `0` denied, `-` unset.

`gcd`: `1`, four pairs of *separator, letter* (ad_storage, analytics_storage, ad_user_data, ad_personalization), one
*flags* character, and in the long form two characters of *container defaults*: 10 or 12 characters.
Alphabet `0-9a-zA-Z-_` is worth 0 to 63; two bits say 0 reserved, 1 unset, 2 denied, 3 granted.

    separator   delegation * 4 + implicit
    letter      declare * 16 + default * 4 + update
    flags       gpc * 8 + consent mode active * 4 + allow_ad_personalization_signals
    defaults    ad_storage * 16 + analytics_storage * 4 + ad_user_data, then used * 4 + ad_personalization

`tcfd`: `1`, the CMP's id (two characters), TCF policy version, flags: 1 DMA region, 2 GDPR applies, 4
gtag_enable_tcf_support, 8 enableAdvertiserConsentMode, 16 waited for the CMP in vain.

Rules
1. What takes effect is the first that is set of update, default, declare, implicit.
2. Only *update = granted* is an act of the visitor. A granted default or an implicit grant is none.
3. Reserved is what every sample has for delegation; in any other place it could hide a denial and is refused, as
   is a bit that the layout does not know.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from consent.model import Purpose
from consent.signals.refusal import Refusal, Refuse, Refused

_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
_VALUE: Final = {character: value for value, character in enumerate(_ALPHABET)}
_FORMAT: Final = "1"
_SHORT, _LONG = 10, 12  # characters of a `gcd`
_GCS: Final = 4
_TCFD: Final = 5
_SIGNALS: Final = (
    Purpose.AD_STORAGE,
    Purpose.ANALYTICS_STORAGE,
    Purpose.AD_USER_DATA,
    Purpose.AD_PERSONALIZATION,
)


class State(StrEnum):
    """What one field says, in the order of the two bits."""

    RESERVED = "reserved"  # a value without a meaning
    UNSET = "unset"  # nothing was said
    DENIED = "denied"  # no
    GRANTED = "granted"  # yes; whose, the field's name says


_STATES: Final = tuple(State)
_GCS_STATES: Final = {"1": State.GRANTED, "0": State.DENIED, "-": State.UNSET}


@dataclass(frozen=True, slots=True)
class Gcs:
    """The two storage signals as they take effect; it does not say who granted."""

    ad_storage: State
    analytics_storage: State


@dataclass(frozen=True, slots=True)
class GcdSignal:
    """Everything `gcd` says about one signal."""

    implicit: State
    delegation: State
    declare: State
    default: State
    update: State

    @property
    def effective(self) -> State:
        """What the tag acts on; "granted" here may be nobody's act."""
        said = (self.update, self.default, self.declare, self.implicit)
        return next((state for state in said if state is not State.UNSET), State.UNSET)

    @property
    def explicit_grant(self) -> bool:
        """Whether the visitor granted it."""
        return self.update is State.GRANTED


@dataclass(frozen=True, slots=True)
class GcdFlags:
    """The page's switches."""

    allow_ad_personalization_signals: State
    consent_mode_active: bool
    gpc: bool


@dataclass(frozen=True, slots=True)
class ContainerDefaults:
    """What the tag container itself sets as default."""

    ad_storage: State
    analytics_storage: State
    ad_user_data: State
    ad_personalization: State
    used: bool


@dataclass(frozen=True, slots=True)
class Gcd:
    """A whole `gcd`; the short form has no container defaults."""

    signals: Mapping[Purpose, GcdSignal]
    flags: GcdFlags
    container_defaults: ContainerDefaults | None


@dataclass(frozen=True, slots=True)
class Tcfd:
    """How Google's tag met the TCF on the page."""

    cmp_id: int
    policy_version: int
    dma_region: bool
    gdpr_applies: bool
    gtag_enable_tcf_support: bool
    enable_advertiser_consent_mode: bool
    wait_timed_out: bool


def decode_gcs(text: str) -> Gcs | Refused:
    """The two signals, or why the text is no `gcs`. Never raises."""
    if len(text) != _GCS:
        return Refused(Refusal.BAD_FORM if text else Refusal.EMPTY)
    if not text.startswith("G1"):
        return Refused(Refusal.BAD_VERSION)
    ads, analytics = (_GCS_STATES.get(character) for character in text[2:])
    return Refused(Refusal.BAD_VALUE) if ads is None or analytics is None else Gcs(ads, analytics)


def decode_gcd(text: str) -> Gcd | Refused:
    """All fields, or why the text is no `gcd`. Never raises."""
    return _gcd(text) if len(text) in (_SHORT, _LONG) else Refused(Refusal.BAD_FORM if text else Refusal.EMPTY)


def decode_tcfd(text: str) -> Tcfd | Refused:
    """All fields, or why the text is no `tcfd`. Never raises."""
    if len(text) != _TCFD:
        return Refused(Refusal.BAD_FORM if text else Refusal.EMPTY)
    try:
        high, low, policy, flags = _values(text)
        return Tcfd(high << 6 | low, policy, *_switches(flags, 5))
    except Refuse as refuse:
        return Refused(refuse.reason)


def described_gcs(gcs: Gcs) -> dict[str, str]:
    """The two signals as JSON."""
    return {"ad_storage": gcs.ad_storage.value, "analytics_storage": gcs.analytics_storage.value}


def described_gcd(gcd: Gcd) -> dict[str, Any]:
    """All fields as JSON, with what takes effect and what the visitor granted."""
    signals = {
        purpose.value: {**asdict(signal), "effective": signal.effective, "explicit_grant": signal.explicit_grant}
        for purpose, signal in gcd.signals.items()
    }
    defaults = gcd.container_defaults
    return {
        "signals": signals,
        "flags": asdict(gcd.flags),
        "container_defaults": None if defaults is None else asdict(defaults),
    }


def described_tcfd(tcfd: Tcfd) -> dict[str, int | bool]:
    """All fields as JSON."""
    return asdict(tcfd)


@lru_cache(maxsize=1024)
def _gcd(text: str) -> Gcd | Refused:
    try:
        values = _values(text)
        pairs = zip(values[0:8:2], values[1:8:2], strict=True)
        signals = {purpose: _signal(*pair) for purpose, pair in zip(_SIGNALS, pairs, strict=True)}
        defaults = _container_defaults(*values[9:]) if len(text) == _LONG else None
        return Gcd(signals, _flags(values[8]), defaults)
    except Refuse as refuse:
        return Refused(refuse.reason)


def _values(text: str) -> list[int]:
    """What the characters after the format's digit are worth."""
    if not text.startswith(_FORMAT):
        raise Refuse(Refusal.BAD_VERSION)
    values = [_VALUE.get(character, -1) for character in text[1:]]
    if -1 in values:
        raise Refuse(Refusal.BAD_ALPHABET)
    return values


def _signal(separator: int, letter: int) -> GcdSignal:
    delegation, implicit = separator >> 2, separator & 3
    if delegation >= len(_STATES):
        raise Refuse(Refusal.BAD_VALUE)
    return GcdSignal(
        _state(implicit), _STATES[delegation], _state(letter >> 4), _state(letter >> 2 & 3), _state(letter & 3)
    )


def _flags(value: int) -> GcdFlags:
    active, gpc = _switches(value >> 2, 2)
    return GcdFlags(_state(value & 3), active, gpc)


def _container_defaults(storage: int, personalization: int) -> ContainerDefaults:
    (used,) = _switches(personalization >> 2, 1)
    return ContainerDefaults(
        _state(storage >> 4), _state(storage >> 2 & 3), _state(storage & 3), _state(personalization & 3), used
    )


def _state(bits: int) -> State:
    if not bits:
        raise Refuse(Refusal.BAD_VALUE)
    return _STATES[bits]


def _switches(value: int, known: int) -> list[bool]:
    """The lowest `known` bits, lowest first; no other may be set."""
    if value >> known:
        raise Refuse(Refusal.BAD_VALUE)
    return [bool(value >> place & 1) for place in range(known)]
