"""The parameters of a GA4 event: what Sluis says itself, then the event's properties, within GA4's limits.

What Sluis says itself cannot be overridden by a property: the page's address arrives minimised in the
record, and a property of the same name would bring the raw one back.
"""

from collections.abc import Mapping
from typing import Any

from collector.intake.record import Record
from forwarders.destinations.ga4_items import items
from forwarders.destinations.ga4_values import (
    Notes,
    Reader,
    amount,
    currency_code,
    debug_mode,
    identifier,
    is_name,
    scalar,
    text,
)

MAX_PARAMS = 25
MAX_PAGE_LOCATION = 1000
MAX_PAGE_REFERRER = 420
MAX_PAGE_TITLE = 300

MONEY_EVENTS = frozenset(
    "purchase refund add_to_cart remove_from_cart view_item view_cart begin_checkout add_to_wishlist "
    "add_payment_info add_shipping_info generate_lead qualify_lead working_lead disqualify_lead "
    "close_convert_lead close_unconvert_lead".split(),
)
"""Events whose `value` is money: GA4 exports it only together with `currency` ("Recommended events")."""

_OURS = frozenset(
    "session_id engagement_time_msec page_location page_referrer page_title timestamp_micros client_id user_id "
    "user_agent ip_override".split(),
)
"""Names a property cannot set: Sluis says them from the event, or (the last two) never."""
_DOCUMENTED: Mapping[str, Reader] = {
    "items": items,
    "currency": currency_code,
    "transaction_id": identifier,
    "debug_mode": debug_mode,
    **dict.fromkeys("value shipping tax".split(), amount),
    **dict.fromkeys(
        "affiliation campaign campaign_id content content_id content_type coupon creative_name creative_slot "
        "customer_type disqualified_lead_reason group_id item_id item_list_id item_list_name item_name "
        "lead_source lead_status medium method payment_type promotion_id promotion_name search_term "
        "shipping_tier source term unconvert_lead_reason virtual_currency_name".split(),
        scalar,
    ),
}
_FIRST = _OURS | {"items", "currency", "value", "transaction_id"}


def event_params(record: Record, notes: Notes) -> dict[str, Any]:
    """At most 25 parameters. `items` counts as one of them."""
    params = _said_by_us(record, notes)
    for name, value in record.properties.items():
        reader = _DOCUMENTED.get(name) or _reader_of_own(name, notes)
        kept = reader(name, value, notes) if reader else None
        if kept is not None:
            params[name] = kept
    if "value" in params and "currency" not in params and record.name in MONEY_EVENTS:
        del params["value"]
        notes.append("value: dropped, an amount of money needs a currency and none is assumed")
    return params if len(params) <= MAX_PARAMS else _most_useful(params, notes)


def _said_by_us(record: Record, notes: Notes) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if record.session_id:
        params["session_id"] = record.session_id
    else:
        notes.append("session_id: unknown, so GA4 attributes the event to no session")
    # GA4 counts an active user only with some engagement: the least it takes is 1.
    params["engagement_time_msec"] = max(1, record.engagement_ms)
    for name, value, limit in (
        ("page_location", record.page_url, MAX_PAGE_LOCATION),
        ("page_referrer", record.page_referrer, MAX_PAGE_REFERRER),
        ("page_title", record.page_title, MAX_PAGE_TITLE),
    ):
        if kept := text(name, value, notes, limit):
            params[name] = kept
    return params


def _reader_of_own(name: str, notes: Notes) -> Reader | None:
    """How to read a parameter GA4 does not document; None with a note if it may not be sent."""
    if name in _OURS:
        notes.append(f"{name}: the property was dropped, only the event itself may say it")
        return None
    if not is_name(name):
        notes.append("a parameter was dropped, GA4 does not take its name")
        return None
    return scalar


def _most_useful(params: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """Keep session, page and money, then what GA4 documents, then the others as they came."""
    ranked = sorted(params, key=lambda name: 0 if name in _FIRST else 1 if name in _DOCUMENTED else 2)
    chosen = frozenset(ranked[:MAX_PARAMS])
    notes.append(f"{len(params) - MAX_PARAMS} parameters dropped, GA4 takes {MAX_PARAMS}")
    return {name: value for name, value in params.items() if name in chosen}
