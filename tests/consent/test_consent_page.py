"""docs/consent.md and its matrix say what the code does: one is made from the code, the other compared with it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from collector.configuration import RetentionSettings
from collector.store.keyspace import LEDGER_SECONDS
from consent.kinds import KINDS
from consent.model import Purpose
from consent.policy import DEFAULT_MAX_AGE_DAYS, HARD_MAX_AGE_DAYS
from consent.signals.site import MAX_AHEAD_MS
from docs.consent_matrix import decisions, rows

TEXT = (Path(__file__).parents[2] / "docs" / "consent.md").read_text(encoding="utf-8")


def _floors() -> Mapping[str, tuple[str, frozenset[str]]]:
    """Kind to recipient and required purposes, as the page has them."""
    section = TEXT.partition("| Kind of destination |")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()[2:]]
    return {
        kind.strip("`"): (recipient.strip("`"), frozenset(needs.replace("`", "").split(", ")))
        for kind, recipient, needs, _ in cells
    }


def test_the_matrix_has_every_answer_every_source_and_each_row_once() -> None:
    found = list(rows())
    assert {answer for _, _, *answers in found for answer in answers} >= {"grant", "**deny**", "abstain"}
    sources = {"statement", "record", "TCF", "GPP, US Privacy", "Consent Mode", "GPC"}
    assert {source for source, *_ in found} == sources
    assert len({row[:2] for row in found}) == len(found)


@pytest.mark.parametrize(
    ("said", "regime", "expected"),
    [
        ("nothing", "opt-in", ["`choice_unknown`"] * 6),
        ("nothing", "opt-out", ["yes"] * 6),
        ("accepted", "opt-in", ["yes"] * 6),
        ("refused", "opt-out", ["`purpose_not_granted`"] * 6),
        ("accepted for Google alone", "opt-in", ["yes", "yes", *["`recipient_not_covered`"] * 4]),
        (
            "accepted, and TCF accepts Google, not Meta",
            "opt-in",
            ["yes", "yes", "yes", "`tcf_not_granted`", "yes", "yes"],
        ),
        (
            "accepted, and TCF accepts Meta, not Google",
            "opt-in",
            ["yes", "`tcf_not_granted`", "yes", "yes", "yes", "yes"],
        ),
        ("accepted, with Global Privacy Control", "opt-in", ["yes", "`gpc`"] * 3),
        ("US Privacy opts out, nothing else", "opt-out", ["yes", "`us_opt_out`"] * 3),
    ],
)
def test_what_follows_is_what_a_lawyer_expects(said: str, regime: str, expected: list[str]) -> None:
    ((*_, cells),) = [(row[0], row[1], list(row[2:])) for row in decisions() if row[:2] == (said, regime)]
    assert cells == expected


def test_the_floors_on_the_page_are_those_of_the_code() -> None:
    assert _floors() == {name: (kind.recipient, kind.floor) for name, kind in KINDS.items()}


@pytest.mark.parametrize("purpose", Purpose)
def test_every_purpose_is_named(purpose: Purpose) -> None:
    assert f"`{purpose}`" in TEXT


def test_the_periods_on_the_page_are_those_of_the_code() -> None:
    assert f"{DEFAULT_MAX_AGE_DAYS} days unless configured, {HARD_MAX_AGE_DAYS} at the very most" in TEXT
    assert f"{LEDGER_SECONDS // 86_400} days after the last change" in TEXT
    assert f"`[retention] receipt_days`, {RetentionSettings().receipt_days} days" in TEXT
    assert MAX_AHEAD_MS == 5 * 60_000
    assert "five minutes ahead" in TEXT
