"""One server event of a Conversions API request (Meta, server event parameters, data processing options)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.meta_custom_data import check_custom_data
from forwarders.sandbox.meta_person import check_user_data
from forwarders.sandbox.meta_rules import broken
from forwarders.sandbox.shapes import (
    ABSOLUTE_URL,
    holds_email,
    is_integer,
    is_match,
    is_text,
    unknown_keys,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

EVENT_KEYS: Final = frozenset(
    """
    event_name event_time event_id action_source event_source_url referrer_url user_data custom_data opt_out
    data_processing_options data_processing_options_country data_processing_options_state original_event_data
    attribution_data customer_segmentation messaging_channel app_data advanced_measurement_table
    """.split()
)
ACTION_SOURCES: Final = frozenset(
    """
    website app email phone_call chat physical_store system_generated business_messaging other
    """.split()
)
STANDARD_EVENTS: Final = frozenset(
    """
    AddPaymentInfo AddToCart AddToWishlist CompleteRegistration Contact CustomizeProduct Donate FindLocation
    InitiateCheckout Lead PageView Purchase Schedule Search StartTrial SubmitApplication Subscribe ViewContent
    """.split()
)
# 1001 Colorado to 1013 Rhode Island follow 1000, California.
LIMITED_DATA_STATES: Final = range(1000, 1014)
_SPELLINGS: Final = {name.lower(): name for name in STANDARD_EVENTS}
_DAY: Final = 24 * 3600
_AGE: Final = {"physical_store": 62 * _DAY}
_USUAL_AGE: Final = 7 * _DAY
_AHEAD: Final = 60
_SECONDS: Final = range(10**9, 10**11)  # from 2001; a millisecond value of our days is far above
_CHANNELS: Final = ("messenger", "whatsapp", "instagram")
_ORIGINAL_KEYS: Final = frozenset({"event_name", "event_time", "order_id", "event_id"})
_EXTINFO_LENGTH: Final = 16


def check_event(event: object, at: str, now_ms: int) -> Iterator[Violation]:
    """One entry of `data`; `at` is its path."""
    if not isinstance(event, dict):
        yield broken("meta.event_not_object", at, event)
        return
    for key in unknown_keys(event, EVENT_KEYS):
        yield broken("meta.event_unknown_key", f"{at}.{key}")
    yield from _check_name_and_id(event, at)
    yield from _check_time(event, at, now_ms)
    yield from _check_source(event, at)
    yield from _check_limited_data_use(event, at)
    yield from _check_extras(event, at)
    yield from check_user_data(event, f"{at}.user_data")
    yield from check_custom_data(event, f"{at}.custom_data")


def _check_name_and_id(event: Mapping[str, Any], at: str) -> Iterator[Violation]:
    name = event.get("event_name")
    if not is_text(name):
        yield broken("meta.event_name_missing", f"{at}.event_name", name)
    else:
        standard = _SPELLINGS.get(name.replace("_", "").replace(" ", "").lower(), name)
        if standard != name:
            yield broken("meta.event_name_not_standard", f"{at}.event_name", name)
    if "event_id" not in event:
        yield broken("meta.event_id_missing", f"{at}.event_id")
    elif not is_text(event["event_id"]):
        yield broken("meta.event_id_invalid", f"{at}.event_id", event["event_id"])


def _check_time(event: Mapping[str, Any], at: str, now_ms: int) -> Iterator[Violation]:
    time, at = event.get("event_time"), f"{at}.event_time"
    source = event.get("action_source")
    oldest = _AGE.get(source, _USUAL_AGE) if isinstance(source, str) else _USUAL_AGE
    if time is None:
        yield broken("meta.event_time_missing", at)
    elif not is_integer(time) or time not in _SECONDS:
        yield broken("meta.event_time_not_seconds", at, time)
    elif time < now_ms / 1000 - oldest:
        yield broken("meta.event_time_too_old", at, time)
    elif time > now_ms / 1000 + _AHEAD:
        yield broken("meta.event_time_in_future", at, time)


def _check_source(event: Mapping[str, Any], at: str) -> Iterator[Violation]:
    source = event.get("action_source")
    if source is None:
        yield broken("meta.action_source_missing", f"{at}.action_source")
    elif not isinstance(source, str) or source not in ACTION_SOURCES:
        yield broken("meta.action_source_unknown", f"{at}.action_source", source)
    if source == "website" and "event_source_url" not in event:
        yield broken("meta.event_source_url_missing", f"{at}.event_source_url")
    for key in ("event_source_url", "referrer_url"):
        if key not in event:
            continue
        if not is_match(ABSOLUTE_URL, event[key]):
            yield broken("meta.url_invalid", f"{at}.{key}", event[key])
        if holds_email(event[key]):
            yield broken("meta.email_in_clear", f"{at}.{key}")


def _check_limited_data_use(event: Mapping[str, Any], at: str) -> Iterator[Violation]:
    options = event.get("data_processing_options", [])
    at = f"{at}.data_processing_options"
    country = event.get("data_processing_options_country")
    state = event.get("data_processing_options_state")
    if options not in ([], ["LDU"]):
        yield broken("meta.processing_options_invalid", at, options)
    elif not _is_region(country, state, limited=options == ["LDU"]):
        yield broken("meta.processing_region_invalid", f"{at}_country")
    elif options and 0 in (country, state) and not _has_ip(event):
        yield broken("meta.processing_region_needs_ip", f"{at}_country")


def _is_region(country: object, state: object, *, limited: bool) -> bool:
    if not limited:
        return country is None and state is None
    if not is_integer(country) or not is_integer(state):
        return False
    return (country == 0 and state == 0) or (country == 1 and (state == 0 or state in LIMITED_DATA_STATES))


def _has_ip(event: Mapping[str, Any]) -> bool:
    user_data = event.get("user_data")
    return isinstance(user_data, dict) and "client_ip_address" in user_data


def _check_extras(event: Mapping[str, Any], at: str) -> Iterator[Violation]:
    if not isinstance(event.get("opt_out", False), bool):
        yield broken("meta.opt_out_invalid", f"{at}.opt_out", event["opt_out"])
    channel, messaging = event.get("messaging_channel"), event.get("action_source") == "business_messaging"
    if (messaging and channel not in _CHANNELS) or (not messaging and channel is not None):
        yield broken("meta.messaging_channel_invalid", f"{at}.messaging_channel", channel)
    if "original_event_data" in event and not _is_original(event["original_event_data"]):
        yield broken("meta.original_event_data_invalid", f"{at}.original_event_data")
    if event.get("action_source") == "app" and not _is_app_data(event.get("app_data")):
        yield broken("meta.app_data_invalid", f"{at}.app_data")


def _is_original(original: object) -> bool:
    if not isinstance(original, dict) or unknown_keys(original, _ORIGINAL_KEYS):
        return False
    time = original.get("event_time", _SECONDS.start)
    texts = (value for key, value in original.items() if key != "event_time")
    return is_integer(time) and time in _SECONDS and all(is_text(value) for value in texts)


def _is_app_data(app_data: object) -> bool:
    if not isinstance(app_data, dict):
        return False
    extinfo = app_data.get("extinfo")
    flags = (app_data.get("advertiser_tracking_enabled"), app_data.get("application_tracking_enabled"))
    return (
        all(is_integer(flag) and flag in (0, 1) for flag in flags)
        and isinstance(extinfo, list)
        and len(extinfo) == _EXTINFO_LENGTH
        and all(isinstance(value, str) for value in extinfo)
    )
