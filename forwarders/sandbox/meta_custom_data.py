"""The custom_data of a server event (Meta, custom data parameters): money, contents, and no contact data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.meta_rules import broken
from forwarders.sandbox.shapes import (
    CURRENCY,
    holds_email,
    is_integer,
    is_match,
    is_number,
    is_text,
    unknown_keys,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

CONTENT_KEYS: Final = frozenset("id quantity item_price delivery_category title description brand category".split())
DELIVERY_CATEGORIES: Final = ("in_store", "curbside", "home_delivery")
# Names under which contact data is known to slip into custom_data.
CONTACT_KEYS: Final = frozenset(
    """
    em ph fn ln db ge ct st zp email email_address phone phone_number first_name last_name date_of_birth
    birthday gender address street postal_code user_data ip ip_address client_ip_address user_agent
    """.split()
)
_TEXTS: Final = ("content_name", "content_category", "search_string", "order_id", "status")
_OTHER_AMOUNTS: Final = ("predicted_ltv", "net_revenue")
_THREE_LETTERS = re.compile(r"[A-Za-z]{3}")


def check_custom_data(event: Mapping[str, Any], at: str) -> Iterator[Violation]:
    """Required for Purchase, optional elsewhere; own keys are allowed when they hold no contact data."""
    data = event.get("custom_data", {})
    if not isinstance(data, dict):
        yield broken("meta.custom_data_not_object", at, data)
        return
    if event.get("event_name") == "Purchase":
        yield from _check_purchase(data, at)
    else:
        yield from _check_money(data, at)
    yield from _check_known(data, at)
    if "contents" in data:
        yield from _check_contents(data["contents"], f"{at}.contents")
    for key, value in data.items():
        if key.lower() in CONTACT_KEYS:
            yield broken("meta.contact_key_in_custom_data", f"{at}.{key}")
        elif holds_email(value):
            yield broken("meta.email_in_clear", f"{at}.{key}")


def _check_purchase(data: Mapping[str, Any], at: str) -> Iterator[Violation]:
    if not is_number(data.get("value")):
        yield broken("meta.purchase_value_invalid", f"{at}.value", data.get("value"))
    currency = data.get("currency")
    if not is_match(_THREE_LETTERS, currency):
        yield broken("meta.purchase_currency_invalid", f"{at}.currency", currency)
    elif not is_match(CURRENCY, currency):  # Meta takes lower case, its documentation does not
        yield broken("meta.currency_malformed", f"{at}.currency", currency)


def _check_money(data: Mapping[str, Any], at: str) -> Iterator[Violation]:
    if "value" in data and not is_number(data["value"]):
        yield broken("meta.amount_not_number", f"{at}.value", data["value"])
    if "currency" in data and not is_match(CURRENCY, data["currency"]):
        yield broken("meta.currency_malformed", f"{at}.currency", data["currency"])
    if "value" in data and "currency" not in data:
        yield broken("meta.currency_missing", f"{at}.currency")


def _check_known(data: Mapping[str, Any], at: str) -> Iterator[Violation]:
    for key in _TEXTS:
        if key in data and not is_text(data[key]):
            yield broken("meta.custom_text_invalid", f"{at}.{key}", data[key])
    for key in _OTHER_AMOUNTS:
        if key in data and not is_number(data[key]):
            yield broken("meta.amount_not_number", f"{at}.{key}", data[key])
    ids = data.get("content_ids", ["-"])
    if not isinstance(ids, list) or not ids or not all(is_text(entry) for entry in ids):
        yield broken("meta.content_ids_invalid", f"{at}.content_ids")
    if data.get("content_type", "product") not in ("product", "product_group"):
        yield broken("meta.content_type_invalid", f"{at}.content_type", data["content_type"])
    count = data.get("num_items", 1)
    if not is_integer(count) or count < 1:
        yield broken("meta.num_items_invalid", f"{at}.num_items", count)
    yield from _check_delivery(data, at)


def _check_delivery(holder: Mapping[str, Any], at: str) -> Iterator[Violation]:
    category = holder.get("delivery_category", DELIVERY_CATEGORIES[0])
    if category not in DELIVERY_CATEGORIES:
        yield broken("meta.delivery_category_invalid", f"{at}.delivery_category", category)


def _check_contents(contents: object, at: str) -> Iterator[Violation]:
    if not isinstance(contents, list) or not contents or not all(isinstance(row, dict) for row in contents):
        yield broken("meta.contents_invalid", at, contents)
        return
    for position, row in enumerate(contents):
        yield from _check_content(row, f"{at}[{position}]")


def _check_content(row: Mapping[str, Any], at: str) -> Iterator[Violation]:
    for key in unknown_keys(row, CONTENT_KEYS):
        yield broken("meta.content_unknown_key", f"{at}.{key}")
    if not is_text(row.get("id")):
        yield broken("meta.content_id_missing", f"{at}.id", row.get("id"))
    quantity = row.get("quantity", 1)
    if not is_integer(quantity) or quantity < 1:
        yield broken("meta.content_number_invalid", f"{at}.quantity", quantity)
    if not is_number(row.get("item_price", 0)):
        yield broken("meta.content_number_invalid", f"{at}.item_price", row["item_price"])
    for key, value in row.items():
        if holds_email(value):
            yield broken("meta.email_in_clear", f"{at}.{key}")
    yield from _check_delivery(row, at)
