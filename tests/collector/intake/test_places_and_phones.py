"""Edges of reading places and phone numbers that the vendors' vectors do not have."""

import pytest

from collector.intake.addresses import postal_code
from collector.intake.phone import e164


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("B-1000", "BE", "1000"),
        ("B-1000", "FR", None),
        ("B 1000", "FR", "b1000"),
        ("K 1000", "FR", "k1000"),
        ("K-1000", None, "k1000"),
    ],
)
def test_a_sign_before_a_postal_code_goes_only_where_it_is_the_countrys(
    text: str, country: str | None, code: str | None
) -> None:
    assert postal_code(text, country) == code


def test_an_international_number_of_a_range_no_table_knows_yet_is_kept() -> None:
    assert e164("+1 200 555 0123", []) == "+12005550123"


@pytest.mark.parametrize("text", ["+999123456789", "+1234567", "+", "+0", "+32 2 555 + 12 12", "+" + "1" * 30])
def test_an_international_number_of_no_country_or_no_possible_length_is_dropped(text: str) -> None:
    assert e164(text, ["BE"]) is None


def test_a_text_too_long_for_a_number_is_not_read_at_all() -> None:
    number = "+32 2 555 12 12"
    assert e164(number.ljust(40), ["BE"]) == "+3225551212"
    assert e164(number.ljust(41), ["BE"]) is None
