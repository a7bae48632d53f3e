"""Google's AC string: which providers that are not on IAB's list the visitor consented to."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.signals import additional_consent
from consent.signals.additional_consent import AdditionalConsent
from consent.signals.refusal import Refusal, Refused
from tests.consent.signals.vectors import rows


def read(string: str) -> AdditionalConsent:
    said = additional_consent.decode(string)
    assert isinstance(said, AdditionalConsent)
    return said


@pytest.mark.parametrize("row", rows("consent_misc", "ac_string"))
def test_every_vector_is_read(row: dict[str, Any]) -> None:
    said = read(row["addtl_consent"])
    assert additional_consent.described(said) == row["expected"]
    assert (89 in said.agreed) == row["meta_89_consented"]


@pytest.mark.parametrize("string", rows("consent_misc", "ac_string_invalid"))
def test_every_invalid_vector_is_refused(string: str) -> None:
    assert isinstance(additional_consent.decode(string), Refused)


@pytest.mark.parametrize(
    ("string", "expected"),
    [
        ("", Refusal.EMPTY),
        ("3~1", Refusal.BAD_VERSION),
        ("01~1", Refusal.BAD_VERSION),
        ("1~1~dv.2", Refusal.BAD_FORM),
        ("2~1~dv.2~3", Refusal.BAD_FORM),
        ("2~1~2", Refusal.BAD_FORM),
        ("2~1~.dv", Refusal.BAD_FORM),
        ("1~1..2", Refusal.BAD_FORM),
        ("1~1.", Refusal.BAD_FORM),
        ("1~089", Refusal.BAD_FORM),
        ("1~0", Refusal.BAD_FORM),
        ("1~1234567890", Refusal.BAD_FORM),
        ("1~+89", Refusal.BAD_ALPHABET),
        ("1~-89", Refusal.BAD_ALPHABET),
        ("1~ 89", Refusal.BAD_ALPHABET),
        ("1~89\n", Refusal.BAD_ALPHABET),
        ("1~٨٩", Refusal.BAD_ALPHABET),
        ("1~8_9", Refusal.BAD_ALPHABET),
        ("1~" + "1" * 16_384, Refusal.TOO_LONG),
    ],
)
def test_a_refusal_says_what_is_wrong(string: str, expected: Refusal) -> None:
    said = additional_consent.decode(string)
    assert isinstance(said, Refused)
    assert said.reason is expected


def test_an_id_that_is_consented_and_not_consented_is_not_consented() -> None:
    assert read("2~35.89~dv.89.90").agreed == {35}


@settings(deadline=None, database=None, max_examples=300)
@given(st.text() | st.text("0123456789.~dv"))
def test_no_text_makes_the_decoder_raise(string: str) -> None:
    assert isinstance(additional_consent.decode(string), AdditionalConsent | Refused)


@settings(deadline=None, database=None)
@given(st.lists(st.integers(1, 10**9 - 1)), st.none() | st.lists(st.integers(1, 10**9 - 1)))
def test_what_is_written_is_read(consented: list[int], disclosed: list[int] | None) -> None:
    lists = [".".join(map(str, consented))] + ([] if disclosed is None else [".".join(["dv", *map(str, disclosed)])])
    said = read("~".join([str(len(lists)), *lists]))
    assert list(said.consented) == consented
    assert said.disclosed == (None if disclosed is None else tuple(disclosed))
