"""The `items` of an e-commerce event, within what GA4 takes.

Source: Measurement Protocol reference and "Recommended events": at most 200 items, each with item_id or
item_name, text and numbers only, at most 27 parameters of one's own.
"""

from collections.abc import Mapping
from typing import Any

from forwarders.destinations.ga4_values import Notes, Reader, Scalar, amount, identifier, is_name, not_negative, scalar

MAX_ITEMS = 200
MAX_OWN = 27

_DOCUMENTED: Mapping[str, Reader] = {
    **dict.fromkeys(
        "affiliation coupon item_brand item_category item_category2 item_category3 item_category4 item_category5 "
        "item_list_id item_list_name item_variant location_id creative_name creative_slot promotion_id "
        "promotion_name".split(),
        scalar,
    ),
    **dict.fromkeys("discount index".split(), amount),
    **dict.fromkeys("price quantity".split(), not_negative),
    **dict.fromkeys("item_id item_name".split(), identifier),
}


def items(name: str, value: Any, notes: Notes) -> list[dict[str, Scalar]] | None:
    """The items GA4 can use, in order; None if there are none."""
    if not isinstance(value, list):
        if value is not None:
            notes.append(f"{name}: dropped, it is not a list")
        return None
    kept: list[dict[str, Scalar]] = []
    for position, given in enumerate(value, start=1):
        if len(kept) == MAX_ITEMS:
            notes.append(f"{name}: cut to {MAX_ITEMS}")
            break
        item = _item(given, notes) if isinstance(given, dict) else {}
        if "item_id" in item or "item_name" in item:
            kept.append(item)
        else:
            notes.append(f"{name}: number {position} dropped, it has neither item_id nor item_name")
    return kept or None


def _item(given: Mapping[Any, Any], notes: Notes) -> dict[str, Scalar]:
    item: dict[str, Scalar] = {}
    own = 0
    for name, value in given.items():
        reader = _DOCUMENTED.get(name)
        if reader is None:
            if own == MAX_OWN or not is_name(name):
                notes.append(_why_not(own))
                continue
            reader = scalar
        kept = reader(name, value, notes)
        if kept is not None:
            item[name] = kept
            own += name not in _DOCUMENTED
    return item


def _why_not(own: int) -> str:
    if own == MAX_OWN:
        return f"items: an item keeps {MAX_OWN} parameters of its own"
    return "items: a parameter was dropped, GA4 does not take its name"
