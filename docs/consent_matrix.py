"""`python -m docs.consent_matrix`: writes the table of docs/consent.md, which says what each source can answer.

Every row is heard by the code that decides; nothing in the table is written by hand but the first two columns.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from consent.model import ADS, Choice, Purpose, Purposes, Signal
from consent.policy import ConsentSource, Notice, SitePolicy
from consent.signals import gpc, recorded, site
from docs.markdown import table

PAGE: Final = Path(__file__).parent / "consent.md"
BEGIN: Final = "<!-- Made from the code by `python -m docs.consent_matrix`. -->\n"
END: Final = "<!-- End of what is made from the code. -->\n"

_NOW_MS: Final = site.read_moment("2026-11-21T10:00:00Z") or 0
_DAYS_MS: Final = 24 * 60 * 60 * 1000
_MINUTE_MS: Final = 60 * 1000
_RECIPIENT: Final = "meta"
_PAGE_POLICY: Final = SitePolicy(
    site="shop",
    establishment="BE",
    consent_source=ConsentSource.PAGE,
    recipients=frozenset({"google", _RECIPIENT}),
    notices=(
        Notice(version="1", recipients=frozenset({"google"})),
        Notice(version="2", recipients=frozenset({"google", _RECIPIENT})),
    ),
)
_RECORDED_POLICY: Final = SitePolicy(
    site="shop", establishment="BE", consent_source=ConsentSource.RECORDED, recipients=frozenset({"google", _RECIPIENT})
)
_WORDS: Final = ("analytics_storage", *sorted(ADS))


def said(word: Any = "granted", **more: Any) -> dict[str, Any]:
    """A visitor's choice of two minutes ago under the notice that names everybody; `more` overrides."""
    choice = {"decided_at": _NOW_MS - 2 * _MINUTE_MS, "notice_version": "2"}
    return {**dict.fromkeys(_WORDS, word), **choice, **more}


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Source, what it says, and what that answers for statistics and for advertising to one recipient."""
    for source, signals in (("statement", _statements()), ("record", _records()), ("GPC", _objections())):
        for words, signal in signals:
            yield source, words, _answer(signal, frozenset({Purpose.ANALYTICS_STORAGE})), _answer(signal, ADS)


def matrix() -> str:
    """The table."""
    return table(("Source", "It says", "`analytics_storage`", "`ad_*`"), rows())


def refreshed(page: str) -> str:
    """The page with the table as the code has it now; raises ValueError if the page has no place for it."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"docs/consent.md needs the lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{matrix()}\n{END}{after}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write("docs/consent.md\n")


def _statements() -> Iterator[tuple[str, Signal | None]]:
    future, expired = _NOW_MS + 6 * _MINUTE_MS, _NOW_MS - 184 * _DAYS_MS
    listed = {"google": {}, _RECIPIENT: dict.fromkeys(sorted(ADS), "denied")}
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
        ('"granted", and its notice did not name the recipient', said(notice_version="1")),
        ('"denied", and its notice did not name the recipient', said("denied", notice_version="1")),
        ('"granted", and `recipients` does not list the recipient', said(recipients={"google": {}})),
        ('"granted", and the recipient\'s own entry denies advertising', said(recipients=listed)),
        ('"granted" by the batch, "denied" by the event', site.combine(said(), said("denied"))),
        ('"granted" by the batch, not mentioned by the event', site.combine(said(), {"decided_at": _NOW_MS})),
    )
    for words, statement in heard:
        yield words, _signal(statement, _PAGE_POLICY)
    yield '"granted", where choices must be recorded', _signal(said(), _RECORDED_POLICY)
    yield '"denied", where choices must be recorded', _signal(said("denied"), _RECORDED_POLICY)


def _records() -> Iterator[tuple[str, Signal | None]]:
    everything: Purposes = ADS | {Purpose.ANALYTICS_STORAGE}
    yes, no = (Choice(_NOW_MS, {_RECIPIENT: what}) for what in (everything, frozenset[Purpose]()))
    old_yes, old_no = (Choice(_NOW_MS - 184 * _DAYS_MS, choice.granted) for choice in (yes, no))
    heard = (
        ("nothing: no identifier has one", [None]),
        ("the latest choice grants", [yes]),
        ("the latest choice does not grant", [no]),
        ("it grants, 184 days ago", [old_yes]),
        ("it refuses, 184 days ago", [old_no]),
        ("one identifier grants, the other has none", [yes, None]),
        ("one identifier grants, the other refuses", [yes, no]),
        ("it is a choice for another recipient", [Choice(_NOW_MS, {"google": everything})]),
    )
    for words, latest in heard:
        yield words, recorded.read(latest, _PAGE_POLICY, _NOW_MS)


def _objections() -> Iterator[tuple[str, Signal | None]]:
    yield "the header `Sec-GPC: 1`, also among several", gpc.read("0, 1", None)
    yield "the header with any other value, or none", gpc.read("true", None)
    yield '`"gpc": true` in the statement, or what cannot be read', gpc.read(None, {"gpc": "1"})
    yield '`"gpc": false` in the statement', gpc.read(None, {"gpc": False})


def _signal(statement: Any, policy: SitePolicy) -> Signal | None:
    heard = site.read(statement, policy, _NOW_MS)
    return None if heard is None else heard.signal


def _answer(signal: Signal | None, purposes: Purposes) -> str:
    if signal is not None and purposes & signal.denied_to(_RECIPIENT):
        return "**deny**"
    return "grant" if signal is not None and purposes <= signal.granted_to(_RECIPIENT) else "abstain"


if __name__ == "__main__":
    main()
