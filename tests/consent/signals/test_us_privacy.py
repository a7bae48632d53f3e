from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.signals import us_privacy
from consent.signals.refusal import Refusal, Refused
from consent.signals.us_privacy import UsPrivacy
from tests.consent.signals.vectors import rows


@pytest.mark.parametrize("row", rows("consent_misc", "us_privacy"))
def test_a_vector_is_read_field_by_field(row: dict[str, Any]) -> None:
    privacy = us_privacy.decode(row["us_privacy"])
    assert isinstance(privacy, UsPrivacy)
    assert us_privacy.described(privacy) == row["expected"]
    assert privacy.ccpa_applies is row["ccpa_applies"]
    assert privacy.sale_allowed is row["sale_allowed"]


@pytest.mark.parametrize("text", rows("consent_misc", "us_privacy_invalid_deny"))
def test_an_invalid_vector_is_refused(text: str) -> None:
    assert isinstance(us_privacy.decode(text), Refused)


def test_it_does_not_apply_only_when_all_three_say_so() -> None:
    nothing = us_privacy.decode("1---")
    assert isinstance(nothing, UsPrivacy)
    assert (nothing.ccpa_applies, nothing.sale_allowed) == (False, True)
    for notice, lspa in product("YN-", repeat=2):
        if notice + lspa != "--":
            assert us_privacy.decode(f"1{notice}-{lspa}") == Refused(Refusal.BAD_VALUE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Refusal.EMPTY),
        ("1YN", Refusal.BAD_FORM),
        ("2YNN", Refusal.BAD_VERSION),
        ("1yNN", Refusal.BAD_VALUE),
        (" 1YN", Refusal.BAD_VERSION),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, reason: Refusal) -> None:
    assert us_privacy.decode(text) == Refused(reason)


@given(st.text(max_size=6) | st.text("1YN- ", min_size=3, max_size=5))
def test_any_text_is_one_of_nineteen_strings_or_refused(text: str) -> None:
    privacy = us_privacy.decode(text)
    readable = len(text) == 4 and text[0] == "1" and set(text[1:]) <= set("YN-") and (text[2] != "-" or text == "1---")
    assert isinstance(privacy, UsPrivacy) is readable
    if isinstance(privacy, UsPrivacy):
        assert "1" + "".join(us_privacy.described(privacy).values()) == text
        assert privacy.sale_allowed is (text[2] != "Y")
