"""Chromium for the browser tests: the one of the machine, driven by playwright, without downloads or phoning home.

Rules: without a Chromium a browser test is skipped with a visible reason, unless SLUIS_REQUIRE_BROWSER=1 makes
that a failure. Every test gets a fresh context, so nothing one visitor keeps is seen by the next.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
T = TypeVar("T")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium, closed at the end; skips or fails the test when there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        # The test run's own switch; the product reads its settings elsewhere.
        if os.environ.get("SLUIS_REQUIRE_BROWSER") == "1":  # noqa: TID251
            pytest.fail("no Chromium on this machine, and SLUIS_REQUIRE_BROWSER=1 demands one")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def a_browser() -> Iterator[Browser]:
    """The same as a generator, which a module makes its fixture."""
    with chromium() as browser:
        yield browser


@contextmanager
def visitor(browser: Browser, **options: Any) -> Iterator[Page]:
    """A visitor with an empty browser; an error in the page's scripts fails the test that opened it."""
    context = browser.new_context(**options)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert errors == []


def kept(context: BrowserContext) -> dict[str, str]:
    """The cookies of a visitor, by name."""
    return {cookie["name"]: cookie["value"] for cookie in context.cookies()}


def stored_elsewhere(page: Page) -> dict[str, Any]:
    """What the origin keeps outside cookies: empty for a page that keeps its promises."""
    found: dict[str, Any] = page.evaluate(
        """async () => Object.fromEntries(Object.entries({
          local: Object.keys(localStorage), session: Object.keys(sessionStorage),
          databases: (await indexedDB.databases()).map(({ name }) => name), caches: await caches.keys(),
        }).filter(([, names]) => names.length))"""
    )
    return found
