"""What a TC string and an AC string answer, for each recipient (tcf_policy.py says what they permit).

Rules
1. Google: what the string permits is granted, every other advertising purpose is denied.
2. Meta: with an AC string all three advertising purposes or none. Without one the string cannot name Meta: it grants
   nothing, and the site's own record may.
3. Everybody else is on neither list: nothing is granted. Rules 2 and 3 still deny what the string's purposes leave out.
4. A string that cannot be relied on denies advertising to everybody; where the site requires TCF, analytics too.
5. analytics_storage is denied without purposes 1, 8 and 9 where the site asks for them, and never granted.
6. A string inside a GPP string (section 2, in force) counts like one beside it; two that differ are both heard.
7. The site's policy says whether the string may grant at all.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from consent.model import (
    ADS,
    EVERY_RECIPIENT,
    GOOGLE,
    META,
    NOTHING,
    Purpose,
    Purposes,
    Reason,
    Recipient,
    Signal,
    Source,
)
from consent.policy import SitePolicy
from consent.signals import gpp
from consent.signals.fields import UNREADABLE, sections_of, text_of
from consent.signals.gpp import GppString
from consent.signals.tcf_policy import TcfAnswer, TcfOutcome, permitted

FIELDS: Final = ("tc_string", "gdpr_applies", "event_status", "additional_consent", "gpp_string")
_ANALYTICS: Final[Purposes] = frozenset({Purpose.ANALYTICS_STORAGE})
_YES: Final = (True, 1, "1", "true")
_NO: Final = (False, 0, "0", "false")
_TCFEUV2, _UNDECIDED = 2, 0  # section ids of GPP


def read(said: Mapping[str, Any], policy: SitePolicy, now_ms: int) -> list[tuple[Signal | None, TcfAnswer]]:
    """What each TC string of a statement answers; empty if none is there. Never raises."""
    strings = _strings(said)
    if not strings:
        return []
    additional = text_of(said.get("additional_consent"))
    status = said.get("event_status")
    status = status if status is None or isinstance(status, str) else UNREADABLE
    answers = [
        permitted(string, applies, additional, status, now_ms, policy.choice_max_age_days)
        for string, applies in strings
    ]
    return [(_signal(answer, bool(additional), policy), answer) for answer in answers]


def _strings(said: Mapping[str, Any]) -> list[tuple[str | None, bool | None]]:
    """Each TC string with whether the GDPR is said to apply."""
    stated, packed = said.get("gdpr_applies"), said.get("gpp_string")
    applies = True if stated in _YES else False if stated in _NO else None
    beside = text_of(said.get("tc_string"))
    if stated is not None and applies is None:
        beside = beside or UNREADABLE  # something was said of the GDPR that cannot be read
    found: list[tuple[str | None, bool | None]] = []
    inside = None
    if packed is not None or "gpp_sid" in said:
        sections = sections_of(said.get("gpp_sid"))
        inside = _inside_gpp(packed, sections)
        in_force = sections is not None and _TCFEUV2 in sections
        if inside is not None or (in_force and beside is None):
            found.append((inside, True if applies is None else applies))
    if (beside is not None and (beside, applies) not in found) or (inside is None and applies is not None):
        found.append((beside, applies))
    return found


def _inside_gpp(stated: Any, sections: list[int] | None) -> str | None:
    text = text_of(stated)
    found = None if text is None else gpp.decode(text)
    if not isinstance(found, GppString) or found.tc_text is None:
        return None
    return None if sections and not {_TCFEUV2, _UNDECIDED} & set(sections) else found.tc_text


def _signal(answer: TcfAnswer, has_additional: bool, policy: SitePolicy) -> Signal | None:  # noqa: FBT001
    if answer.abstains:
        return None
    if answer.outcome is not TcfOutcome.OK:
        expired = answer.outcome is TcfOutcome.EXPIRED
        reason = Reason.EXPIRED_CHOICE if expired else Reason.TCF_UNRELIABLE
        return _denial(reason, ADS | _ANALYTICS if Source.TCF in policy.requires else ADS)
    meta = answer.meta if has_additional else None
    measures = answer.measures or not policy.tcf_analytics
    return _relied_on(answer.google, meta, answer.unlisted, measures, policy)


@lru_cache(maxsize=64)
def _denial(reason: Reason, purposes: Purposes) -> Signal:
    return Signal(Source.TCF, denies={EVERY_RECIPIENT: purposes}, denial=reason, silence=reason)


@lru_cache(maxsize=1024)
def _relied_on(
    google: Purposes,
    meta: bool | None,  # noqa: FBT001 -- None: it says nothing of Meta
    unlisted: Purposes,
    measures: bool,  # noqa: FBT001
    policy: SitePolicy,
) -> Signal:
    """One signal for all strings that permit the same: decisions are remembered by it."""
    permits: dict[Recipient, Purposes] = dict.fromkeys(policy.recipients, unlisted) | {GOOGLE: google}
    if meta is not None:
        permits[META] = ADS if meta else NOTHING
    named = {name: permits[name] for name in (GOOGLE, META) if name in policy.recipients and name in permits}
    if meta is None:
        named.pop(META, None)
    more = NOTHING if measures else _ANALYTICS
    return Signal(
        Source.TCF,
        grants=named if Source.TCF in policy.grants else {},
        denies={name: (ADS - allowed) | more for name, allowed in permits.items()},
        denial=Reason.TCF_NOT_GRANTED,
        silence=Reason.TCF_NOT_GRANTED,
    )
