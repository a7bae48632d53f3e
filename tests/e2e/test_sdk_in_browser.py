"""The SDK in a real browser: what it sends, when, and what it does when that fails."""

from collections import deque

import pytest
from playwright.sync_api import Page

from tests.e2e.browser import a_browser, kept
from tests.e2e.recording_site import Site
from tests.e2e.sdk_visitor import ACCEPT, a_page, a_site, decide, settle, track
from tests.support.patience import eventually

pytestmark = pytest.mark.browser

browser = pytest.fixture(scope="module")(a_browser)
site = pytest.fixture(a_site)
page = pytest.fixture(a_page)


def test_fbc_keeps_the_letters_and_the_time_of_the_click(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/?fbclid=IwAR_AbC-xYz")
    landed = page.evaluate("Math.round(performance.timeOrigin)")
    page.wait_for_timeout(1200)
    decide(page, ACCEPT)
    context = eventually(site.events)[0]["context"]
    prefix, index, milliseconds, click = context["fbc"].split(".")
    assert (prefix, index, click) == ("fb", "2", "IwAR_AbC-xYz")
    assert landed <= int(milliseconds) <= landed + 1000
    assert context["fbp"] == kept(page.context)["_fbp"]
    page.goto(f"{site.url}/?fbclid=IwAR_AbC-xYz")
    eventually(lambda: len(site.named("page_view")) == 2)
    assert site.events()[-1]["context"]["fbc"] == context["fbc"]


def test_navigation_inside_the_page_is_a_page_view_only_when_the_address_changed(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    page.evaluate("history.pushState(null, '', '/two'), (document.title = 'Two')")
    page.evaluate("history.pushState(null, '', '/two')")
    page.evaluate("history.replaceState({ tab: 1 }, '')")
    page.evaluate("location.hash = 'part'")
    page.wait_for_timeout(50)
    page.evaluate("history.go(-3)")
    views = eventually(lambda: site.named("page_view") if len(site.named("page_view")) == 3 else None)
    assert [view["page"]["url"] for view in views] == [f"{site.url}/", f"{site.url}/two", f"{site.url}/"]
    assert views[1]["page"]["referrer"] == f"{site.url}/"
    assert views[1]["page"]["title"] == "Two"
    settle(page)
    assert len(site.named("page_view")) == 3


def test_events_of_one_tick_travel_together(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    page.evaluate("['a', 'b', 'c'].forEach((name) => sluis.track(name))")
    last = eventually(lambda: site.told[-1] if site.named("c") else None)
    assert [event["name"] for event in last.body["events"]] == ["a", "b", "c"]
    assert last.media_type == "text/plain"
    assert all(event["properties"]["engagement_time_msec"] >= 1 for event in last.body["events"])


@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_server_gets_the_same_events_again_and_not_too_soon(page: Page, site: Site, status: int) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    site.answers["/v1/events"] = deque([(status, {"Retry-After": "2"})])
    track(page, "purchase", {"value": 5})
    eventually(lambda: len(site.named("purchase")) == 2)
    first, second = [told for told in site.told if told.path == "/v1/events"][-2:]
    assert first.body["events"] == second.body["events"]
    assert second.at - first.at >= 2
    settle(page)
    assert len(site.named("purchase")) == 2


def test_a_lost_connection_is_tried_again_with_the_same_event_id(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    page.route("**/v1/events", lambda route: route.abort(), times=1)
    track(page, "purchase", {"value": 5}, {"event_id": "order-1"})
    settle(page)
    assert site.named("purchase") == []
    assert eventually(lambda: site.named("purchase"))[0]["event_id"] == "order-1"


def test_a_refused_body_is_not_tried_again(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    site.answers["/v1/events"] = deque([(400, {})])
    track(page, "broken")
    page.wait_for_timeout(1500)
    assert len(site.named("broken")) == 1


def test_what_is_unsent_leaves_as_a_beacon_with_the_page(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    site.answers["/v1/events"] = deque([(503, {"Retry-After": "60"})])
    track(page, "purchase", {"value": 5})
    eventually(lambda: site.named("purchase"))
    settle(page)
    page.goto(f"{site.url}/plain")
    eventually(lambda: len(site.named("purchase")) == 2)
    asked, beacon = [told for told in site.told if told.path == "/v1/events"][-2:]
    assert (asked.mode, beacon.mode) == ("cors", "no-cors")
    assert beacon.media_type == "text/plain"
    assert asked.body["events"] == beacon.body["events"]


def test_calls_made_before_the_script_arrived_are_not_lost(page: Page, site: Site) -> None:
    site.early = "sluisQueue.push(['track', 'early', {value: 3}]);"
    page.goto(site.url)
    page.evaluate("sluisQueue.push(['track', 'late'])")
    decide(page, ACCEPT)
    eventually(site.events)
    assert [event["name"] for event in site.events()] == ["page_view", "early", "late"]


def test_automatic_page_views_can_be_switched_off(page: Page, site: Site) -> None:
    site.options = ' data-auto="false"'
    page.goto(site.url)
    decide(page, ACCEPT)
    page.evaluate("history.pushState(null, '', '/two')")
    settle(page)
    assert site.events() == []
    page.evaluate("sluis.page()")
    assert eventually(site.events)[0]["page"]["url"] == f"{site.url}/two"


def test_an_event_that_cannot_be_written_as_json_does_not_hold_up_the_others(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    page.evaluate("try { sluis.track('bad', { value: 1n }) } catch {}")
    track(page, "good")
    eventually(lambda: site.named("good"))
    assert site.named("bad") == []


def test_the_queue_is_bounded_and_keeps_the_newest(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("for (let n = 0; n < 150; n++) sluis.track('e', { n })")
    decide(page, ACCEPT)
    eventually(lambda: len(site.named("e")) == 100)
    assert [event["properties"]["n"] for event in site.events()] == list(range(50, 150))
