import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.signals import google
from consent.signals.google import Gcd, Gcs, State, Tcfd
from consent.signals.refusal import Refusal, Refused
from tests.consent.signals.vectors import rows

CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
BITS = {"reserved": 0, "unset": 1, "denied": 2, "granted": 3}


def gcd(text: str) -> Gcd:
    read = google.decode_gcd(text)
    assert isinstance(read, Gcd), read
    return read


def written(said: dict[str, Any]) -> str:
    """The `gcd` that says this."""
    text = "1"
    for signal in said["signals"].values():
        two = {name: BITS[signal[name]] for name in ("implicit", "delegation", "declare", "default", "update")}
        text += CHARACTERS[two["delegation"] * 4 + two["implicit"]]
        text += CHARACTERS[two["declare"] * 16 + two["default"] * 4 + two["update"]]
    flags, defaults = said["flags"], said["container_defaults"]
    allow = BITS[flags["allow_ad_personalization_signals"]]
    text += CHARACTERS[flags["gpc"] * 8 + flags["consent_mode_active"] * 4 + allow]
    if defaults is not None:
        ads, analytics, data = (BITS[defaults[name]] for name in ("ad_storage", "analytics_storage", "ad_user_data"))
        text += CHARACTERS[ads * 16 + analytics * 4 + data]
        text += CHARACTERS[defaults["used"] * 4 + BITS[defaults["ad_personalization"]]]
    return text


@pytest.mark.parametrize("row", rows("consent_misc", "gcd"))
def test_a_gcd_vector_is_read_field_by_field(row: dict[str, Any]) -> None:
    assert json.loads(json.dumps(google.described_gcd(gcd(row["gcd"])))) == row["expected"]
    assert written(row["expected"]) == row["gcd"]


@pytest.mark.parametrize("row", rows("consent_misc", "gcs"))
def test_a_gcs_vector_is_read_field_by_field(row: dict[str, Any]) -> None:
    read = google.decode_gcs(row["gcs"])
    assert isinstance(read, Gcs)
    assert google.described_gcs(read) == row["expected"]


@pytest.mark.parametrize("row", rows("consent_misc", "tcfd"))
def test_a_tcfd_vector_is_read_field_by_field(row: dict[str, Any]) -> None:
    read = google.decode_tcfd(row["tcfd"])
    assert isinstance(read, Tcfd)
    assert google.described_tcfd(read) == row["expected"]


@pytest.mark.parametrize("text", rows("consent_misc", "gcd_invalid"))
def test_an_invalid_gcd_is_refused(text: str) -> None:
    assert isinstance(google.decode_gcd(text), Refused)


@pytest.mark.parametrize("text", rows("consent_misc", "gcs_invalid"))
def test_an_invalid_gcs_is_refused(text: str) -> None:
    assert isinstance(google.decode_gcs(text), Refused)


@pytest.mark.parametrize("text", ["", "1", "17T5", "17T533", "07T53", "17T5w", "17T5+", "17T5é", "17T5\n"])
def test_an_invalid_tcfd_is_refused(text: str) -> None:
    assert isinstance(google.decode_tcfd(text), Refused)


@pytest.mark.parametrize(
    ("letter", "effective", "explicit"),
    [
        ("l", State.GRANTED, False),
        ("m", State.DENIED, False),
        ("n", State.GRANTED, True),
        ("p", State.DENIED, False),
        ("q", State.DENIED, False),
        ("r", State.GRANTED, True),
        ("t", State.GRANTED, False),
        ("u", State.DENIED, False),
        ("v", State.GRANTED, True),
    ],
)
def test_a_letter_takes_effect_as_the_fact_sheet_says(letter: str, effective: State, explicit: bool) -> None:
    for signal in gcd("1" + f"3{letter}" * 4 + "5l1").signals.values():
        assert (signal.effective, signal.explicit_grant) == (effective, explicit)


@pytest.mark.parametrize(
    ("separator", "letter", "effective"),
    [
        ("3", "V", State.DENIED),  # declare granted, default denied
        ("3", "B", State.DENIED),  # declare denied, implicit granted
        ("2", "R", State.GRANTED),  # declare granted, implicit denied
        ("2", "l", State.DENIED),
        ("1", "l", State.UNSET),
    ],
)
def test_default_then_declare_then_implicit_take_effect_and_none_is_the_visitors_act(
    separator: str, letter: str, effective: State
) -> None:
    signals = gcd("1" + f"{separator}{letter}" * 4 + "5").signals.values()
    assert {(signal.effective, signal.explicit_grant) for signal in signals} == {(effective, False)}


@pytest.mark.parametrize(
    "text",
    [
        "10r3r3r3r5l1",  # implicit reserved
        "1jr3r3r3r5l1",  # a bit above delegation
        "1353r3r3r5l1",  # declare reserved
        "13h3r3r3r5l1",  # default reserved
        "13k3r3r3r5l1",  # update reserved: 01 01 00
        "13r3r3r3r4l1",  # allow_ad_personalization_signals reserved
        "13r3r3r3rll1",  # a fifth flag
        "13r3r3r3r551",  # container default of ad_storage reserved
        "13r3r3r3r5l4",  # container default of ad_personalization reserved
        "13r3r3r3r5l9",  # a bit above used
    ],
)
def test_a_value_outside_the_layout_is_refused(text: str) -> None:
    assert google.decode_gcd(text) == Refused(Refusal.BAD_VALUE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Refusal.EMPTY),
        ("13r3r3r3r", Refusal.BAD_FORM),
        ("23r3r3r3r5", Refusal.BAD_VERSION),
        ("13r3r3r3r*", Refusal.BAD_ALPHABET),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, reason: Refusal) -> None:
    assert google.decode_gcd(text) == Refused(reason)


@given(st.text(max_size=14) | st.text("13lmnpqrtuv5d", min_size=10, max_size=12).map(lambda rest: "1" + rest[1:]))
def test_any_text_is_read_back_as_it_was_or_refused(text: str) -> None:
    read = google.decode_gcd(text)
    assert isinstance(read, Refused) or written(google.described_gcd(read)) == text


@given(st.text(max_size=6) | st.text("G1-0", max_size=5) | st.text("1" + CHARACTERS, max_size=5))
def test_any_text_is_a_gcs_or_a_tcfd_or_refused(text: str) -> None:
    assert isinstance(google.decode_gcs(text), Gcs) is (
        text[:2] == "G1" and len(text) == 4 and set(text[2:]) <= set("10-")
    )
    assert isinstance(google.decode_tcfd(text), Tcfd | Refused)
