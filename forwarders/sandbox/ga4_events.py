"""The events of a Measurement Protocol request: names, session, parameters, revenue.

Google, reference and recommended events. `at` is the path of what is checked, as a violation shows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.ga4_items import check_items
from forwarders.sandbox.ga4_rules import broken
from forwarders.sandbox.ga4_values import (
    NAME,
    RESERVED_PREFIXES,
    check_own_timestamp,
    check_param_name,
    check_param_value,
)
from forwarders.sandbox.shapes import CURRENCY, is_match, is_number, is_scalar, is_text, unknown_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

EVENT_KEYS: Final = frozenset({"name", "params", "timestamp_micros"})
MOST_PARAMS: Final = 25
APP_ONLY: Final = frozenset({"ad_impression", "in_app_purchase", "screen_view"})
RESERVED_NAMES: Final = frozenset(
    """
    ad_activeview ad_click ad_exposure ad_query ad_reward adunit_exposure app_clear_data app_exception
    app_install app_remove app_store_refund app_store_subscription_cancel app_store_subscription_convert
    app_store_subscription_renew app_update app_upgrade dynamic_link_app_open dynamic_link_app_update
    dynamic_link_first_open error firebase_campaign firebase_in_app_message_action
    firebase_in_app_message_dismiss firebase_in_app_message_impression first_open
    first_visit notification_dismiss notification_foreground
    notification_open notification_receive notification_send os_update session_start user_engagement
    """.split()
)
_WITH_ITEMS = (
    "add_payment_info add_shipping_info add_to_cart add_to_wishlist begin_checkout remove_from_cart "
    "select_item select_promotion view_cart view_item view_item_list view_promotion"
).split()
REQUIRED_PARAMS: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(_WITH_ITEMS, ("items",)) | {
    "purchase": ("transaction_id", "items", "currency", "value"),
    "refund": ("transaction_id",),
    "search": ("search_term",),
    "spend_virtual_currency": ("value", "virtual_currency_name"),
    "post_score": ("score",),
    "unlock_achievement": ("achievement_id",),
}
# Their value is not money.
_VIRTUAL: Final = ("spend_virtual_currency", "earn_virtual_currency")
_AMOUNTS: Final = ("value", "tax", "shipping")
_DIGITS = re.compile(r"[0-9]+")


def check_event(event: object, at: str, now_ms: int, *, web: bool) -> Iterator[Violation]:
    """One entry of `events`; `web` is whether the request is for a web stream."""
    if not isinstance(event, dict):
        yield broken("ga4.event_not_object", at, event)
        return
    for key in unknown_keys(event, EVENT_KEYS):
        yield broken("ga4.event_unknown_key", f"{at}.{key}")
    yield from _check_name(event.get("name"), f"{at}.name", web=web)
    yield from check_own_timestamp(event, f"{at}.", now_ms)
    params = event.get("params", {})
    if not isinstance(params, dict):
        yield broken("ga4.params_not_object", f"{at}.params", params)
        return
    yield from _check_params(params, f"{at}.params", now_ms)
    yield from _check_session(params, f"{at}.params")
    yield from _check_revenue(event.get("name"), params, f"{at}.params")
    yield from _check_required(event.get("name"), params, f"{at}.params")


def _check_name(name: object, at: str, *, web: bool) -> Iterator[Violation]:
    if not isinstance(name, str) or not name:
        yield broken("ga4.event_name_missing", at)
    elif name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES):
        yield broken("ga4.event_name_reserved", at, name)
    elif not NAME.fullmatch(name):
        yield broken("ga4.event_name_invalid", at, name)
    elif web and name in APP_ONLY:
        yield broken("ga4.event_name_app_only", at, name)


def _check_params(params: Mapping[str, Any], at: str, now_ms: int) -> Iterator[Violation]:
    if len(params) > MOST_PARAMS:
        yield broken("ga4.params_too_many", at, len(params))
    for name, value in params.items():
        yield from check_param_name(name, f"{at}.{name}")
        if name == "items":
            yield from check_items(value, f"{at}.items")
        else:
            yield from check_param_value(name, value, f"{at}.{name}")
    yield from check_own_timestamp(params, f"{at}.", now_ms)
    if params.get("debug_mode") in (False, 0, "false", "0"):
        yield broken("ga4.debug_mode_false", f"{at}.debug_mode")
    if "gclid" in params:
        yield broken("ga4.click_id_sent", f"{at}.gclid")


def _check_session(params: Mapping[str, Any], at: str) -> Iterator[Violation]:
    session = params.get("session_id")
    if session is None:
        yield broken("ga4.session_id_missing", f"{at}.session_id")
    elif not is_scalar(session) or not _DIGITS.fullmatch(str(session)):
        yield broken("ga4.session_id_malformed", f"{at}.session_id", session)
    engaged = params.get("engagement_time_msec")
    if engaged is None:
        yield broken("ga4.engagement_time_missing", f"{at}.engagement_time_msec")
    elif not is_number(engaged) or engaged <= 0:
        yield broken("ga4.engagement_time_invalid", f"{at}.engagement_time_msec", engaged)


def _check_revenue(name: object, params: Mapping[str, Any], at: str) -> Iterator[Violation]:
    for key in _AMOUNTS:
        if key in params and not is_number(params[key]):
            yield broken("ga4.amount_not_number", f"{at}.{key}", params[key])
    if "currency" in params and not is_match(CURRENCY, params["currency"]):
        yield broken("ga4.currency_malformed", f"{at}.currency", params["currency"])
    if name == "purchase" or name in _VIRTUAL:  # purchase requires both by name
        return
    if "value" in params and "currency" not in params:
        yield broken("ga4.currency_missing", f"{at}.currency")
    if "currency" in params and "value" not in params and not params.get("items"):  # it also says what items cost in
        yield broken("ga4.value_missing", f"{at}.value")


def _check_required(name: object, params: Mapping[str, Any], at: str) -> Iterator[Violation]:
    required = REQUIRED_PARAMS.get(name, ()) if isinstance(name, str) else ()
    for key in required:
        if params.get(key) is None:
            yield broken("ga4.recommended_param_missing", f"{at}.{key}")
    if isinstance(params.get("transaction_id"), str) and not is_text(params["transaction_id"]):
        yield broken("ga4.transaction_id_empty", f"{at}.transaction_id")
    if params.get("customer_type", "new") not in ("new", "returning"):
        yield broken("ga4.customer_type_invalid", f"{at}.customer_type", params["customer_type"])
