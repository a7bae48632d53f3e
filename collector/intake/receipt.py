"""The receipt of an act: what we were told, when, and what follows.

Its structure is that of ISO/IEC TS 27560; docs/receipts.md says which field answers what.

1. It names nobody: the person is a keyed reference, and of a consent string only a keyed digest is kept.
2. `decided_at` is what was stated, `recorded_at` our clock.
3. `notify` lists what an act takes back: who had been granted what, and from when to when a grant was in effect. What
   was handed over in that time is not known per person; that it could have been is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from collector.intake.domains import Mac
from collector.intake.heard import evidence_digest
from collector.intake.site import Site
from consent.evidence import Evidence
from consent.model import EVERYTHING, NOTHING, Choice, Purposes, Recipient, Regime, Source
from consent.signals import tcf
from consent.signals.tcf import TcString

SCHEMA: Final = "sluis-receipt/1"
WITHDRAW_BY: Final = "DELETE /v1/consent"
_DAY_MS: Final = 86_400_000
_GRANTED, _DENIED = "granted", "denied"


Proof = Mapping[str, Any]
"""What is kept of one signal."""


class State(StrEnum):
    """What an act is."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"  # everything, and something had been granted


class Shown(Protocol):
    """What the visitor was shown, as it was stated."""

    @property
    def notice_version(self) -> str | None:
        """The version of the notice."""
        ...

    @property
    def language(self) -> str | None:
        """The language of the notice."""
        ...

    @property
    def ui_version(self) -> str | None:
        """The version of the banner."""
        ...


class NothingShown(NamedTuple):
    """For an act without a banner."""

    notice_version: str | None = None
    language: str | None = None
    ui_version: str | None = None


NOTHING_SHOWN: Final = NothingShown()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An act as it was recorded. `before` are the choices that held until then, one per identifier."""

    id: str
    site: Site
    choice: Choice
    recorded_ms: int
    subjects: Sequence[bytes]
    before: Sequence[Choice | None]
    stated: Purposes = EVERYTHING
    """The purposes it speaks of."""
    regime: Regime | None = None
    """The one that held for this visitor; None where it was not asked."""
    shown: Shown = NOTHING_SHOWN
    proofs: Sequence[Proof] = ()
    gpc: bool = False
    """Whether Global Privacy Control took the advertising purposes out."""
    is_withdrawal: bool = False
    """Whether it took back everything as such, instead of stating a choice."""

    @property
    def state(self) -> State:
        """Given, refused or withdrawn."""
        if any(self.choice.granted.values()):
            return State.GIVEN
        had_granted = any(any(one.granted.values()) for one in self.before if one is not None)
        return State.WITHDRAWN if had_granted or self.is_withdrawal else State.REFUSED


def receipt(act: Act) -> dict[str, Any]:
    """The receipt, to be kept and answered."""
    policy, choice = act.site.policy, act.choice
    is_given = act.state is State.GIVEN
    return {
        "schema": SCHEMA,
        "receipt_id": act.id,
        "subjects": [subject.hex() for subject in act.subjects],
        "site": act.site.id,
        "establishment": policy.establishment,
        "state": act.state.value,
        "recorded_at": moment(act.recorded_ms),
        "decided_at": moment(choice.decided_ms),
        "expires_at": moment(choice.decided_ms + policy.choice_max_age_days * _DAY_MS) if is_given else None,
        "notice_version": act.shown.notice_version,
        "language": act.shown.language,
        "ui_version": act.shown.ui_version,
        "lawful_basis": "consent",
        "regime": act.regime,
        "recipients": _answers(choice, act.stated),
        "withdraw_by": WITHDRAW_BY,
        "evidence": list(act.proofs),
        "gpc": act.gpc,
        "policy": policy.policy_hash,
        "notify": notify(act),
    }


def proofs(evidence: Iterable[Evidence], key: Mac) -> list[Proof]:
    """What is kept of the signals an act rests on; `key` is the site's subject key."""
    return [_proof(one, key) for one in evidence]


def notify(act: Act) -> list[dict[str, Any]]:
    """Whom to tell: each recipient that loses something by this act, and when it had it (rule 3).

    Where silence may have been a yes and no choice was on record, every recipient of the site may have got something.
    """
    before = [choice for choice in act.before if choice is not None]
    named = sorted({name for choice in before for name in choice.granted})
    found = [_loss(name, act, before) for name in named]
    if not before and act.site.policy.elsewhere is Regime.OPT_OUT:
        silent: dict[str, Any] = {"purposes": [], "granted_at": None, "until": moment(act.recorded_ms)}
        return [{"recipient": name, **silent} for name in sorted(_stopped(act.site, act.choice))]
    return [one for one in found if one is not None]


def takes_back(site: Site, choice: Choice, regime: Regime) -> bool:
    """Whether forgetting this choice would open something again.

    That is a refusal of everything and, under opt-out, whatever closes a destination.
    """
    return not any(choice.granted.values()) or (regime is Regime.OPT_OUT and bool(_stopped(site, choice)))


def moment(milliseconds: int) -> str:
    """Epoch milliseconds as RFC 3339."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _stopped(site: Site, choice: Choice) -> set[Recipient]:
    """Recipients with a destination that may not have the visitor's events any more."""
    return {target.recipient for target in site.targets if not choice.allows(target.recipient, target.required)}


def _loss(name: Recipient, act: Act, before: Iterable[Choice]) -> dict[str, Any] | None:
    left = act.choice.granted.get(name, NOTHING)
    had = [(choice, lost) for choice in before if (lost := choice.granted.get(name, NOTHING) - left)]
    if not had:
        return None
    longest_ms = act.site.policy.choice_max_age_days * _DAY_MS
    until_ms = max(min(choice.decided_ms + longest_ms, act.recorded_ms) for choice, _ in had)
    return {
        "recipient": name,
        "purposes": sorted({purpose.value for _, lost in had for purpose in lost}),
        "granted_at": moment(min(choice.decided_ms for choice, _ in had)),
        "until": moment(until_ms),
    }


def _answers(choice: Choice, stated: Purposes) -> dict[str, dict[str, str]]:
    """Per recipient each purpose that was spoken of; what a string granted beside the statement is among them."""
    return {
        name: {purpose.value: _GRANTED if purpose in granted else _DENIED for purpose in sorted(stated | granted)}
        for name, granted in sorted(choice.granted.items())
    }


def _proof(one: Evidence, key: Mac) -> Proof:
    proof: dict[str, Any] = {
        "signal": one.signal,
        "version": one.version,
        "at": None if one.at_ms is None else _moment_or_none(one.at_ms),
        "digest": evidence_digest(key, one.text) if one.text else None,
    }
    found = tcf.decode(one.text) if one.signal == Source.TCF else None
    if isinstance(found, TcString):
        proof |= {"cmp_id": found.cmp_id, "cmp_version": found.cmp_version}
    return proof


def _moment_or_none(milliseconds: int) -> str | None:
    """A string can state a date beyond the calendar."""
    try:
        return moment(milliseconds)
    except (ValueError, OverflowError):
        return None
