"""Identifiers that we make: the same within site, destination and period, and never joinable across them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake import domains, ga_cookies
from collector.intake.domains import DomainKeys, KeyMissing, Mac
from collector.intake.periods import period_of, quarter_of
from collector.intake.record import Record
from collector.store.key_periods import due_keys, period_of_key
from collector.store.keyring import EphemeralKeyRing
from tests.collector.intake.cases import cases
from tests.collector.intake.shop import DAY_MS, GRANTED, NOW_MS, Door, event, facts

CLIENT_ID = re.compile(r"[1-9]\d{9}\.[1-9]\d{9}")
CHOICE = "20261121.Zm9vYmFy"


def chosen(choice_id: str = CHOICE, **fields: Any) -> dict[str, Any]:
    return event(consent=GRANTED | {"choice_id": choice_id}, user_id="crm-42", session_id="1763", **fields)


def pseudonyms(record: Record) -> set[str]:
    """Every identifier of the visitor that a record shows to its destination."""
    shown = {record.client_id, record.user_id, record.external_id, record.session_id}
    return shown.union(*(one.split(".") for one in shown)) - {""}


def later(days: int) -> dict[str, Any]:
    """The same choice as heard `days` from now."""
    decided = NOW_MS + days * DAY_MS - 60_000
    return chosen() | {"consent": GRANTED | {"choice_id": CHOICE, "decided_at": decided}}


class TestUnlinkable:
    """No two domains share a value."""

    def test_the_same_visitor_is_the_same_within_one_domain(self) -> None:
        door = Door()
        first, second = door.record(chosen()), door.record(chosen(event_id="e2"))
        assert pseudonyms(first) == pseudonyms(second)
        meta, again = door.record(chosen(), "meta"), door.record(chosen(event_id="e2"), "meta")
        assert meta.external_id == again.external_id != ""

    @pytest.mark.parametrize(
        ("left", "right"),
        [
            (lambda door: door.record(chosen(), "ga4"), lambda door: door.record(chosen(), "meta")),
            (
                lambda door: door.record(chosen(), "ga4"),
                lambda door: door.record(chosen(), "ga4", at="toys"),
            ),
            (
                lambda door: door.record(chosen(), "ga4"),
                lambda door: door.record(later(90), "ga4", stated=facts(NOW_MS + 90 * DAY_MS)),
            ),
            (
                lambda door: door.record(chosen(), "meta"),
                lambda door: door.record(later(90), "meta", stated=facts(NOW_MS + 90 * DAY_MS)),
            ),
            (lambda door: door.record(chosen()), lambda _: Door().record(chosen())),
        ],
        ids=["two destinations", "two sites", "two periods at GA4", "two periods at Meta", "two key rings"],
    )
    def test_two_domains_share_no_value(self, left: Callable[[Door], Record], right: Callable[[Door], Record]) -> None:
        door = Door()
        here, there = pseudonyms(left(door)), pseudonyms(right(door))
        assert here
        assert there
        assert not here & there

    @pytest.mark.parametrize(("one", "other"), [("ga4", "ga4_twin"), ("meta", "meta_twin")])
    def test_two_destinations_of_one_kind_and_one_recipient_share_no_value(self, one: str, other: str) -> None:
        door = Door()
        here = pseudonyms(door.record(chosen(), one, at="twins"))
        assert here
        assert not here & pseudonyms(door.record(chosen(), other, at="twins"))

    def test_no_pseudonym_is_the_identifier_or_a_part_of_it(self) -> None:
        for record in Door().one(chosen(client_id="1234567890.1234567891")).records:
            assert not {"1234567890", "1234567891", "crm-42", "1763"} & pseudonyms(record)

    def test_the_ledgers_references_differ_per_site_and_kind_of_identifier(self) -> None:
        door = Door()
        same = event(client_id="x", user_id="x", consent=GRANTED | {"choice_id": "x"})
        here, there = door.record(same), door.record(same, at="toys")
        assert len(set(here.subjects)) == 3
        assert {len(subject) for subject in here.subjects} == {16}
        assert not set(here.subjects) & set(there.subjects)

    def test_a_reference_outlives_the_period_so_that_a_withdrawal_finds_it(self) -> None:
        door = Door()
        now, then = door.record(chosen()), door.record(later(90), stated=facts(NOW_MS + 90 * DAY_MS))
        assert now.subjects == then.subjects

    def test_somebody_without_any_identifier_is_known_by_the_event_alone(self) -> None:
        door = Door()
        said = event(client_id=None)
        assert len(door.record(said).subjects) == 1
        assert door.record(said).client_id != door.record(said | {"event_id": "e2"}).client_id

    def test_a_customer_number_is_one_customer_as_number_and_as_text(self) -> None:
        door = Door()
        assert door.record(event(user_id=42)).user_id == door.record(event(user_id="42")).user_id


class TestForms:
    """A pseudonym has the form its vendor accepts."""

    @given(client_id=st.text(min_size=1, max_size=30).filter(lambda text: "\0" not in text))
    @settings(deadline=None, database=None, max_examples=50)
    def test_a_client_id_for_ga4_is_two_integers_of_ten_digits(self, client_id: str) -> None:
        record = Door().record(event(client_id=client_id))
        assert CLIENT_ID.fullmatch(record.client_id)
        assert re.fullmatch(r"[1-9]\d{9}", record.session_id)

    def test_a_visitor_without_sessions_has_one_a_day(self) -> None:
        door = Door()
        at = [door.record(event(), stated=facts(NOW_MS + hours * 3_600_000)).session_id for hours in (0, 13, 14)]
        assert at[0] == at[1] != at[2]

    def test_two_sessions_differ_and_two_visitors_do_not_share_one(self) -> None:
        door = Door()
        said = [event(session_id="a"), event(session_id="b"), event(session_id="a", client_id="9.9")]
        assert len({door.record(one).session_id for one in said}) == 3

    def test_where_a_pixel_runs_the_external_id_is_left_to_it(self) -> None:
        assert Door().record(chosen(), "pixel", at="club").external_id == ""


class TestCompanion:
    """gtag runs too: its own client id and session, and nothing instead of them."""

    @pytest.mark.parametrize("case", [one for one in cases("ga_cookies") if "client_id" in one.values[0]])
    def test_the_tags_client_id_is_read_from_its_cookie(self, case: dict[str, Any]) -> None:
        assert ga_cookies.client_id(case["ga_cookie"]) == case["client_id"]
        admission = Door().one(event(client_id="no", context={"ga_cookie": case["ga_cookie"]}), at="club")
        if case["client_id"]:
            (record,) = [one for one in admission.records if one.destination == "companion"]
            assert record.client_id == case["client_id"]
        else:
            assert admission.destinations["companion"] == "skipped:no_client_id"

    @pytest.mark.parametrize("case", [one for one in cases("ga_cookies") if "session_id" in one.values[0]])
    def test_the_tags_session_is_read_from_its_cookie(self, case: dict[str, Any]) -> None:
        assert ga_cookies.session_id(case["ga_session_cookie"]) == case["session_id"]
        said = event(context={"ga_session_cookie": case["ga_session_cookie"]}, session_id="7")
        assert Door().record(said, "companion", at="club").session_id == (case["session_id"] or "7")

    def test_an_absent_cookie_is_no_id(self) -> None:
        assert (ga_cookies.client_id(None), ga_cookies.session_id(None)) == ("", "")

    @pytest.mark.parametrize("session", ["abc", "١٢٣", "1.5"])
    def test_a_session_that_is_no_number_is_left_out(self, session: str) -> None:
        assert Door().record(event(session_id=session), "companion", at="club").session_id == ""

    def test_the_events_own_client_id_will_do_without_a_cookie(self) -> None:
        assert Door().record(event(), "companion", at="club").client_id == "123.456"


class TestPeriods:
    """90 days from the day of the choice; the calendar quarter for everybody else."""

    @pytest.mark.parametrize(
        ("days", "period"),
        [(0, "20261121"), (89, "20261121"), (90, "20270219"), (179, "20270219"), (180, "20270520"), (900, "20290509")],
    )
    def test_a_period_turns_every_90_days_from_the_choice(self, days: int, period: str) -> None:
        assert period_of(CHOICE, NOW_MS + days * DAY_MS) == f"visitor-{period}"

    @pytest.mark.parametrize(
        "choice_id",
        [
            None,
            "",
            "abc",
            "20261121",
            "20261121-x",
            "2026112.x",
            "20261399.x",
            "20260230.x",
            "\uff12\uff10\uff12\uff161121.x",
            "20261123.x",
        ],
    )
    def test_without_a_dated_choice_it_is_the_quarter(self, choice_id: str | None) -> None:
        assert period_of(choice_id, NOW_MS) == "quarter-2026Q4"

    def test_a_choice_of_tomorrow_is_a_clock_that_runs_ahead(self) -> None:
        assert period_of("20261122.x", NOW_MS) == "visitor-20261122"

    @pytest.mark.parametrize(
        ("moment", "quarter"),
        [
            (0, "quarter-1970Q1"),
            (NOW_MS, "quarter-2026Q4"),
            (1_798_761_599_999, "quarter-2026Q4"),
            (1_798_761_600_000, "quarter-2027Q1"),
        ],
    )
    def test_a_quarter_turns_at_midnight_utc(self, moment: int, quarter: str) -> None:
        assert quarter_of(moment) == quarter

    @given(choice_day=st.integers(0, 40_000), day=st.integers(0, 40_000))
    @settings(deadline=None, database=None)
    def test_the_period_of_any_choice_has_a_key_on_that_day(self, choice_day: int, day: int) -> None:
        today = period_of_key(f"day-{_date(day)}")
        assert today is not None
        assert period_of(f"{_date(choice_day)}.x", day * DAY_MS + 5) in set(due_keys(today.begins))

    def test_a_period_without_a_root_falls_back_to_the_quarter(self) -> None:
        roots = _Without("visitor-")
        with_choice, without = Door(roots).record(chosen()), Door(roots).record(event(user_id="crm-42"))
        assert with_choice.user_id == without.user_id


class TestKeys:
    """Derived, separated, remembered; missing means stop."""

    def test_a_missing_root_is_said_and_nothing_is_made(self) -> None:
        with pytest.raises(KeyMissing, match="subject"):
            Door(_Without("subject")).one(event())
        with pytest.raises(KeyMissing, match="quarter-2026Q4"):
            Door(_Without("quarter-")).one(event())

    def test_labels_cannot_run_over_into_each_other(self) -> None:
        keys = DomainKeys(EphemeralKeyRing())
        assert keys.domain("subject", "ab", "c").digest("") != keys.domain("subject", "a", "bc").digest("")

    def test_a_remembered_key_is_the_key(self) -> None:
        roots = EphemeralKeyRing()
        keys = DomainKeys(roots)
        first = keys.subject("shop").digest("")
        for number in range(domains._CACHED_KEYS + 1):
            keys.domain("subject", "shop", str(number))
        assert keys.subject("shop").digest("") == first == DomainKeys(roots).subject("shop").digest("")

    def test_the_mac_is_hmac_sha256(self) -> None:
        # RFC 4231, test case 2.
        expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        assert Mac(b"Jefe").digest("what do ya want for nothing?").hex() == expected


class _Without:
    """A key ring that lacks some roots."""

    def __init__(self, prefix: str) -> None:
        self._ring = EphemeralKeyRing()
        self._prefix = prefix

    def root(self, key_id: str) -> bytes | None:
        return None if key_id.startswith(self._prefix) else self._ring.root(key_id)


def _date(day: int) -> str:
    key = period_of_key("day-19700101")
    assert key is not None
    return f"{key.begins.fromordinal(key.begins.toordinal() + day):%Y%m%d}"


def test_what_was_derived_from_a_destroyed_root_is_forgotten() -> None:
    class Ring(EphemeralKeyRing):
        destroyed = False

        def root(self, key_id: str) -> bytes | None:
            return None if self.destroyed and key_id.startswith("visitor-") else super().root(key_id)

    ring = Ring()
    keys = DomainKeys(ring)
    keys.domain("visitor-20261121", "shop", "ga4")
    subject = keys.subject("shop")
    ring.destroyed = True
    keys.domain("visitor-20261121", "shop", "ga4")  # until it is told to look
    keys.forget_destroyed()
    with pytest.raises(KeyMissing):
        keys.domain("visitor-20261121", "shop", "ga4")
    assert keys.subject("shop") is subject
