"""The decision, in prose and then in code.

1. Every signal answers, for each recipient and purpose, *grant*, *deny* or *abstain*.
2. Any denial denies, whoever says it.
3. Where the regime is opt-in, at least one grant is needed; silence is no.
4. Where the regime is opt-out, silence is yes.
5. A destination may have an event only if every purpose it requires is granted for its own recipient.

Total, deterministic and monotone: one more denial never grants more.
"""

from collections.abc import Iterable
from functools import lru_cache

from consent.model import EVERYTHING, NOTHING, Decision, Purposes, Recipient, Regime, Signal
from consent.policy import SitePolicy


def decide(signals: Iterable[Signal | None], policy: SitePolicy, region: str | None) -> Decision:
    """Decide for every configured recipient; a signal that is None is silent. `region` is where the visitor is."""
    heard = tuple([signal for signal in signals if signal is not None])
    return _decided(heard, policy, policy.regime(region) is Regime.OPT_OUT)


@lru_cache(maxsize=1024)
def _decided(signals: tuple[Signal, ...], policy: SitePolicy, opt_out: bool) -> Decision:  # noqa: FBT001
    """Deterministic, so remembered: visitors who say the same get the same decision, evidence included."""
    regime = Regime.OPT_OUT if opt_out else Regime.OPT_IN
    granted = {recipient: _granted(recipient, signals, regime) for recipient in policy.recipients}
    return Decision(granted, regime, signals, policy.policy_hash)


def _granted(recipient: Recipient, signals: tuple[Signal, ...], regime: Regime) -> Purposes:
    said_yes = EVERYTHING if regime is Regime.OPT_OUT else NOTHING
    said_no = NOTHING
    for signal in signals:
        said_yes |= signal.granted_to(recipient)
        said_no |= signal.denied_to(recipient)
    return said_yes - said_no
