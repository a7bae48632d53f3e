"""The US Privacy string (IAB USPrivacy 1.0): query name `us_privacy`, and section 6 (uspv1) of a GPP string.

Layout: four characters, the version `1`, then three answers of Y, N or `-` (does not apply): was notice given and
an opportunity to opt out, did the visitor opt out of sale, is it a transaction under the LSPA. Deprecated since
31 January 2024 and still sent.

Rules
1. `1---` says that the CCPA does not apply. Anywhere else a `-` in the third place contradicts the rest: refused.
2. Upper case only, no white space: what is written otherwise is not this format.
3. Sale is allowed unless the third character is Y. What is refused counts as opted out; the caller sees to that.
"""

from dataclasses import dataclass
from typing import Final

from consent.signals.refusal import Refusal, Refused

_VERSION: Final = "1"
_LENGTH: Final = 4
_NOT_APPLICABLE: Final = "-"


@dataclass(frozen=True, slots=True)
class UsPrivacy:
    """The three answers, each "Y", "N" or "-"."""

    notice: str
    opt_out_sale: str
    lspa: str

    @property
    def ccpa_applies(self) -> bool:
        """False only for `1---`."""
        return self.opt_out_sale != _NOT_APPLICABLE

    @property
    def sale_allowed(self) -> bool:
        """Whether the visitor did not opt out of the sale of personal information."""
        return self.opt_out_sale != "Y"


# Nineteen strings are readable; all of them are held ready.
_READABLE: Final = {
    f"{_VERSION}{notice}{sale}{lspa}": UsPrivacy(notice, sale, lspa)
    for notice in "YN-"
    for sale in "YN-"
    for lspa in "YN-"
    if sale != _NOT_APPLICABLE or notice == lspa == _NOT_APPLICABLE
}


def decode(text: str) -> UsPrivacy | Refused:
    """The answers, or why the string is none. Never raises."""
    return _READABLE.get(text) or Refused(_fault(text))


def described(privacy: UsPrivacy) -> dict[str, str]:
    """The answers as JSON."""
    return {"notice": privacy.notice, "opt_out_sale": privacy.opt_out_sale, "lspa": privacy.lspa}


def _fault(text: str) -> Refusal:
    if not text:
        return Refusal.EMPTY
    if len(text) != _LENGTH:
        return Refusal.BAD_FORM
    return Refusal.BAD_VALUE if text.startswith(_VERSION) else Refusal.BAD_VERSION
