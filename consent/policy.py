"""What a site's operator has answered about consent, and the regime that follows from it.

Rules
1. The establishment comes first: a controller established in the EEA, the UK or Switzerland needs opt-in
   for every visitor, wherever they are (GDPR Art. 3(1); ePrivacy Art. 5(3)).
2. A visitor's region may only tighten. An unknown region is the strictest one.
3. Opt-out exists only for establishments elsewhere *and* visitors known to be elsewhere, and only where the
   operator has chosen it.
4. Of the CMP's strings only TCF may grant unless the operator says otherwise; any of them may be required.
5. A policy that breaks a rule does not exist: the constructor raises ValueError with a sentence.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from consent.countries import COUNTRIES, OPT_IN_COUNTRIES
from consent.model import EVERY_RECIPIENT, Recipient, Regime, Source

DEFAULT_MAX_AGE_DAYS = 183  # CNIL, DPC, Garante: six months as good practice
HARD_MAX_AGE_DAYS = 395  # IAB TCF: remind at least every 13 months

MAY_GRANT: Final = frozenset({Source.TCF, Source.CONSENT_MODE})
MAY_BE_REQUIRED: Final = frozenset({Source.TCF, Source.CONSENT_MODE, Source.GPP})

_REGION = re.compile(r"([A-Z]{2})(-[A-Z0-9]{1,3})?")


class ConsentSource(StrEnum):
    """Who is believed when it says *granted*."""

    PAGE = "page"  # the operator declares that event fields carry the visitor's act
    RECORDED = "recorded"  # only POST /v1/consent grants; event fields only restrict


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One version of the text a visitor was shown, and the recipients it named."""

    version: str
    recipients: frozenset[Recipient]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # one object a site
class SitePolicy:
    """The consent rules of one site. `policy_hash` identifies the whole configuration it came from."""

    site: str
    establishment: str
    consent_source: ConsentSource
    recipients: frozenset[Recipient]
    elsewhere: Regime = Regime.OPT_IN
    choice_max_age_days: int = DEFAULT_MAX_AGE_DAYS
    notices: tuple[Notice, ...] = ()
    since: Mapping[Recipient, int] = field(default_factory=dict)
    """When each recipient was first configured, epoch milliseconds; from the beginning where it is not said."""
    grants: frozenset[Source] = frozenset({Source.TCF})
    """The CMP's signals that may grant; all of them may deny."""
    requires: frozenset[Source] = frozenset()
    """The CMP's signals that must be there: without one of them nothing is granted."""
    tcf_analytics: bool = False
    """Whether analytics_storage needs TCF purposes 1, 8 and 9 in addition to the site's own choice."""
    policy_hash: str = ""

    def __post_init__(self) -> None:
        if self.establishment not in COUNTRIES:
            raise ValueError(
                f"site {self.site!r}: establishment must be the ISO country code of the controller's main "
                f'establishment, such as "BE" (the United Kingdom is "GB"); got {self.establishment!r}',
            )
        if not 1 <= self.choice_max_age_days <= HARD_MAX_AGE_DAYS:
            raise ValueError(
                f"site {self.site!r}: choice_max_age_days must lie between 1 and {HARD_MAX_AGE_DAYS}",
            )
        if self.elsewhere is Regime.OPT_OUT and self.establishment in OPT_IN_COUNTRIES:
            raise ValueError(
                f"site {self.site!r}: establishment {self.establishment} needs opt-in for every visitor: "
                'elsewhere = "opt_out" is not available',
            )
        if not self.grants <= MAY_GRANT or not self.requires <= MAY_BE_REQUIRED:
            raise ValueError(
                f"site {self.site!r}: grants may name {_named(MAY_GRANT)}, requires {_named(MAY_BE_REQUIRED)}",
            )
        if EVERY_RECIPIENT in self.recipients:
            raise ValueError(f"site {self.site!r}: a recipient needs a name of its own; {EVERY_RECIPIENT!r} is none")
        if len({notice.version for notice in self.notices}) < len(self.notices):
            raise ValueError(f"site {self.site!r}: each version of the notice may be described once only")

    def regime(self, region: str | None) -> Regime:
        """Which regime holds for a visitor from `region` (ISO 3166-1 or -2; None = unknown)."""
        if self.establishment in OPT_IN_COUNTRIES or self.elsewhere is not Regime.OPT_OUT:
            return Regime.OPT_IN
        return Regime.OPT_OUT if region is not None and _is_elsewhere(region) else Regime.OPT_IN

    def covered(self, notice_version: str | None, decided_ms: int | None = None) -> frozenset[Recipient]:
        """The configured recipients a statement can grant to: those its notice named.

        Without notices on file those that were configured when the visitor decided. With notices, a version that is not
        among them covers nobody (we cannot show what the visitor was told), and a statement without a
        version covers whom *every* version on file named (whichever it was, they were told of these).
        """
        if not self.notices:
            return self._configured_at(decided_ms)
        told = [notice.recipients for notice in self.notices if notice_version in (None, notice.version)]
        return self.recipients.intersection(*told) if told else frozenset()

    def _configured_at(self, decided_ms: int | None) -> frozenset[Recipient]:
        if not self.since or decided_ms is None:
            return self.recipients
        return frozenset(one for one in self.recipients if self.since.get(one, 0) <= decided_ms)


def strictest(regions: Iterable[str | None]) -> str | None:
    """Where a visitor is, of what several sources say: where opt-in holds if one says so; None is no answer."""
    said = [region for region in regions if region is not None]
    strict = [region for region in said if not _is_elsewhere(region)]
    return next(iter(strict or said), None)


def _is_elsewhere(region: str) -> bool:
    """Whether it is the code of a place outside the EEA, the UK and Switzerland."""
    found = _REGION.fullmatch(region)
    return found is not None and found[1] in COUNTRIES and found[1] not in OPT_IN_COUNTRIES


def _named(sources: Iterable[Source]) -> str:
    return ", ".join(sorted(sources))
