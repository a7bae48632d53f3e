"""The site's own statement: the `consent` object of an event or a batch, and of POST /v1/consent.

Rules
1. "granted" grants and "denied" denies; an absent purpose abstains; any other value is unreadable and denies.
2. A denial holds for every recipient. A grant holds for those the notice named (see policy.covered), and
   `recipients`, where it is given, only narrows: to the ones it lists, less what each one's own entry denies.
3. A *default* never grants. `origin` is "choice" when `decided_at` is given and "default" otherwise.
4. A choice needs a `decided_at` no more than five minutes ahead of our clock and no older than the policy
   allows; else it denies what it denies and grants nothing. It keeps the date it states.
5. Where choices must be recorded (consent_source "recorded") a statement only restricts.
6. A batch's statement and an event's are read apart: what either denies is denied, only what both grant is granted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache, reduce
from typing import Any, Final

from consent.model import EVERYTHING, Choice, Purpose, Purposes, Reason, Recipient, Signal, Source
from consent.policy import ConsentSource, SitePolicy

MAX_AHEAD_MS: Final = 5 * 60 * 1000
MAX_ID: Final = 256
DAY_MS: Final = 24 * 60 * 60 * 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_VERSION: Final = 2**53  # the integers every JSON reader agrees on
_UNKNOWN_VERSION: Final = "(unreadable)"
_ABSENT: Final = object()
_PURPOSES: Final = tuple(Purpose)
_NAMES: Final = tuple(purpose.value for purpose in Purpose)  # plain text: a StrEnum's hash is Python code


@dataclass(slots=True)
class Statement:
    """A statement as read. `signal` is what it says now; `act` what it may change in the ledger.

    `act` is set for a visitor's dated choice; `lowers` for a choice that denies but cannot be an act
    (undated, or from a page that is not the record).
    """

    signal: Signal
    act: Choice | None = None
    lowers: Choice | None = None

    def together_with(self, others: tuple[Signal, ...]) -> "Statement":
        """What it may change in the ledger when the other signals are heard too: an act may grant what they grant."""
        act = self.act
        if act is not None and act.granted is self.signal.grants:
            act = Choice(act.decided_ms, _left(self.signal, others))
        elif act is not None:
            act = act.more(others).less((self.signal, *others))
        return Statement(self.signal, act, None if self.lowers is None else self.lowers.less(others))


@lru_cache(maxsize=1024)
def _left(own: Signal, others: tuple[Signal, ...]) -> Mapping[Recipient, Purposes]:
    """What an act grants beside other signals: the same for all who said the same."""
    return Choice(0, own.grants).more(others).less((own, *others)).granted


def read(
    raw: Any, policy: SitePolicy, now_ms: int, *, recorded: bool = False, dated_ms: int | None = None
) -> Statement | None:
    """Read a statement; None when there is none. Never raises.

    `recorded=True` is for POST /v1/consent, which grants under both consent sources. `dated_ms` is the date of a
    platform's string: it makes a choice of a statement that has no date and calls itself nothing else.
    """
    if raw is None:
        return None
    if isinstance(raw, _Both):
        heard = [read(said, policy, now_ms, recorded=recorded, dated_ms=dated_ms) for said in raw.parts]
        return reduce(_stricter, [statement for statement in heard if statement is not None])
    if not isinstance(raw, dict) or not _names_its_choice(raw.get("choice_id")):
        return Statement(_unreadable(policy))
    named = raw.get("recipients")
    own = None if named is None else _own_denials(named, policy)
    if named is not None and own is None:
        return Statement(_unreadable(policy))
    stated = raw.get("decided_at")
    decided_ms = dated_ms if stated is None else read_moment(stated)
    covered = policy.covered(_version(raw), decided_ms) if policy.notices or policy.since else policy.recipients
    if own is None:
        yes = _for_all(policy, covered, _answers(raw))
    else:
        grants, denies = _sorted_out(_answers(raw))
        denied = {name: denies | own[name] if own.get(name) else denies for name in policy.recipients}
        yes = _granting({name: grants - own[name] for name in covered if name in own}, denied)
    choice = _is_choice(raw, decided_ms)
    doubt = _doubt(choice, decided_ms, policy, now_ms)
    if doubt is None and decided_ms is not None and (recorded or _is_page(policy)):
        # Dated as stated, ahead of our clock too: dated now, the same act sent again would seem a newer one.
        return Statement(yes, act=Choice(decided_ms, yes.grants))
    return _restricting(yes, doubt, decided_ms, now_ms, choice)


@lru_cache(maxsize=1024)
def _for_all(policy: SitePolicy, covered: frozenset[Recipient], answers: "_Answers") -> Signal:
    """What a statement says that names no recipients: the same for everybody who answered the same."""
    grants, denies = _sorted_out(answers)
    return _granting(dict.fromkeys(covered, grants), dict.fromkeys(policy.recipients, denies))


def _granting(allowed: dict[Recipient, Purposes], denied: dict[Recipient, Purposes]) -> Signal:
    silence = Reason.PURPOSE_NOT_GRANTED if allowed else Reason.RECIPIENT_NOT_COVERED
    return Signal(Source.SITE, grants=allowed, denies=denied, silence=silence)


class _Both(dict[str, Any]):
    """A batch's statement and an event's; as a mapping, what the other signals may know of the two."""

    __slots__ = ("parts",)

    def __init__(self, batch: Any, event: Any) -> None:
        self.parts = (batch, event)
        said = [part for part in self.parts if isinstance(part, dict)]
        for part in said:
            self.update(part)
        self["gpc"] = next((part["gpc"] for part in said if part.get("gpc") not in (None, False)), None)
        first, *others = [part.get("region") for part in said] or [None]
        if any(not isinstance(region, str) or region != first for region in others):
            self["region"] = None  # two places are none, and an unknown region is the strictest


def combine(batch: Any, event: Any) -> Any:
    """What `read` takes for an event within a batch; neither statement can grant what the other does not."""
    if batch is None or event is None:
        return event if batch is None else batch
    return _Both(batch, event)


def parts(said: Any) -> tuple[dict[str, Any], ...]:
    """A statement's mappings: its own, or the batch's and the event's, to be read apart. Empty if none is one."""
    if isinstance(said, _Both):
        return tuple(part for each in said.parts for part in parts(each))
    return (said,) if isinstance(said, dict) else ()


def choice_ids(said: Any) -> tuple[str, ...]:
    """The `choice_id` of a statement; of two the event's first, then the batch's."""
    if isinstance(said, _Both):
        batch, event = map(choice_ids, said.parts)
        return tuple(dict.fromkeys(event + batch))
    choice_id = said.get("choice_id") if isinstance(said, dict) else None
    return (choice_id,) if choice_id and _names_its_choice(choice_id) else ()


def read_moment(value: Any) -> int | None:
    """RFC 3339 text with an offset, or epoch milliseconds, as epoch milliseconds; None if it is neither."""
    if type(value) in (int, float):  # a bool is neither
        return int(value) if 0 < value < 1e14 else None  # noqa: PLR2004 -- year 5138, in milliseconds
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    since = moment - _EPOCH
    return since.days * DAY_MS + since.seconds * 1000 + since.microseconds // 1000


def _is_page(policy: SitePolicy) -> bool:
    return policy.consent_source is ConsentSource.PAGE


def _unreadable(policy: SitePolicy) -> Signal:
    return Signal(Source.SITE, denies=dict.fromkeys(policy.recipients, EVERYTHING), denial=Reason.UNREADABLE)


_Answers = tuple[bool | None, ...]


def _answers(raw: Mapping[str, Any]) -> _Answers:
    """Per purpose: granted, not granted, or None for nothing said. What is said and is not "granted" denies."""
    get, absent = raw.get, _ABSENT
    return tuple([None if (value := get(name, absent)) is absent else value == "granted" for name in _NAMES])


@cache
def _sorted_out(answers: _Answers) -> tuple[Purposes, Purposes]:
    """Purposes granted and purposes denied.

    Kept per combination of answers (3 ** 7), never of what was sent: nobody can fill the cache.
    """
    said = list(zip(_PURPOSES, answers, strict=True))
    return (
        frozenset(purpose for purpose, answer in said if answer is True),
        frozenset(purpose for purpose, answer in said if answer is False),
    )


def _own_denials(named: Any, policy: SitePolicy) -> dict[Recipient, Purposes] | None:
    """What `recipients` denies to each configured recipient it lists; None if it cannot be read."""
    if not isinstance(named, Mapping):
        return None
    listed = {name: named[name] for name in policy.recipients if named.get(name) is not None}
    if not all(isinstance(said, Mapping) for said in listed.values()):
        return None
    return {name: _sorted_out(_answers(said))[1] for name, said in listed.items()}


def _names_its_choice(choice_id: Any) -> bool:
    """Whether it is absent or an identifier: what cannot be named cannot be withdrawn."""
    return choice_id is None or (isinstance(choice_id, str) and len(choice_id) <= MAX_ID)


def _version(raw: Mapping[str, Any]) -> str | None:
    """The notice's version; what is neither text nor a whole number is a version nobody knows."""
    version = raw.get("notice_version")
    if version is None or isinstance(version, str):
        return version
    return str(version) if isinstance(version, int) and abs(version) <= _LARGEST_VERSION else _UNKNOWN_VERSION


def _is_choice(raw: Mapping[str, Any], decided_ms: int | None) -> bool:
    stated = raw.get("origin")
    if stated is None:
        return raw.get("decided_at") is not None or decided_ms is not None
    return bool(stated == "choice")


def _doubt(is_choice: bool, decided_ms: int | None, policy: SitePolicy, now_ms: int) -> Reason | None:  # noqa: FBT001
    """Why this statement cannot grant, if it cannot."""
    if not is_choice:
        return Reason.DEFAULT_NEVER_GRANTS
    if decided_ms is None:
        return Reason.CHOICE_UNDATED
    if decided_ms > now_ms + MAX_AHEAD_MS:
        return Reason.CHOICE_IN_FUTURE
    if decided_ms < now_ms - policy.choice_max_age_days * DAY_MS:
        return Reason.EXPIRED_CHOICE
    return None


def _restricting(
    granting: Signal,
    doubt: Reason | None,
    decided_ms: int | None,
    now_ms: int,
    is_choice: bool,  # noqa: FBT001
) -> Statement:
    """A statement that would grant, and may only deny."""
    signal = Signal(Source.SITE, denies=granting.denies, silence=doubt or Reason.RECORD_REQUIRED)
    if not is_choice or not any(granting.denies.values()):
        return Statement(signal)
    # Just before the act it may repeat, so that the act itself, recorded by POST, holds and grows no younger.
    lowered_ms = now_ms if decided_ms is None else min(decided_ms - 1, now_ms)
    return Statement(signal, lowers=Choice(lowered_ms, granting.grants))


def _stricter(one: Statement, other: Statement) -> Statement:
    """Denied if either denies, granted if both grant; the first that is no plain answer says why."""
    first, second = one.signal, other.signal
    signal = Signal(
        Source.SITE,
        grants=_common(first.grants, second.grants),
        denies={name: first.denied_to(name) | second.denied_to(name) for name in (*first.denies, *second.denies)},
        denial=first.denial if first.denial is not Reason.PURPOSE_NOT_GRANTED else second.denial,
        silence=first.silence if first.silence is not Reason.PURPOSE_NOT_GRANTED else second.silence,
    )
    said = [choice for choice in (one.act, other.act, one.lowers, other.lowers) if choice is not None]
    if one.lowers is None and other.lowers is None:
        return Statement(signal, act=reduce(_newer, said) if said else None)
    lowest = reduce(lambda low, choice: _common(low, choice.granted), said[1:], said[0].granted)
    return Statement(signal, lowers=Choice(max(choice.decided_ms for choice in said), lowest))


def _newer(one: Choice, other: Choice) -> Choice:
    """The newer act; of two of the same instant what both grant, as in the ledger."""
    if one.decided_ms == other.decided_ms:
        return Choice(one.decided_ms, _common(one.granted, other.granted))
    return max(one, other, key=lambda choice: choice.decided_ms)


def _common(one: Mapping[Recipient, Purposes], other: Mapping[Recipient, Purposes]) -> dict[Recipient, Purposes]:
    return {name: purposes & other[name] for name, purposes in one.items() if name in other}
