"""Everything that a consent platform's strings say, heard in one order. The site's statement and the record are apart.

Rules
1. PLATFORM_SIGNALS is the whole list: a reader per source, what it reads, and whether something of it is there.
2. A batch's statement and an event's are read apart: any denial denies, and strings grant only if both state the same.
3. A signal that the site requires and that is not there denies everything.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from consent.model import EVERY_RECIPIENT, EVERYTHING, Reason, Signal, Source
from consent.policy import SitePolicy
from consent.signals import consent_mode, tcf_signal, us_signal


class Platform(NamedTuple):
    """What the strings say, and the day of the choice that a TC string relied upon states."""

    signals: tuple[Signal, ...] = ()
    dated_ms: int | None = None

    @property
    def grants(self) -> bool:
        """Whether any string grants anything to anybody."""
        return any(signal.grants for signal in self.signals)


SILENT: Final = Platform()
_FIELDS: Final = frozenset((*tcf_signal.FIELDS, *us_signal.FIELDS, *consent_mode.FIELDS))
_PRESENT: Final[Mapping[Source, Callable[[Mapping[str, Any]], bool]]] = {
    Source.TCF: lambda said: said.get("gdpr_applies") is not None or bool(said.get("tc_string")),
    Source.GPP: lambda said: bool(said.get("gpp_string")),
    Source.CONSENT_MODE: lambda said: bool(said.get("gcs") or said.get("gcd")),
}


def read(parts: tuple[Mapping[str, Any], ...], policy: SitePolicy, now_ms: int) -> Platform:
    """Hear every string of a statement, or of a batch's and an event's. Never raises."""
    if len(parts) == 1 and not _FIELDS.isdisjoint(parts[0]):
        return _read(parts[0], policy, now_ms)
    if all(_FIELDS.isdisjoint(said) for said in parts):
        return Platform(_missing(policy.requires)) if policy.requires else SILENT
    stated = [{name: said.get(name) for name in _FIELDS} for said in parts]
    if all(one == stated[0] for one in stated):
        return _read(parts[0], policy, now_ms)
    heard = [signal for said in parts for signal in _read(said, policy, now_ms).signals]
    return Platform(tuple(dict.fromkeys(_only_denying(signal) for signal in heard)))


def _read(said: Mapping[str, Any], policy: SitePolicy, now_ms: int) -> Platform:
    heard: list[Signal] = []
    dated_ms: int | None = None
    for signal, answer in tcf_signal.read(said, policy, now_ms):
        if signal is not None:
            heard.append(signal)
        if answer.updated_ms is not None and (dated_ms is None or answer.updated_ms < dated_ms):
            dated_ms = answer.updated_ms
    heard += us_signal.read(said)
    mode = consent_mode.read(said, policy)
    if mode is not None:
        heard.append(mode)
    if policy.requires:
        heard += _missing(frozenset(source for source in policy.requires if not _PRESENT[source](said)))
    return Platform(tuple(heard), dated_ms)


@lru_cache(maxsize=1024)
def _only_denying(signal: Signal) -> Signal:
    return Signal(signal.source, denies=signal.denies, denial=signal.denial, silence=signal.silence)


@cache
def _missing(sources: frozenset[Source]) -> tuple[Signal, ...]:
    return tuple(
        Signal(source, denies={EVERY_RECIPIENT: EVERYTHING}, denial=Reason.SIGNAL_MISSING) for source in sorted(sources)
    )
