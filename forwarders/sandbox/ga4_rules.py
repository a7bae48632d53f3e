"""Every rule the sandbox holds a Measurement Protocol request to: id → sentence.

From Google's pages on the protocol (reference, events, user-provided data, limits); where Google is silent
and answers 204 to anything, the sandbox is stricter. Ids are stable: reports and fixtures count by them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from forwarders.sandbox import violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forwarders.sandbox.violation import Violation

_TRANSPORT = {
    "ga4.content_type_not_json": "The content type must be application/json.",
    "ga4.api_secret_missing": "The query must carry the stream's api_secret.",
    "ga4.stream_missing": "The query must name the stream: measurement_id (web) or firebase_app_id (app).",
    "ga4.stream_ambiguous": "The query may name one stream, not both measurement_id and firebase_app_id.",
    "ga4.measurement_id_malformed": "measurement_id must look like G-XXXXXXXXXX.",
    "ga4.query_unknown_key": "The protocol knows no such query parameter.",
    "ga4.visitor_header_forwarded": "A header of the visitor's own request must not be passed on to Google.",
    "ga4.body_too_large": "The body must stay under 130 kB.",
    "ga4.body_not_json": "The body must be valid JSON.",
    "ga4.body_not_object": "The body must be a JSON object.",
    "ga4.body_unknown_key": "The protocol knows no such key in the body; Google drops it in silence.",
}
_REQUEST = {
    "ga4.client_id_missing": "A web request must carry the client_id of the browser.",
    "ga4.client_id_malformed": "client_id must be two positive integers with a dot between, or a _ga value.",
    "ga4.app_instance_id_missing": "A request for an app stream must carry app_instance_id.",
    "ga4.user_id_malformed": "user_id must be text of 1 to 256 characters.",
    "ga4.email_in_clear": "Google forbids personal data here: this text holds an e-mail address.",
    "ga4.timestamp_not_micros": "A timestamp must be a whole number of microseconds since 1970.",
    "ga4.timestamp_too_old": "A timestamp may lie at most 72 hours back.",
    "ga4.timestamp_in_future": "A timestamp may not lie in the future.",
    "ga4.validation_behavior_sent": "validation_behavior belongs to the validation endpoint only.",
    "ga4.non_personalized_ads_sent": "non_personalized_ads is deprecated: use consent.ad_personalization.",
    "ga4.ip_override_sent": "The visitor's address must not be sent: use a coarse user_location.",
    "ga4.user_agent_sent": "The visitor's user agent must not be sent: use a coarse device.",
    "ga4.consent_missing": "The consent block must be explicit: without it Google guesses from earlier hits.",
    "ga4.consent_not_object": "consent must be an object.",
    "ga4.consent_key_missing": "consent must state both ad_user_data and ad_personalization.",
    "ga4.consent_unknown_key": "consent knows only ad_user_data and ad_personalization.",
    "ga4.consent_value_invalid": "A consent value must be GRANTED or DENIED, in upper case.",
    "ga4.user_location_not_object": "user_location must be an object.",
    "ga4.user_location_unknown_key": "user_location knows no such key.",
    "ga4.user_location_value_invalid": (
        "A place is: city as text, region_id like BE-VBR, country_id like BE, UN M49 numbers as text."
    ),
    "ga4.device_not_object": "device must be an object.",
    "ga4.device_unknown_key": "device knows no such key.",
    "ga4.device_value_invalid": "A device value must be text that is not blank.",
}
_USER_PROPERTIES = {
    "ga4.user_properties_not_object": "user_properties must be an object.",
    "ga4.user_properties_too_many": "A request may set at most 25 user properties.",
    "ga4.user_property_name_invalid": (
        "A user property's name has at most 24 letters, digits and underscores and starts with a letter."
    ),
    "ga4.user_property_name_reserved": "This user property's name, or its prefix, is reserved by Google.",
    "ga4.user_property_shape": "A user property is an object with value and, if wanted, timestamp_micros.",
    "ga4.user_property_value_invalid": "A user property's value is a number or text, 36 characters at most.",
}
_USER_DATA = {
    "ga4.user_data_not_object": "user_data must be an object.",
    "ga4.user_data_empty": "user_data must hold at least one e-mail, phone or address.",
    "ga4.user_data_unknown_key": "user_data knows no such key.",
    "ga4.user_data_without_consent": "user_data may be sent only where consent.ad_user_data is GRANTED.",
    "ga4.user_data_not_hashed": "A sha256_ field must be a SHA-256 as 64 lower-case hexadecimal digits.",
    "ga4.user_data_hash_of_nothing": "This is the SHA-256 of empty text: the field must be left out instead.",
    "ga4.user_data_too_many": "user_data takes at most 3 e-mails, 3 phones and 2 addresses.",
    "ga4.user_data_address_not_object": "An address must be an object.",
    "ga4.user_data_address_hashed": "City, region, postal code and country are sent in clear, never hashed.",
    "ga4.user_data_address_not_normalised": (
        "City and region: lower case, no digits or symbols; postal code: no dot or tilde; all trimmed."
    ),
    "ga4.user_data_country_malformed": "country must be an ISO 3166 code of two letters.",
}
_EVENTS = {
    "ga4.events_missing": "A request must hold at least one event, or user_data.",
    "ga4.events_not_list": "events must be a list.",
    "ga4.events_too_many": "A request may hold at most 25 events.",
    "ga4.event_not_object": "An event must be an object.",
    "ga4.event_unknown_key": "An event knows only name, params and timestamp_micros.",
    "ga4.event_name_missing": "An event must have a name.",
    "ga4.event_name_invalid": (
        "An event name has at most 40 letters, digits and underscores and starts with a letter."
    ),
    "ga4.event_name_reserved": "This event name, or its prefix, is reserved by Google.",
    "ga4.event_name_app_only": "This event may be sent for app streams only.",
    "ga4.session_id_missing": "Without session_id the event joins no session.",
    "ga4.session_id_malformed": "session_id must be the digits of the session's id.",
    "ga4.engagement_time_missing": "Without engagement_time_msec the user does not count as active.",
    "ga4.engagement_time_invalid": "engagement_time_msec must be a positive number.",
    "ga4.debug_mode_false": "debug_mode switches DebugView on whatever its value: leave it out.",
    "ga4.click_id_sent": "The protocol takes no gclid: ad clicks join through client_id.",
}
_PARAMS = {
    "ga4.params_not_object": "params must be an object.",
    "ga4.params_too_many": "An event may have at most 25 parameters.",
    "ga4.param_name_invalid": (
        "A parameter name has at most 40 letters, digits and underscores and starts with a letter."
    ),
    "ga4.param_name_reserved": "This parameter name, or its prefix, is reserved by Google.",
    "ga4.param_value_type": "A parameter's value must be text or a number; only items may be a list.",
    "ga4.param_value_too_long": (
        "A value has at most 100 characters (page_title 300, page_referrer 420, page_location 1000)."
    ),
    "ga4.param_number_inexact": "A whole number beyond 2^53 loses digits on its way: send it as text.",
    "ga4.recommended_param_missing": "Google's recommended event requires this parameter.",
    "ga4.currency_missing": "value without currency is ignored by Google's revenue reports.",
    "ga4.value_missing": "currency means nothing without value or items.",
    "ga4.currency_malformed": "currency must be an ISO 4217 code: three upper-case letters.",
    "ga4.amount_not_number": "An amount must be a JSON number.",
    "ga4.transaction_id_empty": "An empty transaction_id makes Google merge all such purchases into one.",
    "ga4.customer_type_invalid": "customer_type is new or returning.",
}
_ITEMS = {
    "ga4.items_not_list": "items must be a list.",
    "ga4.items_empty": "items must hold at least one item.",
    "ga4.items_too_many": "An event may have at most 200 items.",
    "ga4.item_not_object": "An item must be an object.",
    "ga4.item_unidentified": "An item needs item_id or item_name.",
    "ga4.item_number_invalid": "price, discount and index are numbers, quantity a positive number.",
    "ga4.item_params_too_many": "An item may have at most 27 parameters of its own.",
}

GA4_RULES: Final[Mapping[str, str]] = MappingProxyType(
    _TRANSPORT | _REQUEST | _USER_PROPERTIES | _USER_DATA | _EVENTS | _PARAMS | _ITEMS
)


def broken(rule: str, field: str, seen: object = None) -> Violation:
    """A violation of one of these rules; a rule that is not in the table is a KeyError."""
    return violation.broken(GA4_RULES, rule, field, seen)
