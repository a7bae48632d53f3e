"""What each vendor answers: the shapes and statuses of their documentation.

GA4 takes everything with 204. Its validation endpoint lists what it would have dropped, with Google's codes; rules
of the sandbox that Google's validator does not know, and anything about api_secret or measurement_id, which it
does not look at, are not in its list. Meta refuses the whole request for the first event it finds invalid.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from forwarders.sandbox.ga4_rules import GA4_RULES
from forwarders.sandbox.meta_rules import META_REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from forwarders.sandbox.violation import Violation

JSON_TYPE: Final[Mapping[str, str]] = MappingProxyType({"content-type": "application/json; charset=UTF-8"})
_STEP = re.compile(r"[^.\[\]]+")
# Which code a rule has at Google follows from how its id ends; the table holds the exceptions.
_CODE_BY_ENDING: Final = (
    ("_too_many", "EXCEEDED_MAX_ENTITIES"),
    ("_missing", "VALUE_REQUIRED"),
    ("_empty", "VALUE_REQUIRED"),
    ("_unidentified", "VALUE_REQUIRED"),
    ("_name_reserved", "NAME_RESERVED"),
    ("_name_invalid", "NAME_INVALID"),
    ("_unknown_key", "NAME_INVALID"),
    ("_too_long", "VALUE_OUT_OF_BOUNDS"),
    ("_too_large", "VALUE_OUT_OF_BOUNDS"),
    ("_too_old", "VALUE_OUT_OF_BOUNDS"),
    ("_in_future", "VALUE_OUT_OF_BOUNDS"),
)
# Google validates the body; these are about the transport, or are promises of this project alone.
_UNKNOWN_TO_GOOGLE: Final = frozenset(
    {
        "ga4.api_secret_missing",
        "ga4.stream_missing",
        "ga4.stream_ambiguous",
        "ga4.measurement_id_malformed",
        "ga4.query_unknown_key",
        "ga4.visitor_header_forwarded",
        "ga4.content_type_not_json",
        "ga4.email_in_clear",
        "ga4.validation_behavior_sent",
        "ga4.non_personalized_ads_sent",
        "ga4.ip_override_sent",
        "ga4.user_agent_sent",
        "ga4.consent_missing",
        "ga4.consent_key_missing",
        "ga4.user_data_without_consent",
        "ga4.user_data_address_not_normalised",
        "ga4.user_data_hash_of_nothing",
        "ga4.session_id_missing",
        "ga4.engagement_time_missing",
        "ga4.debug_mode_false",
        "ga4.click_id_sent",
        "ga4.param_number_inexact",
        "ga4.transaction_id_empty",
        "ga4.currency_missing",
        "ga4.value_missing",
    }
)
# RELAXED, the default, moves an old timestamp to the limit and lets a recommended event be incomplete.
_ENFORCED_ONLY: Final = frozenset({"ga4.timestamp_too_old", "ga4.recommended_param_missing"})


class Answer(NamedTuple):
    """What goes back over the wire."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = JSON_TYPE


GA4_TAKEN: Final = Answer(204, headers={})


def google_code(rule: str) -> str | None:
    """Google's validation code for a rule; None for rules its validator does not have."""
    if rule in _UNKNOWN_TO_GOOGLE:
        return None
    return next((code for ending, code in _CODE_BY_ENDING if rule.endswith(ending)), "VALUE_INVALID")


def ga4_validation(violations: Iterable[Violation], body: object) -> Answer:
    """`{"validationMessages": [{"fieldPath", "description", "validationCode"}]}`; an empty list is a pass."""
    enforced = isinstance(body, dict) and body.get("validation_behavior") == "ENFORCE_RECOMMENDATIONS"
    messages = [
        {"fieldPath": found.field, "description": found.message, "validationCode": google_code(found.rule)}
        for found in violations
        if google_code(found.rule) is not None and (enforced or found.rule not in _ENFORCED_ONLY)
    ]
    return Answer(200, orjson.dumps({"validationMessages": messages}, option=orjson.OPT_INDENT_2))


def meta_answer(violations: Sequence[Violation], events: int, trace_id: str) -> Answer:
    """200 with the number of events, or the refusal of the first violation Meta does not tolerate."""
    refused = next((found for found in violations if found.rule in META_REFUSALS), None)
    if refused is None:
        taken = {"events_received": events, "messages": [], "fbtrace_id": trace_id}
        return Answer(200, orjson.dumps(taken))
    refusal = META_REFUSALS[refused.rule]
    error: dict[str, Any] = {
        "message": "Invalid parameter" if refusal.status == 400 else "Invalid OAuth access token.",  # noqa
        "type": "OAuthException",
        "code": refusal.code,
    }
    return Answer(refusal.status, orjson.dumps(error))
