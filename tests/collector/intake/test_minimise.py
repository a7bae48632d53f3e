"""What may be kept of addresses and texts, per kind of destination."""

import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake import minimise
from consent.kinds import KINDS
from tests.collector.intake.cases import cases
from tests.collector.intake.shop import Door, event

ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[a-z]+", re.IGNORECASE)


@pytest.mark.parametrize("case", cases("addresses"))
def test_an_address_keeps_only_what_the_kind_of_destination_lists(case: dict[str, Any]) -> None:
    for kind, expected in (("ga4", case["ga4"]), ("meta_capi", case["meta"])):
        assert minimise.joined(minimise.split(case["url"]), KINDS[kind].query) == expected


@pytest.mark.parametrize("field", ["url", "referrer"])
@pytest.mark.parametrize("case", cases("addresses"))
def test_page_and_referrer_are_minimised_in_the_record_of_each_destination(case: dict[str, Any], field: str) -> None:
    door = Door()
    for destination in ("ga4", "meta"):
        record = door.record(event(page={field: case["url"]}), destination)
        if field == "referrer":
            assert record.page_referrer == case[destination]
        else:
            # What is no address of a page gives way to the origin: Meta wants one with every event.
            assert record.page_url == (case[destination] or "https://shop.example/")


@pytest.mark.parametrize("url", [None, ""])
def test_no_address_is_no_address(url: str | None) -> None:
    assert minimise.joined(minimise.split(url), KINDS["ga4"].query) == ""


@pytest.mark.parametrize("case", cases("texts"))
def test_e_mail_addresses_in_free_text_are_masked(case: dict[str, Any]) -> None:
    assert minimise.text(case["text"]) == case["kept"]


@pytest.mark.parametrize("case", cases("texts"))
def test_titles_and_properties_are_masked_at_every_depth(case: dict[str, Any]) -> None:
    said = event(
        page={"title": case["text"]},
        properties={"search_term": case["text"], "items": [{"item_name": case["text"], "price": 1.5}], "n": None},
    )
    record = Door().record(said)
    assert record.page_title == case["kept"]
    assert record.properties == {
        "search_term": case["kept"],
        "items": [{"item_name": case["kept"], "price": 1.5}],
        "n": None,
    }


def test_an_e_mail_address_as_the_name_of_a_property_is_masked_too() -> None:
    said = event(properties={"jane@example.com": 1, "items": [{"for jane%40example.com": 2}]})
    assert Door().record(said).properties == {"(redacted)": 1, "items": [{"for (redacted)": 2}]}


@pytest.mark.parametrize(
    "name",
    "email e_mail Email EMAIL phone phoneNumber phone-number first_name firstName FirstName name_last street address "
    "date_of_birth dob ip ip_address ipAddress user_data gclid GCLID gbraid wbraid dclid fbclid msclkid ttclid "
    "li_fat_id twclid _fbp".split(),
)
def test_a_property_with_the_name_of_a_contact_field_or_a_click_id_is_dropped_at_every_depth(name: str) -> None:
    said = event(properties={name: "Doe 7", "value": 1, "items": [{"item_id": "A", name: "Doe 7"}], "x": {name: 7}})
    assert Door().record(said).properties == {"value": 1, "items": [{"item_id": "A"}], "x": {}}


@pytest.mark.parametrize(
    "name", ["method", "item_name", "coupon", "shipping_tier", "city", "ipad", "mailing", "emails"]
)
def test_a_property_of_another_name_stays(name: str) -> None:
    assert Door().record(event(properties={name: "x"})).properties == {name: "x"}


def test_a_property_that_is_an_address_of_a_page_keeps_only_what_the_kind_lists() -> None:
    url = "https://shop.example/a?utm_source=x&gclid=G1&email=Doe#y"
    said = event(properties={"link_url": url, "items": [{"item_id": "A", "image": f" {url}"}], "note": f"see {url}"})
    assert Door().record(said).properties == {
        "link_url": "https://shop.example/a?utm_source=x",
        "items": [{"item_id": "A", "image": "https://shop.example/a?utm_source=x"}],
        "note": f"see {url}",
    }
    meta = Door().record(event(properties={"content_name": url}), "meta")
    assert meta.properties == {"content_name": "https://shop.example/a"}


def test_properties_with_nothing_to_drop_are_seen_to_be_so() -> None:
    said = {"value": 1.5, "items": [{"item_id": "A", "price": None}], "on": True, "none": [], "x": {"y": ["z"]}}
    assert minimise.is_plain(said)
    assert minimise.properties(said, frozenset()) == said
    for item in ({"email": 1}, {"x": "https://a.example/"}, {"x": [["ftp://a.example"]]}, {"x": [{"y": {"ip": 1}}]}):
        assert not minimise.is_plain(said | item)


@pytest.mark.parametrize("text", ["%40" * 1365, "a" * 4000 + "@", "@" * 4096, "a@" * 2000 + "b", "a." * 2048 + "@"])
def test_a_text_made_to_slow_us_down_does_not(text: str) -> None:
    # One regular expression for a whole address took 25 seconds for the first of these.
    started = time.perf_counter()
    for _ in range(10):
        minimise.text(text)
    assert time.perf_counter() - started < 1


@given(
    before=st.text(st.sampled_from(" ,;<>\"'(=&?/:xé\n")),
    local=st.from_regex(r"[a-z0-9.+_-]{1,12}", fullmatch=True),
    sign=st.sampled_from(["@", "%40"]),
    domain=st.from_regex(r"[a-z]{1,8}\.(?:[a-z]{2,5}\.)?[a-z]{2,5}", fullmatch=True),
    after=st.text(st.sampled_from(" ,;<>\"')=&?/:\n")),
)
@settings(deadline=None, database=None, max_examples=200)
def test_no_address_survives_whatever_stands_around_it(
    before: str, local: str, sign: str, domain: str, after: str
) -> None:
    masked = minimise.text(f"{before}{local}{sign}{domain}{after}")
    assert domain not in masked
    assert not ADDRESS.search(masked.replace("%40", "@"))
    assert masked.endswith(after)


@given(
    url=st.text(max_size=60)
    | st.from_regex(
        r"https?://[a-z@:%0-9]{0,20}[a-z.]{1,12}(?::[0-9]{2,4})?(/[a-z@%]{0,8}){0,3}(\?[a-z_=&@%0-9]{0,20})?"
    )
)
@settings(deadline=None, database=None, max_examples=300)
def test_any_text_gives_an_http_address_without_secrets_or_nothing(url: str) -> None:
    for kind in KINDS.values():
        kept = minimise.joined(minimise.split(url), kind.query)
        if not kept:
            continue
        assert kept.lower().startswith(("http://", "https://"))
        assert "#" not in kept
        assert "@" not in kept
        _, _, query = kept.partition("?")
        assert {part.partition("=")[0] for part in query.split("&") if part} <= kind.query
