"""`custom_data` of a Meta event, read from GA4's e-commerce properties.

Source: Conversions API, "Custom data parameters". Meta allows keys of one's own but forbids personal data in them;
who wrote a property cannot be known here, so only documented fields are filled and all else stays behind.
Nothing is assumed: an amount without a currency is no amount, a name is no catalogue id.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from forwarders.destinations.commerce import currency, number, word

PURCHASE = "Purchase"

_CHECKOUT = "InitiateCheckout"
_SEARCH = "Search"


def custom_data(event_name: str, properties: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """What Meta may know of the event's content. `value` is there only together with `currency`."""
    custom = _money(properties, notes)
    items = properties.get("items")
    if isinstance(items, list):
        custom |= _content(event_name, [item for item in items if isinstance(item, dict)], notes)
    elif items is not None:
        notes.append("items: left out, they are not a list")
    if order_id := word(properties.get("transaction_id")):
        custom["order_id"] = order_id
    if event_name == _SEARCH and (term := word(properties.get("search_term"))):
        custom["search_string"] = term
    return custom


def _money(properties: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    value = number(properties.get("value"))
    code = currency(properties.get("currency"))
    if value is not None and code:
        return {"value": value, "currency": code}
    if properties.get("value") is not None:
        notes.append("value: left out, it needs a number and a currency and none is assumed")
    return {"currency": code} if code else {}


def _content(event_name: str, items: list[dict[str, Any]], notes: list[str]) -> dict[str, Any]:
    contents = [product for item in items if (product := _product(item, notes))]
    if len(contents) < len(items):
        notes.append(f"items: {len(items) - len(contents)} left out, without item_id or a whole quantity")
    content: dict[str, Any] = {}
    if contents:
        content["content_ids"] = [product["id"] for product in contents]
        content["contents"] = contents
        content["content_type"] = "product"
        # Documented for this event only; of all items or of none.
        if event_name == _CHECKOUT and len(contents) == len(items):
            content["num_items"] = sum(product["quantity"] for product in contents)
    if name := _single(item.get("item_name") for item in items):
        content["content_name"] = name
    if category := _single(item.get("item_category") for item in items):
        content["content_category"] = category
    return content


def _product(item: Mapping[str, Any], notes: list[str]) -> dict[str, Any] | None:
    """One line of `contents`. GA4 documents that an item without quantity is one piece."""
    product_id = word(item.get("item_id"))
    given = item.get("quantity")
    quantity = 1 if given is None or given == "" else number(given)
    if product_id is None or quantity is None or quantity < 1 or quantity != int(quantity):
        return None
    product: dict[str, Any] = {"id": product_id, "quantity": int(quantity)}
    price = number(item.get("price"))
    if price is not None and price >= 0:
        product["item_price"] = price
    elif price is not None:
        notes.append("items: a price left out, it is negative")
    return product


def _single(values: Iterable[Any]) -> str | None:
    """The one name all items share, if they share one: Meta has room for one."""
    names = {word(value) for value in values}
    return names.pop() if len(names) == 1 else None
