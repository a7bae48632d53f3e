"""What a record holds for whom: properties, click ids, match keys, moments; and what it never holds."""

import hashlib
from typing import Any, ClassVar

import msgspec
import orjson
import pytest

from collector.intake.event import Context, Page, User, read_event, read_json
from collector.intake.facts import Facts
from collector.intake.record import SCHEMA, Record, UnreadableRecord, from_bytes, to_bytes
from tests.collector.intake.cases import cases
from tests.collector.intake.shop import CHROME, DAY_MS, GRANTED, JANE, NOW_MS, Door, event, facts

FBC = "fb.1.1795255100000.IwAR0AbCdEfGh"
FBP = "fb.1.1795255100000.1234567890"
ALL_BUT_USER_DATA = GRANTED | {"ad_user_data": "denied"}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TestMoments:
    """When an event happened."""

    @pytest.mark.parametrize("case", cases("timestamps"))
    def test_a_timestamp_is_read_in_every_documented_form(self, case: dict[str, Any]) -> None:
        assert Door().record(event(timestamp=case["timestamp"])).occurred_ms == case["occurred_ms"]

    @pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", 1])
    def test_a_moment_before_all_vendors_is_too_old_and_no_fault_of_ours(self, text: Any) -> None:
        admission = Door().one(event(timestamp=text))
        assert (admission.outcome, admission.reason) == ("refused", "too_old")

    def test_a_window_ends_to_the_millisecond(self) -> None:
        door = Door()
        last = NOW_MS - 3 * DAY_MS
        assert door.one(event(timestamp=last)).destinations["ga4"] == "queued"
        assert door.one(event(timestamp=last - 1)).destinations == {"ga4": "skipped:too_old", "meta": "queued"}

    @pytest.mark.parametrize(
        ("stated", "counted"),
        [(1234, 1234), (1234.9, 1234), (0, 1), (-5, 1), ("1234", 1), (None, 1), (True, 1), ([], 1)],
    )
    def test_engagement_is_at_least_a_millisecond(self, stated: Any, counted: int) -> None:
        assert Door().record(event(properties={"engagement_time_msec": stated})).engagement_ms == counted


class TestProperties:
    """GA4 gets what the page said; Meta only what its standard fields are made from."""

    SAID: ClassVar = {
        "currency": "EUR",
        "value": 1,
        "items": [{"item_id": "a"}],
        "coupon": "SPRING",
        "internal_note": "x",
    }

    def test_metas_record_holds_only_its_own_properties(self) -> None:
        record = Door().record(event(properties=self.SAID), "meta")
        assert record.properties == {"currency": "EUR", "value": 1, "items": [{"item_id": "a"}]}

    def test_ga4_gets_all_of_them(self) -> None:
        assert Door().record(event(properties=self.SAID)).properties == self.SAID


class TestClickIds:
    """`_fbp` and `_fbc` are Meta's, in their documented form, and never anybody else's."""

    def test_only_meta_gets_them(self) -> None:
        door = Door()
        said = event(context={"fbc": FBC, "fbp": FBP})
        assert (door.record(said, "meta").fbc, door.record(said, "meta").fbp) == (FBC, FBP)
        assert (door.record(said, "ga4").fbc, door.record(said, "ga4").fbp) == ("", "")

    @pytest.mark.parametrize(
        "value", ["", "jane@example.com", "fb.1.1.x", "fb.1.1795255100000.", f"{FBC};x", f" {FBC}"]
    )
    def test_another_form_is_dropped(self, value: str) -> None:
        record = Door().record(event(context={"fbc": value, "fbp": value}), "meta")
        assert (record.fbc, record.fbp) == ("", "")

    def test_without_a_cookie_it_is_made_from_the_landing_address(self) -> None:
        said = event(page={"url": "https://shop.example/?fbclid=IwAR0AbCdEfGh#x"}, timestamp=NOW_MS - 1000)
        record = Door().record(said, "meta")
        assert record.fbc == f"fb.1.{NOW_MS - 1000}.IwAR0AbCdEfGh"
        assert record.page_url == "https://shop.example/"

    def test_a_click_is_never_later_than_we_heard_of_it(self) -> None:
        said = event(page={"url": "https://shop.example/?fbclid=IwAR0AbCdEfGh"}, timestamp=NOW_MS + 60_000)
        assert Door().record(said, "meta").fbc == f"fb.1.{NOW_MS}.IwAR0AbCdEfGh"

    def test_the_cookie_wins_over_the_address(self) -> None:
        said = event(page={"url": "https://shop.example/?fbclid=IwAR0ZzZzZzZz"}, context={"fbc": FBC})
        assert Door().record(said, "meta").fbc == FBC

    @pytest.mark.parametrize("query", ["", "?fbclid=short", "?fbclid=jane@example.com", "?xfbclid=IwAR0AbCdEfGh"])
    def test_nothing_is_made_of_what_is_no_click_id(self, query: str) -> None:
        assert Door().record(event(page={"url": f"https://shop.example/{query}"}), "meta").fbc == ""


class TestMatchKeys:
    """A disclosure of its own: only with ad_user_data, in the recipient's own shape."""

    def test_each_recipient_gets_its_own_hashes_and_no_raw_value(self) -> None:
        door = Door()
        said = event(user=JANE)
        meta, google = door.record(said, "meta").match_keys, door.record(said, "ga4").match_keys
        assert meta["em"] == [sha256("jane.doe@example.com")]
        assert meta["ph"] == [sha256("3225551212")]
        assert google["sha256_email_address"] == [sha256("jane.doe@example.com")]
        assert google["sha256_phone_number"] == [sha256("+3225551212")]
        for made in (meta, google):
            assert "jane" not in orjson.dumps(made).decode().lower()

    def test_without_ad_user_data_google_gets_none(self) -> None:
        record = Door().record(event(user=JANE, consent=ALL_BUT_USER_DATA))
        assert record.match_keys == {}

    def test_without_ad_user_data_meta_gets_nothing_at_all(self) -> None:
        admission = Door().one(event(user=JANE, consent=ALL_BUT_USER_DATA))
        assert admission.destinations["meta"] == "skipped:purpose_not_granted"

    @pytest.mark.parametrize("user", [None, {}, {"email": ""}, {"email": "nobody"}])
    def test_nothing_known_makes_nothing(self, user: Any) -> None:
        door = Door()
        assert door.record(event(user=user)).match_keys == {}
        assert door.record(event(user=user), "meta").match_keys == {}

    def test_a_destination_without_a_recipe_gets_none(self) -> None:
        said = event(user=JANE, context={"ga_cookie": "GA1.1.1.2"})
        record = Door().record(said, "trace", at="club")
        assert (record.match_keys, record.user_agent, record.fbp) == ({}, "", "")


class TestWhatNeverGetsIn:
    """Contact data, whole user agents where nobody needs them, addresses of the client."""

    def test_no_field_of_any_record_holds_contact_data(self) -> None:
        user = {**JANE, "last_name": "Doe-Canary", "street": "Canary Street 7", "city": "Canaryville"}
        for record in Door().one(event(user=user)).records:
            written = to_bytes(record).decode("utf-8", "replace").lower()
            for raw in ("jane", "doe-canary", "canary street", "555 12 12", "25551212"):
                assert raw not in written, raw
            if record.destination == "meta":
                assert "canaryville" not in written

    def test_a_whole_user_agent_goes_to_meta_alone(self) -> None:
        door = Door()
        assert door.record(event(), "meta").user_agent == CHROME
        ga4 = door.record(event())
        assert ga4.user_agent == ""
        assert ga4.device["browser"] == "Chrome"
        assert CHROME.encode() not in to_bytes(ga4)

    def test_a_record_has_no_place_for_an_address_of_the_client(self) -> None:
        fields = {*Record.__struct_fields__, *Facts.__struct_fields__}
        assert not {name for name in fields if "ip" in name.split("_") or "addr" in name or "remote" in name}


class TestRedaction:
    """Nothing that holds raw data shows it."""

    def test_neither_event_nor_facts_nor_record_nor_body_is_printed(self) -> None:
        raw = event(user=JANE, page={"title": "secret title"}, context={"fbp": FBP})
        body = read_json(orjson.dumps(raw))
        said = read_event(body.json, body)
        shown = [said, said.page, said.user, said.context, facts(), body, *Door().one(raw).records]
        for one in shown:
            assert "<redacted>" in repr(one)
            for hidden in ("jane", "secret title", FBP, "123.456", CHROME):
                assert hidden not in repr(one) + str(one)
        assert repr(Page()) == "Page(<redacted>)"
        assert (repr(User()), repr(Context())) == ("User(<redacted>)", "Context(<redacted>)")


class TestBytes:
    """A record as it travels."""

    def test_a_record_comes_back_as_it_was(self) -> None:
        for record in Door().one(event(user=JANE, properties={"items": [{"price": 1.5}]})).records:
            assert from_bytes(to_bytes(record)) == record

    @pytest.mark.parametrize("data", [b"", b"\xc1", b"rubbish", b"\x80", msgspec.msgpack.encode({"schema": 1})])
    def test_rubbish_is_no_record(self, data: bytes) -> None:
        with pytest.raises(UnreadableRecord, match="not a record"):
            from_bytes(data)

    def test_a_newer_schema_is_not_guessed_at(self) -> None:
        newer = msgspec.structs.replace(Door().record(event()), schema=SCHEMA + 1)
        with pytest.raises(UnreadableRecord, match=f"schema {SCHEMA + 1}, this version reads {SCHEMA}"):
            from_bytes(to_bytes(newer))


def test_the_pages_address_falls_back_to_the_referer_and_then_to_the_origin() -> None:
    door = Door()
    assert door.record(event(), stated=facts(referer="https://shop.example/a?b=c")).page_url == "https://shop.example/a"
    assert door.record(event()).page_url == "https://shop.example/"
    no_page = event(page={"url": "about:blank"})
    assert door.record(no_page, stated=facts(referer="https://shop.example/a?b=c")).page_url == "https://shop.example/a"
    assert door.record(no_page, stated=facts(referer="android-app://x")).page_url == "https://shop.example/"


@pytest.mark.parametrize(
    ("region", "country"),
    [
        *(("BE", "BE"), ("be-vlg", "BE"), ("US-CA", "US"), ("", ""), ("1", ""), (5, ""), ("٣٤", "")),
        *(("XX", ""), ("UK", ""), ("BENELUX", ""), ("BE2", "")),
    ],
)
def test_a_country_is_one_that_exists_or_nothing(region: Any, country: str) -> None:
    assert Door().record(event(consent=GRANTED | {"region": region})).country == country


@pytest.mark.parametrize(
    ("said", "header", "language"),
    [(None, "nl-BE,nl;q=0.9", "nl"), ("fr-BE", "nl", "fr"), ("gsw-CH", "", "gsw"), (None, "*", ""), ("", "", "")],
)
def test_a_language_is_its_primary_tag_or_nothing(said: str | None, header: str, language: str) -> None:
    assert Door().record(event(context={"language": said}), stated=facts(language=header)).language == language
