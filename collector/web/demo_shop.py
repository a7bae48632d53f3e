"""The demo shop under `/demo/`: a small real shop, in three languages, that uses `/sluis.js` as any site would.

Rules: it stores nothing on the server and sets no cookie. Personal data never stands in an address: the order is
"placed" inside the page and reaches the collector only through the SDK, if the visitor consented. Every page works
under a policy without inline script or style, so that a site can copy it as it is.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from collector.web.demo_catalogue import (
    FOLDER,
    LANGUAGES,
    SHELF,
    Line,
    added,
    basket_text,
    money,
    preferred_language,
    read_basket,
    texts_of,
)
from collector.web.files import fixed_file

NOTICE_VERSION = "1"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cache-Control": "no-store",
}
_STATIC = {"shop.css": "text/css", "shop.js": "text/javascript", "mark.svg": "image/svg+xml"}

Context = Mapping[str, Any]


class Shop:
    """The pages of the shop; holds the compiled templates, the texts, and where the developer may look."""

    def __init__(self, sandbox_url: str, console_url: str) -> None:
        self._pages = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._texts = {language: texts_of(language) for language in LANGUAGES}
        self._links = {"sandbox_url": sandbox_url, "console_url": console_url}

    async def entrance(self, request: Request) -> Response:
        """To the visitor's language; the answer depends on the header and says so."""
        language = preferred_language(request.headers.get("accept-language", ""))
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/demo/{language}/{query}", headers={"Vary": "Accept-Language", **_HEADERS})

    def home(self, language: str, _request: Request) -> tuple[str, Context]:
        """The shelf: `view_item_list`."""
        return "home.html", {
            "path": "",
            "view": self._view("view_item_list", language, [Line(p, 1) for p in SHELF.values()]),
        }

    def product(self, language: str, request: Request) -> tuple[str, Context]:
        """One product: `view_item`, and `add_to_cart` when the button is used. 404 for an unknown one."""
        product = SHELF.get(request.path_params["sku"])
        if product is None:
            raise HTTPException(404)
        view = self._view("view_item", language, [Line(product, 1)])
        basket = added(read_basket(request.query_params.get("basket", "")), product)
        add = f"/demo/{language}/product/{product.sku}?basket={basket_text(basket)}"
        return "product.html", {"path": f"product/{product.sku}", "view": view, "product": product, "add": add}

    def checkout(self, language: str, request: Request) -> tuple[str, Context]:
        """The order form, and the thanks it turns into without leaving the document."""
        lines = read_basket(request.query_params.get("basket", ""))
        view = self._view("begin_checkout", language, list(lines)) if lines else None
        return "checkout.html", {"path": "checkout", "view": view, "total": sum(line.cents for line in lines)}

    def thanks(self, _language: str, _request: Request) -> tuple[str, Context]:
        """What a reload of the thanks page finds: no order, since none was kept."""
        return "thanks.html", {"path": "thanks", "view": None}

    def privacy(self, _language: str, _request: Request) -> tuple[str, Context]:
        """The notice that the banner refers to."""
        return "privacy.html", {"path": "privacy", "view": None}

    def page(self, content: Callable[[str, Request], tuple[str, Context]]) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint that shows one of the pages above in the language of its address. 404 for another one."""

        async def endpoint(request: Request) -> Response:
            language = request.path_params["language"]
            if language not in LANGUAGES:
                raise HTTPException(404)
            template, context = content(language, request)
            return HTMLResponse(self._render(template, language, request, context), headers=_HEADERS)

        return endpoint

    def _render(self, template: str, language: str, request: Request, context: Context) -> str:
        lines = read_basket(request.query_params.get("basket", ""))
        query = "?" + urlencode({"basket": basket_text(lines)}, safe=",.") if lines else ""
        return self._pages.get_template(template).render(
            **context,
            **self._links,
            t=self._texts[language],
            language=language,
            languages=LANGUAGES,
            shelf=SHELF.values(),
            lines=lines,
            query=query,
            count=sum(line.quantity for line in lines),
            notice_version=NOTICE_VERSION,
            money=lambda cents: money(cents, language),
        )

    def _view(self, event: str, language: str, lines: list[Line]) -> str:
        """The event a page starts with, as JSON for a data attribute: name and GA4 properties."""
        names = self._texts[language]["products"]
        items = [
            {
                "item_id": line.product.sku,
                "item_name": names[line.product.sku]["name"],
                "item_brand": "Sluis & Co.",
                "price": line.product.euros,
                "quantity": line.quantity,
            }
            for line in lines
        ]
        properties: dict[str, Any] = {"currency": "EUR", "items": items}
        if event == "view_item_list":
            properties |= {"item_list_id": "shelf", "item_list_name": self._texts[language]["home"]["shelf"]}
        else:
            properties["value"] = sum(line.cents for line in lines) / 100
        return json.dumps({"name": event, "properties": properties}, ensure_ascii=False)


def demo_routes(sandbox_url: str, console_url: str) -> list[BaseRoute]:
    """The routes of the shop, all below `/demo/`. The two links are shown in the strip that says "demo"."""
    shop = Shop(sandbox_url, console_url)
    pages = {
        "/demo/{language}/": shop.home,
        "/demo/{language}/product/{sku}": shop.product,
        "/demo/{language}/checkout": shop.checkout,
        "/demo/{language}/thanks": shop.thanks,
        "/demo/{language}/privacy": shop.privacy,
    }
    static = [
        fixed_file(
            f"/demo/static/{name}",
            (FOLDER / "static" / name).read_bytes(),
            media_type,
            {"Cache-Control": "no-cache"},
        )
        for name, media_type in _STATIC.items()
    ]
    return [
        Route("/demo/", shop.entrance),
        *static,
        *(Route(path, shop.page(content)) for path, content in pages.items()),
    ]
