import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake.match_keys import GA4, HASHED, META, Place, google, match_key, meta, normalised

VECTORS = Path(__file__).parents[2] / "fixtures" / "vectors"
SHA256_OF_NOTHING = hashlib.sha256(b"").hexdigest()
HEX = re.compile(r"[0-9a-f]{64}")
RECIPES = {"meta": META, "ga4": GA4}
# Google's vectors name the country of two national numbers in the note only.
NOTED_COUNTRIES = {"ga4-024": "NL", "ga4-027": "DE"}

JANE = {
    "email": " Jane.Doe@Gmail.com",
    "phone": "0478/12.34.56",
    "first_name": "Jane-Ann",
    "last_name": "Doe",
    "street": "Rue de la Loi 16, bte 3",
    "city": "1000 Brussel",
    "region": "Vlaams-Brabant",
    "postal_code": "B-1000",
    "country": "België",
    "date_of_birth": "1990-05-01",
    "gender": "V",
}


def rows(name: str) -> list[Any]:
    loaded = json.loads((VECTORS / name).read_text(encoding="utf-8"))["rows"]
    return [pytest.param(row, id=row["id"]) for row in loaded]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("row", rows("meta_match_keys.json"))
@pytest.mark.parametrize("known_from", ["event", "site"])
def test_meta_vectors_are_normalised_and_hashed_exactly(row: dict[str, Any], known_from: str) -> None:
    country = row["default_country"]
    place = Place(country=country) if known_from == "event" else Place(site=country)
    assert normalised(META[row["field"]], row["raw"], place) == row["normalised"]
    assert match_key(META[row["field"]], row["raw"], place) == row["sha256"]


@pytest.mark.parametrize("row", rows("ga4_user_data.json"))
def test_google_vectors_are_normalised_and_hashed_exactly(row: dict[str, Any]) -> None:
    place = Place(site=NOTED_COUNTRIES.get(row["id"]))
    assert normalised(GA4[row["field"]], row["raw"], place) == row["normalised"]
    if row["field"].startswith("sha256_"):
        assert match_key(GA4[row["field"]], row["raw"], place) == row["sha256"]


@pytest.mark.parametrize("row", rows("match_key_neighbours.json"))
def test_neighbours_of_the_vectors_follow_the_same_rules(row: dict[str, Any]) -> None:
    rule = RECIPES[row["vendor"]][row["field"]]
    assert normalised(rule, row["raw"], Place(row.get("country"), row.get("site"))) == row["normalised"]


def test_meta_answers_each_key_as_a_list_of_one_hash_of_the_normalised_value() -> None:
    assert meta(JANE, None) == {
        "em": [sha256("jane.doe@gmail.com")],
        "ph": [sha256("32478123456")],
        "fn": [sha256("janeann")],
        "ln": [sha256("doe")],
        "db": [sha256("19900501")],
        "ge": [sha256("f")],
        "ct": [sha256("brussel")],
        "st": [sha256("vlaamsbrabant")],
        "zp": [sha256("1000")],
        "country": [sha256("be")],
    }


def test_google_answers_the_user_data_object_with_the_place_in_the_clear() -> None:
    assert google(JANE, None) == {
        "sha256_email_address": [sha256("janedoe@gmail.com")],
        "sha256_phone_number": [sha256("+32478123456")],
        "address": [
            {
                "sha256_first_name": sha256("janeann"),
                "sha256_last_name": sha256("doe"),
                "sha256_street": sha256("rue de la loi 16 bte 3"),
                "city": "brussel",
                "region": "vlaamsbrabant",
                "postal_code": "B-1000",
                "country": "BE",
            }
        ],
    }


def test_no_raw_value_survives_in_metas_keys_and_no_contact_in_googles() -> None:
    answered = json.dumps([meta(JANE, "BE"), google(JANE, "BE")]).lower()
    for raw in ("jane", "doe", "gmail", "478", "loi", "1990"):
        assert raw not in re.sub(r"[0-9a-f]{64}", "", answered)


def test_nothing_usable_gives_no_keys_at_all() -> None:
    blank = dict.fromkeys(JANE, " ")
    for user in ({}, blank, dict.fromkeys(JANE, None), dict.fromkeys(JANE, 7), {"unknown": "Jane"}):
        assert meta(user, "BE") == {}
        assert google(user, "BE") == {}


def test_the_site_country_reads_a_phone_but_is_never_sent_as_the_visitors() -> None:
    user = {"phone": "0478 12 34 56"}
    assert set(meta(user, "BE")) == {"ph"}
    assert google(user, "be") == {"sha256_phone_number": [sha256("+32478123456")]}


def test_the_events_country_may_be_a_name_and_reads_phone_state_and_postal_code() -> None:
    user = {"phone": "(650) 555-1212", "region": "Georgia", "postal_code": "30301 1234", "country": "USA"}
    assert meta(user, "BE") == {
        "ph": [sha256("16505551212")],
        "st": [sha256("ga")],
        "zp": [sha256("30301")],
        "country": [sha256("us")],
    }


def test_an_unknown_country_is_dropped_and_the_site_country_used_for_the_phone() -> None:
    assert set(meta({"phone": "0478 12 34 56", "country": "zz"}, "BE")) == {"ph"}


def test_a_hash_that_came_is_passed_on_in_lower_case_to_both_vendors() -> None:
    came = sha256("jane@example.com")
    user = {"email": f" {came.upper()} "}
    assert meta(user, None) == {"em": [came]}
    assert google(user, None) == {"sha256_email_address": [came]}


def test_a_blank_phone_is_dropped_and_never_hashed() -> None:
    assert meta({"phone": " \t "}, "BE") == {}


def test_a_value_beyond_any_contact_field_is_dropped() -> None:
    assert meta({"first_name": "j" * 320}, None) == {"fn": [sha256("j" * 320)]}
    assert meta({"first_name": "j" * 321}, None) == {}


texts = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(categories=["Cs", "Cf", "Cc", "Zs", "Mn", "Lm"])),
    st.text(alphabet="0123456789+()-./ x#"),
    st.from_regex(r"[A-Za-z.+ ]{1,9}@[a-z.]{1,9}\.[a-z]{2,3}", fullmatch=True),
    st.from_regex(r"[0-9a-fA-F]{30,66}", fullmatch=True),
)
countries = st.sampled_from([None, "BE", "US", "IT", "JP"])
places = st.builds(Place, countries, countries)
rules = st.sampled_from([(vendor, field) for vendor, fields in RECIPES.items() for field in fields])


@given(text=texts, rule=rules, place=places)
@settings(deadline=None, database=None, max_examples=400)
def test_any_text_gives_none_or_one_sha256_and_never_that_of_nothing(
    text: str, rule: tuple[str, str], place: Place
) -> None:
    key = match_key(RECIPES[rule[0]][rule[1]], text, place)
    assert key is None or HEX.fullmatch(key)
    assert key != SHA256_OF_NOTHING


@given(text=texts, rule=rules, place=places)
@settings(deadline=None, database=None, max_examples=400)
def test_a_normalised_value_is_its_own_normal_form(text: str, rule: tuple[str, str], place: Place) -> None:
    # A phone without its "+" may be read as national again: that is Meta's form, and never fed back.
    if rule == ("meta", "ph"):
        rule = ("ga4", "sha256_phone_number")
    normaliser = RECIPES[rule[0]][rule[1]]
    once = normalised(normaliser, text, place)
    if once is not None and once != HASHED:
        assert normalised(normaliser, once, place) == once


@given(user=st.dictionaries(st.sampled_from(sorted(JANE)), texts), site=countries)
@settings(deadline=None, database=None, max_examples=200)
def test_both_recipes_take_any_user_and_answer_only_the_documented_shape(
    user: dict[str, str], site: str | None
) -> None:
    assert all(len(value) == 1 and HEX.fullmatch(value[0]) for value in meta(user, site).values())
    answered = google(user, site)
    assert set(answered) <= {"sha256_email_address", "sha256_phone_number", "address"}
    for address in answered.get("address", []):
        assert address
        assert all(HEX.fullmatch(value) for key, value in address.items() if key.startswith("sha256_"))
        json.dumps(address, ensure_ascii=False).encode()
