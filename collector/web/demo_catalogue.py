"""What the demo shop sells, in which languages, and how a basket is written in an address.

Rules: prices are whole euro cents. A basket is short and impersonal, because it travels in the address: the shop
needs nothing stored in the browser. What is not understood in a basket is left out.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("demo")
LANGUAGES = ("en", "nl", "fr")
MOST_OF_ONE = 9
_LINE = re.compile(r"([a-z]{1,20})\.([1-9])")


@dataclass(frozen=True, slots=True)
class Product:
    """One thing on the shelf: `sku` names it in addresses and events, `cents` is its price in euro cents."""

    sku: str
    cents: int

    @property
    def euros(self) -> float:
        """The price as GA4 wants it: a number of currency units."""
        return self.cents / 100


@dataclass(frozen=True, slots=True)
class Line:
    """A product and how many of it."""

    product: Product
    quantity: int

    @property
    def cents(self) -> int:
        """The price of the whole line."""
        return self.product.cents * self.quantity


SHELF: Mapping[str, Product] = {
    product.sku: product
    for product in (
        Product("lantern", 5900),
        Product("raincoat", 12900),
        Product("blanket", 8450),
        Product("windlass", 1890),
    )
}


def read_basket(text: str) -> tuple[Line, ...]:
    """The lines of `lantern.1,blanket.2`: known products only, each once, one to nine of each."""
    found = {sku: int(quantity) for sku, quantity in (m.groups() for m in _LINE.finditer(text[:200]))}
    return tuple(Line(SHELF[sku], quantity) for sku, quantity in found.items() if sku in SHELF)


def basket_text(lines: tuple[Line, ...]) -> str:
    """The inverse of `read_basket`."""
    return ",".join(f"{line.product.sku}.{line.quantity}" for line in lines)


def added(lines: tuple[Line, ...], product: Product) -> tuple[Line, ...]:
    """The basket with one more of a product, nine at most."""
    quantities = {line.product.sku: line.quantity for line in lines}
    quantities[product.sku] = min(9, quantities.get(product.sku, 0) + 1)
    return tuple(Line(SHELF[sku], quantity) for sku, quantity in quantities.items())


def texts_of(language: str) -> dict[str, Any]:
    """Every sentence of the shop in one language, from `demo/locale/<language>.json`."""
    texts: dict[str, Any] = json.loads((FOLDER / "locale" / f"{language}.json").read_text("utf-8"))
    return texts


def money(cents: int, language: str) -> str:
    """A price as people write it there: `€59.00`, `€ 59,00`, `59,00 €` (with no-break spaces)."""
    amount = f"{cents // 100}.{cents % 100:02}"
    if language == "en":
        return f"€{amount}"
    amount = amount.replace(".", ",")
    return f"€\N{NO-BREAK SPACE}{amount}" if language == "nl" else f"{amount}\N{NO-BREAK SPACE}€"


def preferred_language(accept_language: str) -> str:
    """The shop's language that an `Accept-Language` header weighs most (RFC 9110 12.5.4), else English."""
    wishes = []
    for position, item in enumerate(accept_language[:500].split(",")):
        tag, _, weight = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight)
        rank = float(quality[1]) if quality else 1.0
        if language in LANGUAGES and rank > 0:
            wishes.append((-rank, position, language))
    return min(wishes)[2] if wishes else LANGUAGES[0]
