"""What the tests of the SDK share: a page of the recording site, and the choices its visitor can make."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from playwright.sync_api import Browser, Page

from tests.e2e.browser import kept, visitor
from tests.e2e.recording_site import Site, recording_site

PURPOSES = ("ad_storage", "analytics_storage", "ad_user_data", "ad_personalization")
IDENTIFIERS = {"sluis_id", "sluis_session", "_fbp", "_fbc"}
ACCEPT: dict[str, Any] = {
    **dict.fromkeys(PURPOSES, "granted"),
    "recipients": {"google": {}, "meta": {}},
    "notice_version": "7",
}
REFUSE: dict[str, Any] = {**ACCEPT, **dict.fromkeys(PURPOSES, "denied")}


def a_site() -> Iterator[Site]:
    """Made a fixture by each module."""
    with recording_site() as running:
        yield running


def a_page(browser: Browser) -> Iterator[Page]:
    """Made a fixture by each module."""
    with visitor(browser) as opened:
        yield opened


def decide(page: Page, statement: dict[str, Any]) -> None:
    page.evaluate("statement => sluis.consent(statement)", statement)


def track(page: Page, name: str, *rest: Any) -> None:
    page.evaluate("event => sluis.track(...event)", [name, *rest])


def settle(page: Page) -> None:
    """Time for anything wrongly sent to arrive."""
    page.wait_for_timeout(300)


def choice_of(page: Page) -> Any:
    return json.loads(unquote(kept(page.context)["sluis_choice"]))
