"""The SDK in a real browser: nothing without a choice, only what the choice allows, nothing after a withdrawal."""

import json
import time
from collections import deque

import pytest
from playwright.sync_api import Page

from tests.e2e.browser import a_browser, kept, stored_elsewhere
from tests.e2e.recording_site import Site
from tests.e2e.sdk_visitor import (
    ACCEPT,
    IDENTIFIERS,
    PURPOSES,
    REFUSE,
    a_page,
    a_site,
    choice_of,
    decide,
    settle,
    track,
)
from tests.support.patience import eventually

pytestmark = pytest.mark.browser

browser = pytest.fixture(scope="module")(a_browser)
site = pytest.fixture(a_site)
page = pytest.fixture(a_page)


def test_before_a_choice_nothing_is_stored_and_nothing_is_sent(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/?fbclid=AbC")
    track(page, "view_item", {"value": 1})
    settle(page)
    assert site.told == []
    assert kept(page.context) == {}
    assert stored_elsewhere(page) == {}
    assert page.evaluate("sluis.choice()") is None


def test_what_waited_for_an_acceptance_is_sent_with_its_own_time_and_page(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/landing?utm_source=x", referer="https://search.example/")
    track(page, "view_item", {"value": 1})
    waited_from = page.evaluate("Date.now()")
    page.wait_for_timeout(400)
    decide(page, ACCEPT)
    landing = eventually(lambda: site.named("page_view"))[0]
    item = site.named("view_item")[0]
    assert landing["timestamp"] <= item["timestamp"] <= waited_from
    assert landing["page"] == {
        "url": f"{site.url}/landing?utm_source=x",
        "referrer": "https://search.example/",
        "title": "/landing",
    }
    assert item["properties"]["value"] == 1
    assert int(item["session_id"]) <= landing["timestamp"] / 1000
    assert len([told for told in site.told if told.path == "/v1/events"]) == 1


def test_a_refusal_discards_what_waited_and_stores_its_value_only(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, REFUSE)
    track(page, "view_item")
    page.goto(f"{site.url}/next")
    track(page, "view_item")
    settle(page)
    assert site.told == []
    assert set(kept(page.context)) == {"sluis_choice"}
    assert choice_of(page) == {"v": "refused", "n": "7", "d": time.strftime("%Y-%m-%d", time.gmtime())}
    assert stored_elsewhere(page) == {}


def test_an_acceptance_after_a_refusal_does_not_bring_back_what_was_discarded(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/?fbclid=AbC")
    track(page, "view_item")
    decide(page, REFUSE)
    decide(page, ACCEPT)
    track(page, "add_to_cart")
    eventually(lambda: site.named("add_to_cart"))
    assert [event["name"] for event in site.events()] == ["add_to_cart"]
    assert "_fbc" not in kept(page.context)


def test_an_acceptance_is_reported_with_the_visitors_act_and_kept_183_days(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, {**ACCEPT, "ui_version": "b2"})
    act = eventually(site.acts)[0].body
    assert {name: act[name] for name in ACCEPT} == ACCEPT
    assert (act["origin"], act["language"], act["ui_version"]) == ("choice", "nl", "b2")
    assert act["client_id"] == kept(page.context)["sluis_id"]
    day, secret = act["choice_id"].split(".")
    assert (day, len(secret)) == (time.strftime("%Y%m%d", time.gmtime()), 22)
    consent = eventually(lambda: [told for told in site.told if told.path == "/v1/events"])[0].body["consent"]
    assert set(consent) == {*ACCEPT, "origin", "decided_at", "choice_id"}
    ages = {cookie["name"]: (cookie["expires"] - time.time()) / 86400 for cookie in page.context.cookies()}
    expected = {"sluis_choice": 183, "sluis_id": 395, "sluis_session": 1 / 48, "_fbp": 90}
    assert ages == pytest.approx(expected, abs=0.01)


def test_a_change_of_mind_keeps_the_choice_id_and_tells_the_server(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    decide(page, {**ACCEPT, "analytics_storage": "denied"})
    acts = eventually(lambda: site.acts() if choice_of(page).get("u") is None else None)
    assert acts[-1].body["analytics_storage"] == "denied"
    assert len({act.body["choice_id"] for act in acts}) == 1


def test_a_later_denial_removes_the_identifiers_of_its_purpose_only(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/?fbclid=AbC")
    decide(page, ACCEPT)
    eventually(lambda: set(kept(page.context)) >= IDENTIFIERS)
    decide(page, {**ACCEPT, "ad_user_data": "denied"})
    assert set(kept(page.context)) == {"sluis_choice", "sluis_id", "sluis_session"}
    decide(page, {**ACCEPT, "analytics_storage": "denied", "ad_storage": "denied"})
    assert set(kept(page.context)) == {"sluis_choice"}
    track(page, "view_item", {}, {"user": {"email": "jane.doe@example.com"}, "user_id": "crm-1"})
    event = eventually(lambda: site.named("view_item"))[0]
    assert "client_id" not in event
    assert "session_id" not in event
    assert set(event["context"]) == {"language"}


def test_contact_data_is_not_even_sent_without_ad_user_data(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, {**ACCEPT, "ad_user_data": "denied"})
    track(page, "purchase", {"value": 1}, {"user": {"email": "jane.doe@example.com"}})
    assert "user" not in eventually(lambda: site.named("purchase"))[0]
    decide(page, ACCEPT)
    track(page, "refund", {"value": 1}, {"user": {"email": "jane.doe@example.com"}})
    assert eventually(lambda: site.named("refund"))[0]["user"] == {"email": "jane.doe@example.com"}


def test_meta_identifiers_need_meta_as_a_recipient(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/?fbclid=AbC")
    nothing = dict.fromkeys(PURPOSES, "denied")
    decide(page, {**ACCEPT, "recipients": {"google": {}, "meta": nothing}})
    eventually(site.events)
    assert set(kept(page.context)) == {"sluis_choice", "sluis_id", "sluis_session"}


def test_no_recipient_means_a_refusal(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, {**ACCEPT, "recipients": {}})
    assert choice_of(page)["v"] == "refused"


def test_global_privacy_control_is_stated_and_keeps_advertising_numbers_away(page: Page, site: Site) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    page.goto(f"{site.url}/?fbclid=AbC")
    decide(page, ACCEPT)
    eventually(site.events)
    assert site.acts()[0].body["gpc"] is True
    assert set(kept(page.context)) == {"sluis_choice", "sluis_id", "sluis_session"}


def test_withdrawing_removes_everything_tells_the_server_and_stops(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/?fbclid=AbC")
    decide(page, ACCEPT)
    eventually(site.events)
    client, choice = kept(page.context)["sluis_id"], choice_of(page)["c"]["choice_id"]
    page.evaluate("sluis.withdraw()")
    assert [told.body for told in site.acts("DELETE")] == [{"choice_id": choice, "client_id": client}]
    assert set(kept(page.context)) == {"sluis_choice"}
    assert choice_of(page)["v"] == "refused"
    before = len(site.told)
    track(page, "view_item")
    page.goto(f"{site.url}/next")
    settle(page)
    assert len(site.told) == before


def test_changing_to_refuse_everything_is_a_withdrawal(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    decide(page, REFUSE)
    eventually(lambda: site.acts("DELETE"))
    assert set(kept(page.context)) == {"sluis_choice"}


def test_an_unconfirmed_withdrawal_outlives_the_page_and_nothing_else_does(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    site.answers["/v1/consent"] = deque([(503, {"Retry-After": "60"})])
    page.evaluate("void sluis.withdraw()")
    eventually(lambda: site.acts("DELETE"))
    assert set(kept(page.context)) == {"sluis_choice", "sluis_withdrawal"}
    page.goto(f"{site.url}/next")
    first, second = eventually(lambda: site.acts("DELETE") if len(site.acts("DELETE")) == 2 else None)
    assert first.body == second.body
    eventually(lambda: set(kept(page.context)) == {"sluis_choice"})


def test_a_withdrawal_in_another_tab_counts_here_at_once(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    other = page.context.new_page()
    other.goto(f"{site.url}/other")
    other.evaluate("sluis.withdraw()")
    before = len(site.events())
    track(page, "view_item")
    settle(page)
    assert len(site.events()) == before
    assert set(kept(page.context)) == {"sluis_choice"}


def test_identifiers_do_not_outlive_the_choice(page: Page, site: Site) -> None:
    page.goto(site.url)
    decide(page, ACCEPT)
    eventually(site.events)
    page.context.clear_cookies(name="sluis_choice")
    page.goto(f"{site.url}/next")
    settle(page)
    assert kept(page.context) == {}


def test_an_unreported_acceptance_is_reported_by_the_next_page(page: Page, site: Site) -> None:
    page.goto(site.url)
    site.answers["/v1/consent"] = deque([(503, {"Retry-After": "60"})])
    decide(page, ACCEPT)
    eventually(site.acts)
    page.goto(f"{site.url}/next")
    first, second = eventually(lambda: site.acts() if len(site.acts()) == 2 else None)
    assert first.body == second.body
    eventually(lambda: site.named("page_view"))


ASKED = "window.asked = 0; addEventListener('sluis:ask', () => window.asked++)"


@pytest.mark.parametrize(
    ("reason", "times"),
    [("expired_choice", 1), ("recipient_not_covered", 1), ("purpose_not_granted", 0), ("withdrawn", 0)],
)
def test_the_page_learns_when_the_visitor_has_to_be_asked_again(
    page: Page, site: Site, reason: str, times: int
) -> None:
    page.goto(site.url)
    page.evaluate(ASKED)
    site.said = json.dumps({"results": [{"destinations": {"ga4": "queued", "meta": f"skipped:{reason}"}}]})
    decide(page, ACCEPT)
    eventually(lambda: site.named("page_view"))
    settle(page)
    site.said = "{}"
    assert (page.evaluate("window.asked") > 0) == bool(times)
    assert page.evaluate("sluis.choice()")["analytics_storage"] == "granted", "until the visitor answers it stands"
