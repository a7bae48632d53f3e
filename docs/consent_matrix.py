"""docs/consent-matrix.md: what each source can answer, per recipient, and what follows under either regime.

Every cell is heard by the code that decides; nothing in the tables is written by hand but the words on the left.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from consent import hearing
from consent.model import ADS, Choice, Purpose, Purposes, Reason, Regime, Signal, Source
from consent.policy import ConsentSource, Notice, SitePolicy
from consent.signals import consent_mode, gpc, recorded, site, tcf_signal, us_signal
from consent.signals.tcf_policy import GOOGLE, MAPPING, META
from docs import platform_strings as strings
from docs.markdown import table

_NOW_MS: Final = site.read_moment("2026-11-21T10:00:00Z") or 0
_DAYS_MS: Final = 24 * 60 * 60 * 1000
_MINUTE_MS: Final = 60 * 1000
_RECIPIENTS: Final = ("google", "meta", "operator")
_PAGE_POLICY: Final = SitePolicy(
    site="shop",
    establishment="BE",
    consent_source=ConsentSource.PAGE,
    recipients=frozenset(_RECIPIENTS),
    notices=(
        Notice(version="1", recipients=frozenset({"google"})),
        Notice(version="2", recipients=frozenset(_RECIPIENTS)),
    ),
    grants=frozenset({Source.TCF, Source.CONSENT_MODE}),
)
_RECORDED_POLICY: Final = SitePolicy(
    site="shop", establishment="BE", consent_source=ConsentSource.RECORDED, recipients=frozenset(_RECIPIENTS)
)
_ELSEWHERE: Final = SitePolicy(
    site="shop",
    establishment="US",
    elsewhere=Regime.OPT_OUT,
    consent_source=ConsentSource.PAGE,
    recipients=frozenset(_RECIPIENTS),
)
_WORDS: Final = ("analytics_storage", *sorted(ADS))
_ANALYTICS: Final[Purposes] = frozenset({Purpose.ANALYTICS_STORAGE})
_GROUPS: Final = (("analytics", _ANALYTICS), ("advertising", ADS))


def page() -> str:
    """The whole page, without its note."""
    return PAGE.format(
        mapping=table(("Recipient", "Purpose", "TCF purposes that must all be consented", "And"), _mapping()),
        answers=table(("Source", "It says", *_columns()), rows()),
        decisions=table(("What was said", "Regime", *_columns()), decisions()),
    )


PAGE: Final = """# The consent matrix

Made from the code that decides. *Advertising* is `ad_storage`, `ad_user_data` and `ad_personalization` together;
*part* means some of the three. The words behind an answer are explained in [outcomes.md](outcomes.md), the rules in
[consent.md](consent.md).

## How TCF purposes become ours
{mapping}

A legitimate interest never counts; a publisher restriction of type 0, 2 or 3 on Google takes the purpose from it.
Others can be named by neither string: they get nothing from it, and what its purposes leave out is denied to them.
`analytics_storage` never follows from TCF.

## What each source answers
A site whose second notice names all three recipients and whose first only named Google; it lets TCF and Consent Mode
grant. Any denial denies; where the regime is opt-in, at least one grant is needed.

{answers}

## What follows
For a site in Belgium (opt-in) and one in the United States that chose opt-out, with a visitor in California.
*Accepted* is everything granted by the page as a choice of two minutes ago.

{decisions}
"""


def _columns() -> list[str]:
    return [f"{name}: {group}" for name in _RECIPIENTS for group, _ in _GROUPS]


def _mapping() -> Iterator[tuple[str, ...]]:
    for needed, purpose in MAPPING:
        numbers = ", ".join(map(str, sorted(needed)))
        yield "google", f"`{purpose}`", numbers, f"vendor {GOOGLE} consented and disclosed"
    everything = sorted(set().union(*[needed for needed, _ in MAPPING]))
    yield "meta", "all three", ", ".join(map(str, everything)), f"id {META} consented in the additional consent string"


def said(word: Any = "granted", **more: Any) -> dict[str, Any]:
    """A visitor's choice of two minutes ago under the notice that names everybody; `more` overrides."""
    choice = {"decided_at": _NOW_MS - 2 * _MINUTE_MS, "notice_version": "2"}
    return {**dict.fromkeys(_WORDS, word), **choice, **more}


def rows() -> Iterator[tuple[str, ...]]:
    """Source, what it says, and what that answers to each recipient for analytics and for advertising."""
    sources = (
        ("statement", _statements()),
        ("record", _records()),
        ("TCF", _tcf()),
        ("GPP, US Privacy", _us()),
        ("Consent Mode", _consent_mode()),
        ("GPC", _objections()),
    )
    for source, signals in sources:
        for words, signal in signals:
            yield source, words, *[_answer(signal, name, group) for name in _RECIPIENTS for _, group in _GROUPS]


def decisions() -> Iterator[tuple[str, ...]]:
    """What was said, the regime, and what each recipient may have or why not."""
    accepted = said()
    cases: tuple[tuple[str, Any, str | None], ...] = (
        ("nothing", None, None),
        ("accepted", accepted, None),
        ("refused", said("denied"), None),
        ("accepted for Google alone", accepted | {"recipients": {"google": {}}}, None),
        ("accepted, as a default", accepted | {"origin": "default"}, None),
        ("accepted, and TCF accepts Google and Meta", accepted | strings.tcf(strings.ALL, strings.META_YES), None),
        ("accepted, and TCF accepts Google, not Meta", accepted | strings.tcf(strings.ALL, strings.META_NO), None),
        (
            "accepted, and TCF accepts Meta, not Google",
            accepted | strings.tcf(strings.NO_GOOGLE, strings.META_YES),
            None,
        ),
        ("accepted, and TCF refuses", accepted | strings.tcf(strings.NONE), None),
        ("accepted, and the TC string cannot be read", accepted | strings.tcf("CQ"), None),
        ("accepted, and the GDPR does not apply (TCF)", accepted | {"gdpr_applies": False}, None),
        (
            "analytics by the page, advertising by TCF",
            _only_analytics() | strings.tcf(strings.ALL, strings.META_YES),
            None,
        ),
        (
            "accepted, and a GPP section opts out",
            accepted | {"gpp_string": strings.CALIFORNIA_OUT, "gpp_sid": [8]},
            None,
        ),
        ("accepted, and US Privacy opts out", accepted | {"us_privacy": "1YYN"}, None),
        ("accepted, and gcs says denied", accepted | {"gcs": "G100"}, None),
        ("accepted, and gcd cannot be read", accepted | {"gcd": "13r"}, None),
        ("accepted, with Global Privacy Control", accepted, "1"),
        ("US Privacy opts out, nothing else", {"us_privacy": "1YYN"}, None),
    )
    for words, statement, header in cases:
        for name, policy in (("opt-in", _PAGE_POLICY), ("opt-out", _ELSEWHERE)):
            placed = statement if policy is _PAGE_POLICY else {**(statement or {}), "region": "US-CA"}
            decided = hearing.hear(placed, header, policy, _NOW_MS).decision
            cells = [_outcome(decided, one, group) for one in _RECIPIENTS for _, group in _GROUPS]
            yield words, name, *cells


def _only_analytics() -> dict[str, Any]:
    return {name: value for name, value in said().items() if not name.startswith("ad_")}


def _outcome(decided: Any, recipient: str, group: Purposes) -> str:
    answers = [decided.answer(recipient, purpose) for purpose in sorted(group)]
    if all(answer.granted for answer in answers):
        return "yes"
    reasons: Mapping[Reason, None] = dict.fromkeys(answer.reason for answer in answers if answer.reason is not None)
    part = "part; " if any(answer.granted for answer in answers) else ""
    return part + ", ".join(f"`{reason}`" for reason in reasons)


def _statements() -> Iterator[tuple[str, Signal | None]]:
    future, expired = _NOW_MS + 6 * _MINUTE_MS, _NOW_MS - 184 * _DAYS_MS
    listed = {"google": {}, "meta": dict.fromkeys(sorted(ADS), "denied")}
    heard: tuple[tuple[str, Any], ...] = (
        ("nothing: there is none", None),
        ('"granted", as a choice of two minutes ago', said()),
        ('"denied"', said("denied")),
        ('another word, such as "yes", or another type', said("yes")),
        ("nothing of these purposes", {"decided_at": _NOW_MS, "notice_version": "2"}),
        ("what cannot be read at all", "granted"),
        ('"granted", but as a default', said(origin="default")),
        ('"denied", as a default', said("denied", origin="default")),
        ('"granted", without a date', said(decided_at=None, origin="choice")),
        ('"granted", six minutes in the future', said(decided_at=future)),
        ('"granted", 184 days ago (the policy allows 183)', said(decided_at=expired)),
        ('"denied", 184 days ago', said("denied", decided_at=expired)),
        ('"granted", under the notice that named Google alone', said(notice_version="1")),
        ('"denied", under the notice that named Google alone', said("denied", notice_version="1")),
        ('"granted", and `recipients` lists Google alone', said(recipients={"google": {}})),
        ('"granted", and Meta\'s own entry denies advertising', said(recipients=listed)),
        ('"granted" by the batch, "denied" by the event', site.combine(said(), said("denied"))),
        ('"granted" by the batch, not mentioned by the event', site.combine(said(), {"decided_at": _NOW_MS})),
    )
    for words, statement in heard:
        yield words, _signal(statement, _PAGE_POLICY)
    yield '"granted", where choices must be recorded', _signal(said(), _RECORDED_POLICY)
    yield '"denied", where choices must be recorded', _signal(said("denied"), _RECORDED_POLICY)


def _records() -> Iterator[tuple[str, Signal | None]]:
    everything: Purposes = ADS | {Purpose.ANALYTICS_STORAGE}
    yes, no = (Choice(_NOW_MS, dict.fromkeys(_RECIPIENTS, what)) for what in (everything, frozenset[Purpose]()))
    old_yes, old_no = (Choice(_NOW_MS - 184 * _DAYS_MS, choice.granted) for choice in (yes, no))
    heard = (
        ("nothing: no identifier has one", [None]),
        ("the latest choice grants", [yes]),
        ("the latest choice does not grant", [no]),
        ("it grants, 184 days ago", [old_yes]),
        ("it refuses, 184 days ago", [old_no]),
        ("one identifier grants, the other has none", [yes, None]),
        ("one identifier grants, the other refuses", [yes, no]),
        ("it is a choice for Google alone", [Choice(_NOW_MS, {"google": everything})]),
    )
    for words, latest in heard:
        yield words, recorded.read(latest, _PAGE_POLICY, _NOW_MS)


def _objections() -> Iterator[tuple[str, Signal | None]]:
    yield "the header `Sec-GPC: 1`, also among several", gpc.read("0, 1", None)
    yield "the header with any other value, or none", gpc.read("true", None)
    yield '`"gpc": true` in the statement, or what cannot be read', gpc.read(None, {"gpc": "1"})
    yield '`"gpc": false` in the statement', gpc.read(None, {"gpc": False})


def _tcf() -> Iterator[tuple[str, Signal | None]]:
    heard = (
        ("everything accepted, additional consent names Meta", strings.tcf(strings.ALL, strings.META_YES)),
        ("everything accepted, additional consent leaves Meta out", strings.tcf(strings.ALL, strings.META_NO)),
        ("everything accepted, no additional consent string", strings.tcf(strings.ALL)),
        ("everything accepted, the additional consent string cannot be read", strings.tcf(strings.ALL, "2~89")),
        ("everything accepted but for Google (vendor 755)", strings.tcf(strings.NO_GOOGLE, strings.META_YES)),
        ("only storage (purpose 1) accepted", strings.tcf(strings.STORAGE, strings.META_YES)),
        ("everything refused", strings.tcf(strings.NONE, strings.META_NO)),
        ("it is missing, cut short or unreadable", strings.tcf("CQ")),
        ("the banner is still open (`cmpuishown`)", strings.tcf(strings.ALL, event_status="cmpuishown")),
        ("older than the site allows", strings.tcf(strings.OLD)),
        ("without the vendors it disclosed", strings.tcf(strings.NOT_DISCLOSED)),
        ("a string, and no word on whether the GDPR applies", {"tc_string": strings.ALL}),
        ("the GDPR does not apply", {"tc_string": strings.NONE, "gdpr_applies": False}),
        ("nothing", {}),
    )
    for words, fields in heard:
        answers = [signal for signal, _ in tcf_signal.read(fields, _PAGE_POLICY, _NOW_MS)]
        yield words, answers[0] if answers else None


def _us() -> Iterator[tuple[str, Signal | None]]:
    heard = (
        ("a section in force opts out, or says GPC", {"gpp_string": strings.CALIFORNIA_OUT, "gpp_sid": [8]}),
        ("a section that opts out, not in force", {"gpp_string": strings.CALIFORNIA_OUT, "gpp_sid": [-1]}),
        ("a section in force does not opt out", {"gpp_string": strings.NATIONAL_IN, "gpp_sid": [7]}),
        ("a section speaks of a known child", {"gpp_string": strings.CHILD, "gpp_sid": [-1]}),
        ("a section in force is missing or unknown", {"gpp_string": "DBAA", "gpp_sid": [24]}),
        ("a GPP string that cannot be read", {"gpp_string": "DBABL"}),
        ("US Privacy: sale opted out", {"us_privacy": "1YYN"}),
        ("US Privacy: not opted out, or not applicable", {"us_privacy": "1YNN"}),
        ("US Privacy that cannot be read", {"us_privacy": "2YNN"}),
    )
    for words, fields in heard:
        yield words, next(iter(us_signal.read(fields)), None)


def _consent_mode() -> Iterator[tuple[str, Signal | None]]:
    heard = (
        ("gcs: both storages granted", {"gcs": "G111"}),
        ("gcs: both storages denied", {"gcs": "G100"}),
        ("gcd: an update to granted", {"gcd": "13r3r3r3r5l1"}),
        ("gcd: an update to denied, or a default of denied", {"gcd": "13q3q3q3q5l1"}),
        ("gcd: a default of granted, nothing by the visitor", {"gcd": "13t3t3t3t5l1"}),
        ("gcd: unset", {"gcd": "13l3l3l3l1l1"}),
        ("gcd or gcs that cannot be read", {"gcd": "13r"}),
    )
    for words, fields in heard:
        yield words, consent_mode.read(fields, _PAGE_POLICY)


def _signal(statement: Any, policy: SitePolicy) -> Signal | None:
    heard = site.read(statement, policy, _NOW_MS)
    return None if heard is None else heard.signal


def _answer(signal: Signal | None, recipient: str, purposes: Purposes) -> str:
    if signal is None:
        return "abstain"
    denied, granted = purposes & signal.denied_to(recipient), purposes & signal.granted_to(recipient)
    if denied:
        return "**deny**" if denied == purposes else "**deny** part"
    if granted:
        return "grant" if granted == purposes else "grant part"
    return "abstain"
