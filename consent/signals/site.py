"""The site's own statement: the `consent` object of an event or a batch, and of POST /v1/consent.

Rules
1. "granted" grants and "denied" denies; an absent purpose abstains; any other value is unreadable and denies.
2. `recipients` names whom the statement speaks for and only narrows. Without it the statement covers the
   recipients of its notice version (see policy.covered).
3. A *default* never grants. `origin` is "choice" when `decided_at` is given and "default" otherwise.
4. A choice needs a `decided_at` no more than five minutes ahead of our clock and no older than the policy
   allows; else it denies what it denies and grants nothing.
5. Where choices must be recorded (consent_source "recorded") a statement only restricts.
6. A batch's statement and an event's combine to the stricter before they are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from consent.model import EVERYTHING, NOTHING, Choice, Purpose, Purposes, Reason, Recipient, Signal
from consent.policy import ConsentSource, SitePolicy

MAX_AHEAD_MS: Final = 5 * 60 * 1000
DAY_MS: Final = 24 * 60 * 60 * 1000
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


def read(raw: Any, policy: SitePolicy, now_ms: int, *, recorded: bool = False) -> Statement | None:
    """Read a statement; None when there is none. Never raises.

    `recorded=True` is for POST /v1/consent, which grants under both consent sources.
    """
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        return Statement(_unreadable(policy))
    grants, denies = _flat(raw)
    per_recipient = _per_recipient(raw.get("recipients"), policy, raw.get("notice_version"))
    if per_recipient is None:
        return Statement(_unreadable(policy))
    allowed = {name: grants - narrowed if narrowed else grants for name, narrowed in per_recipient.items()}
    denied = {name: denies | narrowed if narrowed else denies for name, narrowed in per_recipient.items()}
    return _weigh(raw, allowed, denied, policy, now_ms, believed=recorded or _is_page(policy))


def combine(batch: Any, event: Any) -> Any:
    """One statement from a batch's and an event's, purpose by purpose and recipient by recipient stricter."""
    if batch is None or event is None:
        return event if batch is None else batch
    if not isinstance(batch, Mapping) or not isinstance(event, Mapping):
        return "unreadable"
    combined = {**batch, **event}
    for purpose in _NAMES:
        stated = [said[purpose] for said in (batch, event) if purpose in said]
        if stated:
            combined[purpose] = next((value for value in stated if value != "granted"), "granted")
    combined["recipients"] = _stricter_recipients(batch.get("recipients"), event.get("recipients"))
    combined["gpc"] = batch.get("gpc") is True or event.get("gpc") is True
    combined["origin"] = "choice" if _origin(batch) == _origin(event) == "choice" else "default"
    moments = [said["decided_at"] for said in (batch, event) if said.get("decided_at") is not None]
    if moments:
        combined["decided_at"] = min(moments, key=lambda moment: read_moment(moment) or 0)
    return combined


def read_moment(value: Any) -> int | None:
    """RFC 3339 text with an offset, or epoch milliseconds, as epoch milliseconds; None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if 0 < value < 1e14 else None  # noqa: PLR2004 -- year 5138, in milliseconds
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return int(moment.astimezone(UTC).timestamp() * 1000)


def _is_page(policy: SitePolicy) -> bool:
    return policy.consent_source is ConsentSource.PAGE


def _unreadable(policy: SitePolicy) -> Signal:
    return Signal("site", denies=dict.fromkeys(policy.recipients, EVERYTHING), denial=Reason.UNREADABLE)


def _flat(raw: Mapping[str, Any]) -> tuple[Purposes, Purposes]:
    """Purposes granted and purposes denied, by their own names. What is said and is not "granted" denies."""
    said = tuple([raw.get(name, "") for name in _NAMES])
    try:
        return _sorted_out(said)
    except TypeError:  # a list or an object where a word belongs
        return _sorted_out(tuple(value if value in ("", "granted") else "denied" for value in said))


@lru_cache(maxsize=512)
def _sorted_out(said: tuple[Any, ...]) -> tuple[Purposes, Purposes]:
    pairs = list(zip(_PURPOSES, said, strict=True))
    return (
        frozenset(purpose for purpose, value in pairs if value == "granted"),
        frozenset(purpose for purpose, value in pairs if value not in ("", "granted")),
    )


def _per_recipient(named: Any, policy: SitePolicy, version: Any) -> dict[Recipient, Purposes] | None:
    """Recipient to the purposes its own entry takes away; None if the field cannot be read."""
    if named is None:
        notice = version if version is None or isinstance(version, str) else str(version)
        return dict.fromkeys(policy.covered(notice), NOTHING)
    if not isinstance(named, Mapping):
        return None
    narrowed: dict[Recipient, Purposes] = {}
    for name in policy.recipients:
        said = named.get(name)
        if said is None:
            continue
        if not isinstance(said, Mapping):
            return None
        narrowed[name] = _flat(said)[1]
    return narrowed


def _origin(raw: Mapping[str, Any]) -> str:
    stated = raw.get("origin")
    if stated is None:
        return "choice" if raw.get("decided_at") is not None else "default"
    return "choice" if stated == "choice" else "default"


def _stricter_recipients(batch: Any, event: Any) -> Any:
    if batch is None or event is None:
        return event if batch is None else batch
    if not isinstance(batch, Mapping) or not isinstance(event, Mapping):
        return "unreadable"
    return {name: combine(batch[name], event[name]) for name in batch if name in event}


def _doubt(raw: Mapping[str, Any], decided_ms: int | None, policy: SitePolicy, now_ms: int) -> Reason | None:
    """Why this statement cannot grant, if it cannot."""
    if _origin(raw) != "choice":
        return Reason.DEFAULT_NEVER_GRANTS
    if decided_ms is None:
        return Reason.CHOICE_UNDATED
    if decided_ms > now_ms + MAX_AHEAD_MS:
        return Reason.CHOICE_IN_FUTURE
    if decided_ms < now_ms - policy.choice_max_age_days * DAY_MS:
        return Reason.EXPIRED_CHOICE
    return None


def _weigh(
    raw: Mapping[str, Any],
    allowed: dict[Recipient, Purposes],
    denied: dict[Recipient, Purposes],
    policy: SitePolicy,
    now_ms: int,
    *,
    believed: bool,
) -> Statement:
    decided_ms = read_moment(raw.get("decided_at"))
    doubt = _doubt(raw, decided_ms, policy, now_ms)
    if doubt is None and decided_ms is not None and believed:
        # The clock of a device may run ahead: an act is never later than the moment we heard of it.
        act = Choice(min(decided_ms, now_ms), allowed)
        return Statement(Signal("site", grants=allowed, denies=denied), act=act)
    signal = Signal("site", denies=denied, silence=doubt or Reason.RECORD_REQUIRED)
    restricts = any(denied.values()) and _origin(raw) == "choice"
    return Statement(signal, lowers=Choice(now_ms, allowed) if restricts else None)
