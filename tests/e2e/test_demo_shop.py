"""A visitor walks the demo shop of a running `sluis up`, in each language, and the sandbox tells what arrived."""

import json
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser import a_browser, kept, stored_elsewhere, visitor
from tests.support.patience import eventually

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

LANGUAGES = ("en", "nl", "fr")
LONG_ENOUGH_MS = 2500  # an event that is permitted arrives within a second; see the walks that accept


class Stack(Protocol):
    """What the fixture `stack` gives: a running `sluis up`."""

    shop: str
    sandbox: str

    def received(self, destination: str) -> list[dict[str, Any]]:
        """The requests that the sandbox got as `ga4` or `meta`."""

    def clear(self) -> None:
        """Forget them."""


browser = pytest.fixture(scope="module")(a_browser)


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    stack.clear()
    with visitor(browser) as opened:
        yield opened


def press(page: Page, what: str) -> None:
    page.click(f'[data-test="{what}"]')


def enter(page: Page, stack: Stack, language: str) -> None:
    page.goto(f"{stack.shop}/demo/{language}/?fbclid=IwAR_AbC-xYz")
    page.wait_for_selector('[data-test="consent-banner"]')


def buy(page: Page) -> str:
    """Put the raincoat in the basket, order it; its order number."""
    page.click('[data-test="product"] >> nth=1')
    press(page, "add-to-cart")
    press(page, "checkout")
    press(page, "buy")
    return page.inner_text('[data-test="order-number"]')


def purchases(stack: Stack, destination: str) -> list[Any]:
    """The order numbers that a destination received."""
    bodies = [request["body"] for request in stack.received(destination)]
    if destination == "ga4":
        events = [event for body in bodies for event in body["events"] if event["name"] == "purchase"]
        return [event["params"]["transaction_id"] for event in events]
    events = [event for body in bodies for event in body["data"] if event["event_name"] == "Purchase"]
    return [event["custom_data"]["order_id"] for event in events]


def violations(stack: Stack) -> list[Any]:
    return [found for name in ("ga4", "meta") for request in stack.received(name) for found in request["violations"]]


def nothing_arrives(page: Page, stack: Stack) -> None:
    page.wait_for_timeout(LONG_ENOUGH_MS)
    assert stack.received("ga4") == []
    assert stack.received("meta") == []


def no_identifier_is_kept(page: Page) -> None:
    cookies = kept(page.context)
    assert set(cookies) == {"sluis_choice"}
    assert set(json.loads(unquote(cookies["sluis_choice"]))) == {"v", "n", "d"}
    assert stored_elsewhere(page) == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_visitor_who_refuses_is_left_alone(page: Page, stack: Stack, language: str) -> None:
    enter(page, stack, language)
    assert kept(page.context) == {}
    press(page, "consent-refuse")
    buy(page)
    page.goto(f"{stack.shop}/demo/{language}/product/lantern")
    assert page.is_hidden('[data-test="consent-banner"]')
    no_identifier_is_kept(page)
    nothing_arrives(page, stack)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_visitor_who_accepts_and_buys_is_counted_by_both(page: Page, stack: Stack, language: str) -> None:
    enter(page, stack, language)
    press(page, "consent-accept")
    order = buy(page)
    eventually(lambda: purchases(stack, "ga4") and purchases(stack, "meta"))
    assert purchases(stack, "ga4") == [order]
    assert purchases(stack, "meta") == [order]
    assert violations(stack) == []
    assert set(kept(page.context)) == {"sluis_choice", "sluis_id", "sluis_session", "_fbp", "_fbc"}
    assert stored_elsewhere(page) == {}
    assert "@" not in page.url


@pytest.mark.parametrize("language", LANGUAGES)
def test_after_a_withdrawal_the_next_event_goes_nowhere(page: Page, stack: Stack, language: str) -> None:
    enter(page, stack, language)
    press(page, "consent-accept")
    eventually(lambda: stack.received("ga4") and stack.received("meta"))
    with page.expect_response(lambda answer: answer.request.method == "DELETE" and answer.ok):
        press(page, "consent-withdraw")
    page.wait_for_timeout(LONG_ENOUGH_MS)
    stack.clear()
    no_identifier_is_kept(page)
    buy(page)
    no_identifier_is_kept(page)
    nothing_arrives(page, stack)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_visitor_may_choose_google_without_meta(page: Page, stack: Stack, language: str) -> None:
    enter(page, stack, language)
    press(page, "consent-choose")
    assert page.locator('[data-test="consent-banner"] input:checked').count() == 0
    for purpose in ("analytics_storage", "ad_storage", "ad_user_data"):
        page.check(f'[data-purpose="{purpose}"]')
    page.check('[data-recipient="google"]')
    press(page, "consent-save")
    order = buy(page)
    assert eventually(lambda: purchases(stack, "ga4")) == [order]
    page.wait_for_timeout(LONG_ENOUGH_MS)
    assert stack.received("meta") == []
    assert violations(stack) == []
    assert set(kept(page.context)) == {"sluis_choice", "sluis_id", "sluis_session"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_banner_speaks_to_a_keyboard(page: Page, stack: Stack, language: str) -> None:
    enter(page, stack, language)
    assert page.evaluate("document.activeElement.dataset.test") == "consent-banner"
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.test") == "consent-refuse":
            break
    page.keyboard.press("Enter")
    assert page.is_hidden('[data-test="consent-banner"]')
    no_identifier_is_kept(page)
