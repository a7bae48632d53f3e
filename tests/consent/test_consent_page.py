"""docs/consent.md says what the code does: its table is made from the code, its other tables are compared with it."""

from collections.abc import Mapping

import pytest

from collector.configuration import RetentionSettings
from collector.store.keyspace import LEDGER_SECONDS
from consent.kinds import KINDS
from consent.model import Purpose
from consent.policy import DEFAULT_MAX_AGE_DAYS, HARD_MAX_AGE_DAYS
from consent.signals.site import MAX_AHEAD_MS
from docs.consent_matrix import BEGIN, END, PAGE, matrix, refreshed, rows

TEXT = PAGE.read_text(encoding="utf-8")


def _floors() -> Mapping[str, tuple[str, frozenset[str]]]:
    """Kind to recipient and required purposes, as the page has them."""
    section = TEXT.partition("| Kind of destination |")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()[2:]]
    return {
        kind.strip("`"): (recipient.strip("`"), frozenset(needs.replace("`", "").split(", ")))
        for kind, recipient, needs, _ in cells
    }


def test_the_matrix_is_the_one_the_code_makes() -> None:
    assert refreshed(TEXT) == TEXT


def test_a_matrix_that_was_changed_by_hand_would_be_noticed() -> None:
    forged = TEXT.replace("**deny**", "grant", 1)
    assert forged != TEXT
    assert refreshed(forged) == TEXT


def test_a_page_without_a_place_for_the_matrix_is_an_error() -> None:
    for text in ("", TEXT.replace(END, ""), TEXT.replace(BEGIN, "")):
        with pytest.raises(ValueError, match="needs the lines"):
            refreshed(text)


def test_the_matrix_shows_all_three_answers_and_each_row_once() -> None:
    answers = {answer for _, _, *both in rows() for answer in both}
    assert answers == {"grant", "**deny**", "abstain"}
    assert len({row[:2] for row in rows()}) == len(matrix().splitlines()) - 2


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
