"""The items of a GA4 e-commerce event (Google, recommended events: the item parameters)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.ga4_rules import broken
from forwarders.sandbox.ga4_values import check_param_name, check_param_value
from forwarders.sandbox.shapes import is_number, unknown_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

MOST_ITEMS: Final = 200
MOST_OWN_PARAMS: Final = 27
ITEM_KEYS: Final = frozenset(
    """
    item_id item_name affiliation coupon discount index item_brand item_category item_category2 item_category3
    item_category4 item_category5 item_list_id item_list_name item_variant location_id price quantity
    creative_name creative_slot promotion_id promotion_name
    """.split()
)
_NUMBERS: Final = ("price", "discount", "index", "quantity")


def check_items(items: object, at: str) -> Iterator[Violation]:
    """The list, its length, and each item up to the limit."""
    if not isinstance(items, list):
        yield broken("ga4.items_not_list", at, items)
        return
    if not items:
        yield broken("ga4.items_empty", at)
    if len(items) > MOST_ITEMS:
        yield broken("ga4.items_too_many", at, len(items))
    for position, item in enumerate(items[:MOST_ITEMS]):
        yield from _check_item(item, f"{at}[{position}]")


def _check_item(item: object, at: str) -> Iterator[Violation]:
    if not isinstance(item, dict):
        yield broken("ga4.item_not_object", at, item)
        return
    if item.get("item_id") in (None, "") and item.get("item_name") in (None, ""):
        yield broken("ga4.item_unidentified", at)
    own = unknown_keys(item, ITEM_KEYS)
    if len(own) > MOST_OWN_PARAMS:
        yield broken("ga4.item_params_too_many", at, len(own))
    for name in own:
        yield from check_param_name(name, f"{at}.{name}")
    yield from _check_values(item, at)


def _check_values(item: Mapping[str, Any], at: str) -> Iterator[Violation]:
    for name, value in item.items():
        if name in _NUMBERS:
            if not is_number(value) or (name == "quantity" and value <= 0):
                yield broken("ga4.item_number_invalid", f"{at}.{name}", value)
        else:
            yield from check_param_value(name, value, f"{at}.{name}")
