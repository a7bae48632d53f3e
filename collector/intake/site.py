"""A site and its destinations as `admit` needs them: resolved from the configuration once, at start."""

from dataclasses import dataclass
from enum import StrEnum

from consent.kinds import Kind
from consent.model import Purposes, Recipient
from consent.policy import SitePolicy


class Identity(StrEnum):
    """Whose client id GA4 gets."""

    COMPANION = "companion"  # gtag's own, so that our events join its sessions
    KEYED = "keyed"  # a pseudonym of ours


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # one object each: compared by identity
class Target:
    """One destination of a site."""

    name: str
    kind: str
    row: Kind
    recipient: Recipient
    required: Purposes
    max_age_ms: int
    identity: Identity = Identity.KEYED
    sends_external_id: bool = False

    @property
    def advertises(self) -> bool:
        """Whether this destination needs an advertising purpose."""
        return any(purpose.startswith("ad_") for purpose in self.required)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """One website: its consent policy and where its events may go."""

    id: str
    policy: SitePolicy
    targets: tuple[Target, ...]
    default_country: str | None = None
    for_children: bool = False
