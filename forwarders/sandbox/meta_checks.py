"""Does a Conversions API request keep Meta's rules? Pure: the clock is an argument.

Written from Meta's pages and from measured answers; one invalid event fails the whole request there, so each
event is checked by itself here. The rules are in meta_rules.py; this file checks the path, the token and the
body, the files beside it the event, the person and the custom data.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.meta_events import check_event
from forwarders.sandbox.meta_rules import broken
from forwarders.sandbox.shapes import (
    SHA256_ANY_CASE,
    is_json_type,
    is_match,
    is_text,
    unknown_keys,
    visitor_headers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

QUERY_KEYS: Final = frozenset({"access_token", "appsecret_proof"})
BODY_KEYS: Final = frozenset(
    """
    data test_event_code partner_agent platforms progress namespace_id upload_id upload_tag upload_source
    access_token appsecret_proof
    """.split()
)
MOST_EVENTS: Final = 1000
PARTNER_AGENT_CHARACTERS: Final = 22
# The day from which a Graph version no longer answers as itself; v26.0, the newest known, has no end yet.
VERSION_ENDS: Final[Mapping[int, date]] = {
    20: date(2026, 9, 24),
    21: date(2027, 1, 21),
    22: date(2027, 5, 20),
    23: date(2027, 10, 8),
    24: date(2028, 2, 18),
    25: date(2028, 7, 29),
}
_PATH = re.compile(r"/v(?P<version>[^/]*)/(?P<dataset>[^/]*)/events")
_VERSION = re.compile(r"(?P<major>[1-9][0-9]?)\.0")
_BEARER = re.compile(r"Bearer [!-~]+")
_TWO_LETTERS = re.compile(r".*[A-Za-z].*[A-Za-z].*")


def check_meta(
    path: str, query: Mapping[str, str], headers: Mapping[str, str], body: object, now_ms: int
) -> list[Violation]:
    """Every rule the request breaks, in reading order.

    `body` is the parsed JSON, or the text where it was not JSON. `headers` have lower-case names. `now_ms` is
    the receipt's clock in epoch milliseconds. Never raises on input.
    """
    found = [*_check_path(path, now_ms), *_check_transport(query, headers)]
    token_in_body = isinstance(body, dict) and "access_token" in body
    found += _check_token(query, headers, token_in_body=token_in_body)
    if isinstance(body, str):
        found.append(broken("meta.body_not_json", "body"))
    elif not isinstance(body, dict):
        found.append(broken("meta.body_not_object", "body", body))
    else:
        found += _check_body(body, now_ms)
    return found


def _check_path(path: str, now_ms: int) -> Iterator[Violation]:
    parts = _PATH.fullmatch(path)
    version = _VERSION.fullmatch(parts["version"]) if parts else None
    if version is None:
        yield broken("meta.version_malformed", "path", path)
    elif _has_ended(int(version["major"]), now_ms):
        yield broken("meta.version_ended", "path", path)
    if parts and not (parts["dataset"].isascii() and parts["dataset"].isdecimal()):
        yield broken("meta.dataset_id_malformed", "path", path)


def _has_ended(major: int, now_ms: int) -> bool:
    if major < min(VERSION_ENDS):
        return True
    end = VERSION_ENDS.get(major)
    return end is not None and datetime.fromtimestamp(now_ms / 1000, UTC).date() >= end


def _check_transport(query: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[Violation]:
    if not is_json_type(headers):
        yield broken("meta.content_type_not_json", "headers.content-type", headers.get("content-type"))
    for name in visitor_headers(headers):
        yield broken("meta.visitor_header_forwarded", f"headers.{name}")
    for key in unknown_keys(query, QUERY_KEYS):
        yield broken("meta.query_unknown_key", f"query.{key}")
    if "appsecret_proof" in query and not SHA256_ANY_CASE.fullmatch(query["appsecret_proof"]):
        yield broken("meta.appsecret_proof_malformed", "query.appsecret_proof")


def _check_token(query: Mapping[str, str], headers: Mapping[str, str], *, token_in_body: bool) -> Iterator[Violation]:
    authorization = headers.get("authorization")
    if authorization is not None and not _BEARER.fullmatch(authorization):
        yield broken("meta.authorization_malformed", "headers.authorization")
    if "access_token" in query:
        yield broken("meta.token_in_query", "query.access_token")
    if token_in_body:
        yield broken("meta.token_in_body", "access_token")
    if authorization is None and "access_token" not in query and not token_in_body:
        yield broken("meta.token_missing", "headers.authorization")


def _check_body(body: Mapping[str, Any], now_ms: int) -> Iterator[Violation]:
    for key in unknown_keys(body, BODY_KEYS):
        yield broken("meta.body_unknown_key", key)
    if "test_event_code" in body and not is_text(body["test_event_code"]):
        yield broken("meta.test_event_code_invalid", "test_event_code", body["test_event_code"])
    agent = body.get("partner_agent", "sluis")
    if not is_match(_TWO_LETTERS, agent) or len(agent) > PARTNER_AGENT_CHARACTERS:
        yield broken("meta.partner_agent_invalid", "partner_agent", agent)
    if "appsecret_proof" in body and not is_match(SHA256_ANY_CASE, body["appsecret_proof"]):
        yield broken("meta.appsecret_proof_malformed", "appsecret_proof")
    data = body.get("data")
    if not isinstance(data, list) or not data:
        yield broken("meta.data_missing", "data", data)
        return
    if len(data) > MOST_EVENTS:
        yield broken("meta.data_too_many", "data", len(data))
    for position, event in enumerate(data):
        yield from check_event(event, f"data[{position}]", now_ms)
