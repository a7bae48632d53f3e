"""Does a Measurement Protocol request keep Google's rules? Pure: the clock is an argument.

Written from Google's pages (protocol reference, events, user-provided data) and stricter where Google is
silent: it answers 204 to everything, so the only place to learn of a mistake is here. The rules are in
ga4_rules.py; this file checks the transport and the body, the files beside it events, items and the person.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.ga4_events import check_event
from forwarders.sandbox.ga4_person import (
    check_consent,
    check_device,
    check_ids,
    check_place,
    check_user_data,
    check_user_properties,
)
from forwarders.sandbox.ga4_rules import broken
from forwarders.sandbox.ga4_values import check_own_timestamp
from forwarders.sandbox.shapes import is_json_type, unknown_keys, visitor_headers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

QUERY_KEYS: Final = frozenset({"api_secret", "measurement_id", "firebase_app_id"})
BODY_KEYS: Final = frozenset(
    """
    client_id app_instance_id user_id timestamp_micros user_properties user_data consent non_personalized_ads
    user_location ip_override device user_agent validation_behavior events
    """.split()
)
# Known to the protocol, yet never right in what this project sends to be collected.
NEVER_SENT: Final = ("validation_behavior", "non_personalized_ads", "ip_override", "user_agent")
BODY_LIMIT: Final = 130_000
MOST_EVENTS: Final = 25
_MEASUREMENT_ID = re.compile(r"G-[A-Z0-9]{4,16}")


def check_ga4(query: Mapping[str, str], body: object, headers: Mapping[str, str], now_ms: int) -> list[Violation]:
    """Every rule the request breaks, in reading order.

    `body` is the parsed JSON, or the text where it was not JSON. `headers` have lower-case names; the size is
    read from content-length. `now_ms` is the receipt's clock in epoch milliseconds. Never raises on input.
    """
    found = [*_check_transport(query, headers)]
    if isinstance(body, str):
        found.append(broken("ga4.body_not_json", "body"))
    elif not isinstance(body, dict):
        found.append(broken("ga4.body_not_object", "body", body))
    else:
        found += _check_body(body, now_ms, app="firebase_app_id" in query)
    return found


def _check_transport(query: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[Violation]:
    if not is_json_type(headers):
        yield broken("ga4.content_type_not_json", "headers.content-type", headers.get("content-type"))
    for name in visitor_headers(headers):
        yield broken("ga4.visitor_header_forwarded", f"headers.{name}")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) >= BODY_LIMIT:
        yield broken("ga4.body_too_large", "body", f"{length} bytes")
    if not query.get("api_secret"):
        yield broken("ga4.api_secret_missing", "query.api_secret")
    yield from _check_stream(query)
    for key in unknown_keys(query, QUERY_KEYS):
        yield broken("ga4.query_unknown_key", f"query.{key}")


def _check_stream(query: Mapping[str, str]) -> Iterator[Violation]:
    web, app = query.get("measurement_id"), query.get("firebase_app_id")
    if web and app:
        yield broken("ga4.stream_ambiguous", "query")
    elif not web and not app:
        yield broken("ga4.stream_missing", "query")
    elif web and not _MEASUREMENT_ID.fullmatch(web):
        yield broken("ga4.measurement_id_malformed", "query.measurement_id", web)


def _check_body(body: Mapping[str, Any], now_ms: int, *, app: bool) -> Iterator[Violation]:
    for key in unknown_keys(body, BODY_KEYS):
        yield broken("ga4.body_unknown_key", key)
    for key in NEVER_SENT:
        if key in body:
            yield broken(f"ga4.{key}_sent", key)
    yield from check_ids(body, app=app)
    yield from check_own_timestamp(body, "", now_ms)
    yield from check_consent(body)
    yield from check_place(body.get("user_location", {}))
    yield from check_device(body.get("device", {}))
    if "user_properties" in body:
        yield from check_user_properties(body["user_properties"], now_ms)
    if "user_data" in body:
        yield from check_user_data(body)
    yield from _check_events(body, now_ms, web=not app)


def _check_events(body: Mapping[str, Any], now_ms: int, *, web: bool) -> Iterator[Violation]:
    events = body.get("events", [])
    if not isinstance(events, list):
        yield broken("ga4.events_not_list", "events", events)
        return
    if not events and "user_data" not in body:
        yield broken("ga4.events_missing", "events")
    if len(events) > MOST_EVENTS:
        yield broken("ga4.events_too_many", "events", len(events))
    for position, event in enumerate(events):
        yield from check_event(event, f"events[{position}]", now_ms, web=web)
