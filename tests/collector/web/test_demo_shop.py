import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from starlette.applications import Starlette

from collector.web.demo_catalogue import (
    LANGUAGES,
    SHELF,
    basket_text,
    money,
    preferred_language,
    read_basket,
    texts_of,
)
from collector.web.demo_shop import demo_routes
from tests.collector.web.asgi import get

PATHS = ("", "product/lantern", "checkout?basket=lantern.1", "checkout", "thanks", "privacy")
PAGES = [f"/demo/{language}/{path}" for language in LANGUAGES for path in PATHS]


@pytest.fixture
def shop() -> Starlette:
    return Starlette(routes=demo_routes("http://127.0.0.1:8082/", "http://127.0.0.1:8081/"))


def view_of(html: str) -> dict[str, Any]:
    found = re.search(r'data-view="([^"]*)"', html)
    assert found
    view: dict[str, Any] = json.loads(unescape(found[1]))
    return view


def leaves(texts: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(texts, str):
        yield path, texts
    else:
        rows = texts.items() if isinstance(texts, dict) else enumerate(texts)
        for name, value in rows:
            yield from leaves(value, f"{path}/{name}")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_exists_in_every_language_under_a_strict_policy(shop: Starlette, page: str) -> None:
    answer = get(shop, page)
    assert answer.status == 200
    assert f'<html lang="{page[6:8]}">' in answer.text
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", answer.text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", answer.text))
    assert not re.search(r'(?:src|action)="(?:https?:)?//', answer.text)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_asks_for_consent_with_accept_and_refuse_as_equals_and_nothing_ticked(
    shop: Starlette, page: str
) -> None:
    html = get(shop, page).text
    accept, refuse = (
        re.search(rf'<button type="button" class="([^"]*)" data-test="consent-{answer}"', html)
        for answer in ("accept", "refuse")
    )
    assert accept
    assert refuse
    assert accept[1] == refuse[1]
    boxes = re.findall(r'<input type="checkbox"[^>]*>', html)
    assert len(boxes) == 6
    assert not any("checked" in box for box in boxes)
    assert 'data-test="consent-withdraw"' in html


def test_all_languages_say_everything() -> None:
    english, *others = (dict(leaves(texts_of(language))) for language in LANGUAGES)
    for other in others:
        assert other.keys() == english.keys()
        assert all(text.strip() for text in other.values())
        same = {path for path in english if english[path] == other[path]}
        assert len(same) < len(english) / 8, sorted(same)


def test_all_products_and_purposes_have_texts() -> None:
    texts = texts_of("en")
    assert texts["products"].keys() == SHELF.keys()
    assert set(texts["consent"]["recipients"]) == {"google", "meta"}


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("", "en"),
        ("fr-BE,fr;q=0.9,en;q=0.5", "fr"),
        ("de, nl;q=0.4, en;q=0.3", "nl"),
        ("en;q=0.2, nl;q=0.9", "nl"),
        ("nl;q=0, fr;q=0.1", "fr"),
        ("de-DE", "en"),
        (";;;q=x,,", "en"),
    ],
)
def test_the_entrance_leads_to_the_language_of_the_visitor(
    shop: Starlette, accept_language: str, language: str
) -> None:
    assert preferred_language(accept_language) == language
    answer = get(shop, "/demo/", accept_language=accept_language)
    assert (answer.status, answer.headers["location"]) == (307, f"/demo/{language}/")
    assert answer.headers["vary"] == "Accept-Language"


def test_the_entrance_keeps_the_click_id_of_an_ad(shop: Starlette) -> None:
    assert get(shop, "/demo/?fbclid=AbC").headers["location"] == "/demo/en/?fbclid=AbC"


@pytest.mark.parametrize("path", ["/demo/de/", "/demo/en/product/nothing", "/demo/static/../demo_shop.py"])
def test_an_unknown_page_is_404(shop: Starlette, path: str) -> None:
    assert get(shop, path).status == 404


def test_a_page_says_which_event_it_starts_with(shop: Starlette) -> None:
    home, product = (view_of(get(shop, f"/demo/nl/{path}").text) for path in ("", "product/blanket"))
    assert home["name"] == "view_item_list"
    assert [item["item_id"] for item in home["properties"]["items"]] == list(SHELF)
    assert product == {
        "name": "view_item",
        "properties": {
            "currency": "EUR",
            "value": 84.5,
            "items": [
                {
                    "item_id": "blanket",
                    "item_name": "Schippersdeken",
                    "item_brand": "Sluis & Co.",
                    "price": 84.5,
                    "quantity": 1,
                }
            ],
        },
    }


def test_the_checkout_adds_up_the_basket_of_the_address(shop: Starlette) -> None:
    html = get(shop, "/demo/fr/checkout?basket=windlass.3,lantern.1").text
    view = view_of(html)
    assert (view["name"], view["properties"]["value"]) == ("begin_checkout", 115.7)
    assert "115,70\N{NO-BREAK SPACE}€" in html
    assert 'href="/demo/nl/checkout?basket=windlass.3,lantern.1"' in html


def test_an_empty_basket_starts_no_checkout(shop: Starlette) -> None:
    html = get(shop, "/demo/en/checkout?basket=").text
    assert "data-view" not in html
    assert 'data-test="buy"' not in html


def test_a_basket_keeps_what_it_understands() -> None:
    lines = read_basket("lantern.2,spoon.1,windlass.99,blanket.0,<script>,lantern.3")
    assert basket_text(lines) == "lantern.3,windlass.9"
    assert read_basket(basket_text(lines)) == lines


def test_a_basket_is_never_reflected_as_markup(shop: Starlette) -> None:
    assert "<script>alert" not in get(shop, "/demo/en/?basket=lantern.1%3Cscript%3Ealert(1)").text


def test_prices_are_written_as_people_do_there() -> None:
    assert [money(129050, language) for language in LANGUAGES] == ["€1290.50", "€\xa01290,50", "1290,50\xa0€"]


def test_the_strip_shows_the_developer_where_to_look(shop: Starlette) -> None:
    html = get(shop, "/demo/en/").text
    assert 'href="http://127.0.0.1:8082/"' in html
    assert 'href="http://127.0.0.1:8081/"' in html


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("shop.css", "text/css"), ("shop.js", "text/javascript"), ("mark.svg", "image/svg+xml")],
)
def test_static_files_are_served_with_their_type(shop: Starlette, name: str, media_type: str) -> None:
    answer = get(shop, f"/demo/static/{name}")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(media_type)
    assert get(shop, f"/demo/static/{name}", if_none_match=answer.headers["etag"]).status == 304
