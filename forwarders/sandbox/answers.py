"""What each vendor answers: the shapes and statuses of their documentation.

GA4 takes everything with 204; its validation endpoint lists what it would have dropped, with Google's codes. Meta
refuses the whole request for the first event it finds invalid, with its code and subcode.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from forwarders.sandbox.meta_rules import META_REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from forwarders.sandbox.meta_rules import Refusal
    from forwarders.sandbox.violation import Violation

JSON_TYPE: Final[Mapping[str, str]] = MappingProxyType({"content-type": "application/json; charset=UTF-8"})
# Google's validator reads the body's shape, names and limits. It does not look at api_secret or measurement_id,
# and knows none of this project's own promises: rules that stand under no code are not in its list.
_RULES_BY_CODE: Final = {
    "NAME_INVALID": """
        body_unknown_key event_unknown_key event_name_invalid param_name_invalid user_property_name_invalid
        user_data_unknown_key consent_unknown_key user_location_unknown_key device_unknown_key
        """,
    "NAME_RESERVED": "event_name_reserved param_name_reserved user_property_name_reserved",
    "VALUE_REQUIRED": """
        client_id_missing app_instance_id_missing events_missing event_name_missing item_unidentified
        recommended_param_missing user_property_shape user_data_empty
        """,
    "EXCEEDED_MAX_ENTITIES": """
        events_too_many params_too_many items_too_many item_params_too_many user_properties_too_many
        user_data_too_many
        """,
    "VALUE_OUT_OF_BOUNDS": """
        timestamp_too_old timestamp_in_future param_value_too_long body_too_large user_property_value_invalid
        """,
    "VALUE_INVALID": """
        body_not_json body_not_object client_id_malformed user_id_malformed timestamp_not_micros
        consent_not_object consent_value_invalid user_location_not_object user_location_value_invalid
        device_not_object device_value_invalid user_properties_not_object user_data_not_object
        user_data_not_hashed user_data_address_not_object user_data_country_malformed events_not_list
        event_not_object event_name_app_only params_not_object param_value_type session_id_malformed
        engagement_time_invalid currency_malformed amount_not_number items_not_list item_not_object
        item_number_invalid
        """,
}
GOOGLE_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {f"ga4.{rule}": code for code, rules in _RULES_BY_CODE.items() for rule in rules.split()}
)
# RELAXED, the default, moves an old timestamp to the limit and lets a recommended event be incomplete.
_ENFORCED_ONLY: Final = frozenset({"ga4.timestamp_too_old", "ga4.recommended_param_missing"})
_FIELD_STEP = re.compile(r"[^.\[\]]+")


class Answer(NamedTuple):
    """What goes back over the wire."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = JSON_TYPE


GA4_TAKEN: Final = Answer(204, headers=MappingProxyType({}))


def ga4_validation(violations: Iterable[Violation], body: object) -> Answer:
    """`{"validationMessages": [{"fieldPath", "description", "validationCode"}]}`; an empty list is a pass."""
    enforced = isinstance(body, dict) and body.get("validation_behavior") == "ENFORCE_RECOMMENDATIONS"
    messages = [
        {"fieldPath": found.field, "description": found.message, "validationCode": GOOGLE_CODES[found.rule]}
        for found in violations
        if found.rule in GOOGLE_CODES and (enforced or found.rule not in _ENFORCED_ONLY)
    ]
    return Answer(200, orjson.dumps({"validationMessages": messages}, option=orjson.OPT_INDENT_2))


def meta_answer(violations: Sequence[Violation], events: int, trace_id: str) -> Answer:
    """200 with the number of events, or the refusal for the first violation Meta does not tolerate."""
    refused = next((found for found in violations if found.rule in META_REFUSALS), None)
    if refused is None:
        taken = {"events_received": events, "messages": [], "fbtrace_id": trace_id}
        return Answer(200, orjson.dumps(taken))
    refusal = META_REFUSALS[refused.rule]
    error = _error(refusal, refused) | {"fbtrace_id": trace_id}
    return Answer(refusal.status, orjson.dumps({"error": error}))


def _error(refusal: Refusal, found: Violation) -> dict[str, Any]:
    if refusal.subcode is None:
        return {"message": found.message, "type": "OAuthException", "code": refusal.code}
    return {
        "message": "Invalid parameter",
        "type": "OAuthException",
        "code": refusal.code,
        "error_subcode": refusal.subcode,
        "is_transient": False,
        "error_data": {"blame_field_specs": [_FIELD_STEP.findall(found.field)]},
        "error_user_title": f"The request breaks {found.rule}",
        "error_user_msg": found.message,
    }
