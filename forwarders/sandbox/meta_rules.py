"""Every rule the sandbox holds a Conversions API request to: id → sentence, and what Meta answers to some.

From Meta's pages (server event, customer information and custom data parameters, data processing options) and
measured answers; stricter where Meta takes what it should not. Ids are stable: reports and fixtures count by
them. `META_REFUSALS` lists the rules for which Meta refuses; a rule that is not in it is a finding of the
sandbox alone, to which Meta answers 200.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from forwarders.sandbox import violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forwarders.sandbox.violation import Violation

_TRANSPORT = {
    "meta.version_malformed": "The path must begin with a Graph version such as v26.0.",
    "meta.version_ended": "This Graph version has ended: Meta silently answers with another one.",
    "meta.dataset_id_malformed": "The path must name the dataset by its digits.",
    "meta.content_type_not_json": "The content type must be application/json.",
    "meta.token_missing": "The request must carry an access token.",
    "meta.token_in_query": "The access token belongs in the Authorization header: a query ends up in logs.",
    "meta.token_in_body": "The access token belongs in the Authorization header, not in the body.",
    "meta.authorization_malformed": "The Authorization header must be Bearer and the token.",
    "meta.appsecret_proof_malformed": "appsecret_proof must be an HMAC-SHA256 as 64 hexadecimal digits.",
    "meta.query_unknown_key": "The API knows no such query parameter.",
    "meta.visitor_header_forwarded": "A header of the visitor's own request must not be passed on to Meta.",
    "meta.body_not_json": "The body must be valid JSON.",
    "meta.body_not_object": "The body must be a JSON object.",
    "meta.body_unknown_key": "The API knows no such key in the body.",
    "meta.data_missing": "data must be a list of at least one event.",
    "meta.data_too_many": "A request may hold at most 1000 events.",
    "meta.test_event_code_invalid": "test_event_code must be text that is not blank.",
    "meta.partner_agent_invalid": "partner_agent has fewer than 23 characters and at least two letters.",
}
_EVENT = {
    "meta.event_not_object": "An event must be an object.",
    "meta.event_unknown_key": "A server event knows no such key.",
    "meta.event_name_missing": "An event must have an event_name.",
    "meta.event_name_not_standard": "This reads like a standard event but is not spelled as one.",
    "meta.event_time_missing": "An event must have an event_time.",
    "meta.event_time_not_seconds": "event_time must be a whole number of seconds since 1970.",
    "meta.event_time_too_old": "event_time may lie at most 7 days back (62 days for physical_store).",
    "meta.event_time_in_future": "event_time may lie at most one minute ahead.",
    "meta.event_id_missing": "Without event_id a repeated or a browser event is counted twice.",
    "meta.event_id_invalid": "event_id must be text that is not blank.",
    "meta.action_source_missing": "An event must say its action_source.",
    "meta.action_source_unknown": "Meta knows no such action_source.",
    "meta.event_source_url_missing": "A website event must carry event_source_url.",
    "meta.url_invalid": "A URL must be absolute, http or https.",
    "meta.email_in_clear": "This text holds an e-mail address: contact data is sent hashed, in user_data only.",
    "meta.opt_out_invalid": "opt_out must be true or false.",
    "meta.messaging_channel_invalid": (
        "Only business_messaging has a messaging_channel, and must: messenger, whatsapp or instagram."
    ),
    "meta.original_event_data_invalid": (
        "original_event_data knows event_name, event_time in seconds, order_id and event_id."
    ),
    "meta.app_data_invalid": (
        "An app event needs app_data with both tracking flags as 0 or 1 and extinfo as a list of 16 texts."
    ),
}
_LIMITED_DATA_USE = {
    "meta.processing_options_invalid": 'data_processing_options is [] or ["LDU"].',
    "meta.processing_region_invalid": ("With LDU: country 1 and a known state or 0, or both 0; without LDU neither."),
    "meta.processing_region_needs_ip": "Country or state 0 needs client_ip_address, or Meta cannot locate.",
}
_USER_DATA = {
    "meta.user_data_missing": "An event must have user_data, an object.",
    "meta.user_data_unknown_key": "user_data knows no such key.",
    "meta.user_data_value_invalid": "A value must be text that is not blank; hashed fields may list several.",
    "meta.user_data_too_weak": "These parameters alone are too weak to match anyone: Meta refuses the event.",
    "meta.not_hashed": "This field must be a SHA-256 as 64 hexadecimal digits.",
    "meta.hash_upper_case": "A SHA-256 must be written in lower case.",
    "meta.hash_of_nothing": "This is the SHA-256 of empty text: the field must be left out instead.",
    "meta.must_not_be_hashed": "This field must be sent as it is, never hashed.",
    "meta.fbp_malformed": "fbp must be fb.<index>.<milliseconds>.<random>, with an appendix at most.",
    "meta.fbc_malformed": "fbc must be fb.<index>.<milliseconds>.<fbclid>, with an appendix at most.",
    "meta.fbc_lower_cased": "This fbclid was lower-cased: it is case-sensitive and matches nothing now.",
    "meta.client_ip_malformed": "client_ip_address must be one IPv4 or IPv6 address.",
    "meta.client_ip_truncated": "Meta rejects the event for a truncated address: send it whole or not at all.",
    "meta.client_user_agent_missing": "A website event must carry client_user_agent.",
}
_CUSTOM_DATA = {
    "meta.custom_data_not_object": "custom_data must be an object.",
    "meta.purchase_value_invalid": "A Purchase must have a value, a JSON number.",
    "meta.purchase_currency_invalid": "A Purchase must have a currency of three letters.",
    "meta.currency_malformed": "currency must be an ISO 4217 code: three upper-case letters.",
    "meta.currency_missing": "value without currency cannot be read as money.",
    "meta.amount_not_number": "An amount must be a JSON number.",
    "meta.content_ids_invalid": "content_ids must be a list of texts that are not blank.",
    "meta.content_type_invalid": "content_type is product or product_group.",
    "meta.contents_invalid": "contents must be a list of at least one object.",
    "meta.content_unknown_key": "An entry of contents knows no such key.",
    "meta.content_id_missing": "An entry of contents needs an id.",
    "meta.content_number_invalid": "quantity is a positive whole number, item_price a number.",
    "meta.delivery_category_invalid": "delivery_category is in_store, curbside or home_delivery.",
    "meta.num_items_invalid": "num_items must be a positive whole number.",
    "meta.custom_text_invalid": "This parameter must be text that is not blank.",
    "meta.contact_key_in_custom_data": "Contact data has no place in custom_data, hashed or not.",
}

META_RULES: Final[Mapping[str, str]] = MappingProxyType(
    _TRANSPORT | _EVENT | _LIMITED_DATA_USE | _USER_DATA | _CUSTOM_DATA
)


class Refusal(NamedTuple):
    """What Meta answers: the HTTP status, its error code, and the subcode where it has one."""

    status: int
    code: int
    subcode: int | None


# Subcodes with a known meaning stand by it; 2804019 is Meta's general "invalid parameter".
_TOKEN = Refusal(401, 190, None)
_INVALID = Refusal(400, 100, 2804019)
_NO_REVENUE = Refusal(400, 100, 2804009)
_NOT_HASHED = Refusal(400, 100, 2804016)
_TOO_WEAK = Refusal(400, 100, 2804050)

META_REFUSALS: Final[Mapping[str, Refusal]] = MappingProxyType(
    {
        "meta.token_missing": _TOKEN,
        "meta.authorization_malformed": _TOKEN,
        "meta.dataset_id_malformed": Refusal(400, 100, 33),
        "meta.body_not_json": Refusal(400, 100, None),
        "meta.body_not_object": Refusal(400, 100, None),
        "meta.data_missing": Refusal(400, 100, None),
        "meta.data_too_many": _INVALID,
        "meta.event_not_object": _INVALID,
        "meta.event_name_missing": _INVALID,
        "meta.event_time_missing": _INVALID,
        "meta.event_time_not_seconds": _INVALID,
        "meta.event_time_too_old": Refusal(400, 100, 2804003),
        "meta.event_time_in_future": _INVALID,
        "meta.action_source_missing": _INVALID,
        "meta.action_source_unknown": _INVALID,
        "meta.processing_options_invalid": Refusal(400, 100, 2804030),
        "meta.processing_region_invalid": Refusal(400, 100, 2804030),
        "meta.user_data_missing": _TOO_WEAK,
        "meta.user_data_too_weak": _TOO_WEAK,
        "meta.not_hashed": _NOT_HASHED,
        "meta.client_ip_malformed": _INVALID,
        "meta.client_ip_truncated": _INVALID,
        "meta.custom_data_not_object": _INVALID,
        "meta.purchase_value_invalid": _NO_REVENUE,
        "meta.purchase_currency_invalid": _NO_REVENUE,
    }
)


def broken(rule: str, field: str, seen: object = None) -> Violation:
    """A violation of one of these rules; a rule that is not in the table is a KeyError."""
    return violation.broken(META_RULES, rule, field, seen)
