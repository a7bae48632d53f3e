from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarders import sandbox
from forwarders.sandbox.answers import GOOGLE_CODES
from forwarders.sandbox.ga4_checks import check_ga4
from forwarders.sandbox.ga4_rules import GA4_RULES
from forwarders.sandbox.meta_checks import check_meta
from forwarders.sandbox.meta_rules import META_REFUSALS, META_RULES
from tests.forwarders.sandbox.fixture_cases import NOW_MS, Case, clean_request, read_cases

if TYPE_CHECKING:
    from forwarders.sandbox.violation import Violation

CASES = [*read_cases("ga4"), *read_cases("meta")]
RULES = {"ga4": GA4_RULES, "meta": META_RULES}


def check(vendor: str, request: dict[str, Any]) -> list[Violation]:
    if vendor == "ga4":
        return check_ga4(request["query"], request["body"], request["headers"], NOW_MS)
    return check_meta(request["path"], request["query"], request["headers"], request["body"], NOW_MS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.vendor}-{case.name}-{case.title}")
def test_a_request_breaks_exactly_the_rules_its_fixture_names(case: Case) -> None:
    found = check(case.vendor, case.request)
    assert {violation.rule for violation in found} == case.expect, case.why


@pytest.mark.parametrize("vendor", ["ga4", "meta"])
def test_every_rule_has_a_fixture_that_breaks_it_alone_or_with_its_consequence(vendor: str) -> None:
    seen = {violation.rule for case in read_cases(vendor) for violation in check(vendor, case.request)}
    assert seen == set(RULES[vendor])


@pytest.mark.parametrize("vendor", ["ga4", "meta"])
def test_there_are_clean_requests_and_they_have_a_reason(vendor: str) -> None:
    clean = [case for case in read_cases(vendor) if not case.expect]
    assert len(clean) > 5
    assert all(case.title and case.why for case in read_cases(vendor))


@pytest.mark.parametrize("vendor", ["ga4", "meta"])
def test_a_rule_is_a_sentence_under_a_stable_id(vendor: str) -> None:
    for rule, sentence in RULES[vendor].items():
        assert rule.startswith(f"{vendor}.")
        assert rule == rule.lower()
        assert sentence.endswith(".")


def test_answers_speak_of_rules_that_exist() -> None:
    assert set(GOOGLE_CODES) <= set(GA4_RULES)
    assert set(META_REFUSALS) <= set(META_RULES)


def test_a_raw_email_address_is_found_and_never_quoted() -> None:
    request = clean_request("meta", "page_view")
    request["body"]["data"][0]["user_data"]["em"] = "jane.doe@example.com"
    [violation] = check("meta", request)
    assert violation.rule == "meta.not_hashed"
    assert violation.field == "data[0].user_data.em"
    assert "jane" not in violation.message


def test_a_message_quotes_what_it_can_show() -> None:
    request = clean_request("ga4", "page_view")
    request["body"]["events"][0]["params"]["engagement_time_msec"] = "100"
    [violation] = check("ga4", request)
    assert violation.field == "events[0].params.engagement_time_msec"
    assert violation.message == 'engagement_time_msec must be a positive number. Received "100".'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def places(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(deeper for key, part in parts for deeper in places(part, (*at, key)))]


def replaced(value: Any, place: tuple[Any, ...], by: Any) -> Any:
    if not place:
        return by
    copied = json.loads(json.dumps(value))
    holder = copied
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = by
    return copied


@pytest.mark.parametrize("vendor", ["ga4", "meta"])
@given(data=st.data())
def test_any_json_in_any_place_is_judged_without_an_exception(vendor: str, data: st.DataObject) -> None:
    request = clean_request(vendor, "purchase")
    place = data.draw(st.sampled_from(places(request["body"])))
    request["body"] = replaced(request["body"], place, data.draw(JSON))
    assert all(violation.rule in RULES[vendor] for violation in check(vendor, request))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("vendor", ["ga4", "meta"])
def test_deep_nesting_in_any_place_is_judged_without_an_exception(vendor: str) -> None:
    request = clean_request(vendor, "purchase")
    body = request["body"]
    for place in places(body):
        request["body"] = replaced(body, place, None) if place else None
        holder: Any = request["body"]
        if place:
            for step in place[:-1]:
                holder = holder[step]
            holder[place[-1]] = nested(1000)
        else:
            request["body"] = nested(1000)
        assert all(violation.rule in RULES[vendor] for violation in check(vendor, request))


def test_the_sandbox_shares_no_code_with_what_it_judges() -> None:
    for path in Path(sandbox.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                allowed = not name.startswith(("forwarders", "collector", "consent"))
                assert allowed or name.startswith("forwarders.sandbox"), f"{path.name} imports {name}"
