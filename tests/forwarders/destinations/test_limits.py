"""Properties are untrusted: whatever they hold, compose answers, and what it answers is within the limits."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.intake.record import Record, from_bytes, to_bytes
from forwarders.contract import Answer, Delivery, Skip, Verdict
from forwarders.destinations.ga4 import MAX_BODY, MAX_NOTES, Ga4
from forwarders.destinations.meta_capi import MetaCapi
from forwarders.destinations.stdout import Stdout

# Time on a shared machine says nothing about these rules.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW_MS = 1_795_255_205_000
GA4 = Ga4("ga4", "G-TEST123", "s", "https://example.com/mp/collect")
META = MetaCapi("meta", "123", "t", "v26.0", "https://example.com")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
PREFIXES = ("firebase_", "ga_", "google_")
LONG = {"page_location": 1000, "page_referrer": 420, "page_title": 300}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=130)
    | st.sampled_from(["29.95", "EUR", "1e5", "", " ", "1_0"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ITEM_NAMES = st.sampled_from(["item_id", "item_name", "price", "quantity", "item_category"]) | st.text(max_size=45)
ITEMS = st.lists(st.dictionaries(ITEM_NAMES, VALUES, max_size=6) | VALUES, max_size=5)
NAMES = st.sampled_from(
    "value currency transaction_id debug_mode page_location session_id search_term ga_x shipping".split(),
) | st.text(max_size=45)
PROPERTIES = st.builds(
    lambda properties, items: properties | items,
    st.dictionaries(NAMES, VALUES, max_size=30),
    st.fixed_dictionaries({}, optional={"items": ITEMS | VALUES}),
)


def _record(name: str, properties: dict[str, Any], **said: Any) -> Record:
    about: dict[str, Any] = {
        "site": "shop",
        "destination": "d",
        "kind": "ga4",
        "recipient": "google",
        "event_id": "e-1",
        "name": name,
        "occurred_ms": NOW_MS,
        "received_ms": NOW_MS,
        "granted": ["analytics_storage"],
        "policy_hash": "p-1",
        "client_id": "1.2",
        "external_id": "p-9",
        "properties": properties,
    }
    return from_bytes(to_bytes(Record(**(about | said))))


def _strict(body: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(body, parse_constant=refuse)


def _assert_scalar(value: Any, limit: int = 100) -> None:
    assert type(value) in (str, int, float)
    assert len(value) <= limit if isinstance(value, str) else abs(value) <= 2**53


def _assert_name(name: str) -> None:
    assert NAME.fullmatch(name)
    assert not name.startswith(PREFIXES)


@UNHURRIED
@given(name=st.sampled_from(["page_view", "purchase", "own_event"]), properties=PROPERTIES, title=st.text())
def test_ga4_gets_valid_json_within_its_limits_whatever_the_properties(
    name: str, properties: dict[str, Any], title: str
) -> None:
    composed = GA4.compose(_record(name, properties, page_title=title), NOW_MS)
    assert isinstance(composed, Delivery)
    assert len(composed.body) < MAX_BODY
    assert len(composed.notes) <= MAX_NOTES
    params = _strict(composed.body)["events"][0]["params"]
    assert len(params) <= 25
    items = params.pop("items", [{"item_id": "none were sent"}])
    for parameter, value in params.items():
        _assert_name(parameter)
        _assert_scalar(value, LONG.get(parameter, 100))
    assert 0 < len(items) <= 200
    for item in items:
        assert {"item_id", "item_name"} & item.keys()
        for parameter, value in item.items():
            _assert_name(parameter)
            _assert_scalar(value)


@UNHURRIED
@given(name=st.sampled_from(["purchase", "search", "begin_checkout", "own_event"]), properties=PROPERTIES)
def test_meta_gets_valid_json_of_documented_fields_whatever_the_properties(
    name: str, properties: dict[str, Any]
) -> None:
    composed = META.compose(_record(name, properties), NOW_MS)
    if isinstance(composed, Skip):
        assert composed is Skip.MISSING_VALUE
        return
    custom = _strict(composed.body)["data"][0].get("custom_data", {})
    assert custom.keys() <= set(
        "value currency content_ids contents content_type num_items content_name content_category order_id "
        "search_string".split(),
    )
    assert "value" not in custom or "currency" in custom
    assert all(content["quantity"] >= 1 for content in custom.get("contents", []))


@UNHURRIED
@given(properties=PROPERTIES)
def test_a_line_is_one_line_of_json_whatever_the_properties(properties: dict[str, Any]) -> None:
    composed = Stdout("stdout").compose(_record("page_view", properties), NOW_MS)
    assert isinstance(composed, Delivery)
    assert b"\n" not in composed.body
    assert _strict(composed.body)["name"] == "page_view"


@UNHURRIED
@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "date", "content-type", "x-business-use-case-usage"]), st.text(max_size=40)
    ),
    body=st.binary(max_size=60) | st.builds(lambda error: json.dumps({"error": error}).encode(), VALUES),
)
def test_any_answer_is_judged_and_its_cause_is_a_short_label(status: int, headers: dict[str, str], body: bytes) -> None:
    for destination in (GA4, META):
        judged = destination.judge(Answer(status, headers, body))
        assert re.fullmatch(r"[a-z0-9_]{0,30}", judged.cause)
        assert judged.retry_after_s is None or judged.retry_after_s >= 0
        assert judged.verdict is not Verdict.HANDED_OVER or status in range(200, 300)


def test_a_body_beyond_130_kb_loses_items_and_says_so() -> None:
    large = {f"own_{n}": "é" * 100 for n in range(20)}
    items = [{"item_id": f"SKU{n}", **large} for n in range(200)]
    composed = GA4.compose(_record("view_item_list", {"items": items}), NOW_MS)
    assert isinstance(composed, Delivery)
    assert len(composed.body) < MAX_BODY
    kept = _strict(composed.body)["events"][0]["params"]["items"]
    assert kept == items[:25]
    assert composed.notes[-1] == "items: cut to 25, a request stays under 130 kB"


@pytest.mark.parametrize(("given_count", "kept_count"), [(200, 200), (201, 200)])
def test_ga4_gets_two_hundred_items_at_most(given_count: int, kept_count: int) -> None:
    items = [{"price": 1}, *({"item_id": f"SKU{n}"} for n in range(given_count))]
    composed = GA4.compose(_record("view_item_list", {"items": items}), NOW_MS)
    assert isinstance(composed, Delivery)
    assert len(_strict(composed.body)["events"][0]["params"]["items"]) == kept_count
    assert ("items: cut to 200" in composed.notes) is (given_count > kept_count)


def test_an_item_keeps_27_parameters_of_its_own_and_all_documented_ones() -> None:
    item = {f"own_{n}": n for n in range(28)} | {"item_id": "SKU1", "item_brand": "Example"}
    composed = GA4.compose(_record("view_item", {"items": [item]}), NOW_MS)
    assert isinstance(composed, Delivery)
    (kept,) = _strict(composed.body)["events"][0]["params"]["items"]
    assert kept == {f"own_{n}": n for n in range(27)} | {"item_id": "SKU1", "item_brand": "Example"}
    assert "items: an item keeps 27 parameters of its own" in composed.notes


def test_a_user_id_that_is_too_long_is_dropped_and_never_cut() -> None:
    for length, kept in ((256, True), (257, False)):
        composed = GA4.compose(_record("page_view", {}, user_id="u" * length), NOW_MS)
        assert isinstance(composed, Delivery)
        assert ("user_id" in _strict(composed.body)) is kept
        assert any(note.startswith("user_id: dropped") for note in composed.notes) is not kept


def test_the_same_record_gives_the_same_bytes_on_every_try() -> None:
    record = _record("purchase", {"value": 1, "currency": "EUR", "items": [{"item_id": "SKU1"}]})
    for destination in (GA4, META):
        first, later = destination.compose(record, NOW_MS), destination.compose(record, NOW_MS + 60_000)
        assert isinstance(first, Delivery)
        assert first == later
