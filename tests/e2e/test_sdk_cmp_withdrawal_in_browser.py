"""The adapter for consent platforms in a real browser: refusals, withdrawals in both directions, and slow platforms."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.browser import a_browser
from tests.e2e.consent_platform import (
    ADAPTER,
    DENIED,
    GRANTED,
    answer,
    cookies,
    now_ms,
    statements,
    tc_data,
    update,
    with_consent_mode,
    with_tcf,
)
from tests.e2e.recording_site import Site
from tests.e2e.sdk_visitor import a_page, a_site, choice_of, settle, track
from tests.support.patience import eventually

pytestmark = pytest.mark.browser

browser = pytest.fixture(scope="module")(a_browser)
site = pytest.fixture(a_site)
page = pytest.fixture(a_page)

REFUSED: dict[str, Any] = {"purposes": {}, "google": False, "additional": "2~~dv.35.89"}
# What each platform offers to say no for the visitor, and the way it is reached.
PLATFORMS = {
    "Cookiebot.withdraw": "window.Cookiebot = { withdraw: told }",
    "OneTrust.RejectAll": "window.OneTrust = { RejectAll: told }",
    "Didomi.setUserDisagreeToAll": "window.Didomi = { setUserDisagreeToAll: told }",
    "UC_UI.denyAllConsents": "window.UC_UI = { denyAllConsents: async () => told() }",
    "__ucCmp.denyAllConsents": "window.__ucCmp = { denyAllConsents: async () => told() }; window.UC_UI = {}",
    "openAxeptioCookies": "window.openAxeptioCookies = told",
}


def accepted(page: Page, site: Site) -> None:
    """A visitor who has agreed to everything."""
    page.goto(site.url)
    answer(page, tc_data(now_ms()))
    update(page, GRANTED)
    eventually(lambda: {"sluis_id", "_fbp"} <= cookies(page))
    eventually(lambda: choice_of(page).get("u") is None)


def test_a_refusal_is_stored_once_and_nothing_is_sent(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    page.goto(f"{site.url}/?fbclid=AbC")
    track(page, "view_item")
    answer(page, tc_data(now_ms(), **REFUSED))
    update(page, {**DENIED, "security_storage": "granted"})
    settle(page)
    assert choice_of(page)["v"] == "refused"
    page.goto(f"{site.url}/next")
    track(page, "view_item")
    page.wait_for_timeout(2300)
    assert site.told == []
    assert cookies(page) == {"sluis_choice", "sluis_cmp"}


def test_a_refusal_after_an_acceptance_is_one_withdrawal(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    accepted(page, site)
    choice_id = choice_of(page)["c"]["choice_id"]
    page.evaluate("platform.show()")
    answer(page, tc_data(now_ms(), **REFUSED))
    update(page, DENIED)
    (told,) = eventually(lambda: site.acts("DELETE"))
    assert told.body["choice_id"] == choice_id
    assert cookies(page) == {"sluis_choice", "sluis_cmp"}
    before = len(site.told)
    page.goto(f"{site.url}/next")
    track(page, "view_item")
    page.wait_for_timeout(500)
    assert len(site.told) == before


def test_what_is_no_longer_granted_loses_its_identifiers(page: Page, site: Site) -> None:
    with_consent_mode(site, options=' data-recipients="google meta"')
    page.goto(site.url)
    update(page, GRANTED)
    eventually(lambda: {"sluis_id", "_fbp"} <= cookies(page))
    update(page, {"analytics_storage": "denied"})
    eventually(lambda: cookies(page) == {"sluis_choice", "sluis_cmp", "_fbp"})
    update(page, {"analytics_storage": "granted", "ad_storage": "denied"})
    eventually(lambda: "_fbp" not in cookies(page))
    act = eventually(lambda: site.acts()[2:])[0].body
    assert (act["analytics_storage"], act["ad_storage"], act["ad_user_data"]) == ("granted", "denied", "granted")


def test_a_denial_before_the_visitor_touched_the_page_does_not_lose_the_landing(page: Page, site: Site) -> None:
    with_consent_mode(site)
    site.early += f"gtag('consent', 'update', {DENIED});"
    page.goto(f"{site.url}/landing")
    settle(page)
    assert cookies(page) == set()
    update(page, GRANTED)
    assert eventually(site.events)[0]["page"]["url"] == f"{site.url}/landing"


def test_a_click_that_denies_is_a_refusal(page: Page, site: Site) -> None:
    with_consent_mode(site)
    page.goto(site.url)
    page.evaluate(f"document.body.onclick = () => gtag('consent', 'update', {DENIED})")
    page.mouse.click(5, 5)
    page.locator("p").click()
    eventually(lambda: "sluis_choice" in cookies(page))
    assert choice_of(page)["v"] == "refused"
    assert site.told == []


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_withdrawal_on_the_page_is_passed_on_once(page: Page, site: Site, name: str) -> None:
    with_tcf(site)
    with_consent_mode(site)
    site.early += "window.calls = 0; const told = () => { calls++; platform.refuse?.() };" + PLATFORMS[name]
    accepted(page, site)
    refusal = tc_data(now_ms(), **REFUSED)
    page.evaluate(
        """([data, purposes]) => { platform.refuse = () => {
             platform.answer(data); gtag("consent", "update", purposes); sluis.withdraw() } }""",
        [refusal, DENIED],
    )
    page.evaluate("sluis.withdraw()")
    settle(page)
    assert page.evaluate("calls") == 1
    assert len(site.acts("DELETE")) == 1
    assert page.evaluate("dataLayer.filter(([, kind]) => kind === 'update').map(([, , said]) => said)") == [
        GRANTED,
        DENIED,
        DENIED,
    ]
    assert cookies(page) == {"sluis_choice", "sluis_cmp"}
    answer(page, tc_data(now_ms()))
    update(page, GRANTED)
    eventually(lambda: "sluis_id" in cookies(page))
    assert len(site.acts("DELETE")) == 1


def test_granting_nothing_on_the_page_is_passed_on_too(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    accepted(page, site)
    page.evaluate("window.OneTrust = { RejectAll: () => (window.rejected = true) }")
    page.evaluate("said => sluis.consent(said)", DENIED)
    eventually(lambda: site.acts("DELETE"))
    assert page.evaluate("rejected")
    assert choice_of(page)["v"] == "refused"


def test_a_platform_that_cannot_be_told_does_not_grant_again_what_was_withdrawn(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    accepted(page, site)
    page.evaluate("sluis.withdraw()")
    settle(page)
    before = len(site.told)
    site.early += f"gtag('consent', 'update', {GRANTED});"
    page.goto(f"{site.url}/next")
    page.wait_for_timeout(500)
    assert len(site.told) == before
    assert cookies(page) == {"sluis_choice", "sluis_cmp"}
    page.evaluate("platform.show()")
    answer(page, tc_data(now_ms()))
    eventually(lambda: "sluis_id" in cookies(page))


def test_nor_does_one_that_speaks_consent_mode_only(page: Page, site: Site) -> None:
    with_consent_mode(site)
    page.goto(site.url)
    update(page, GRANTED)
    eventually(lambda: "sluis_id" in cookies(page))
    page.evaluate("sluis.withdraw()")
    settle(page)
    site.early += f"gtag('consent', 'update', {GRANTED});"
    page.goto(f"{site.url}/next")
    page.wait_for_timeout(500)
    assert cookies(page) == {"sluis_choice", "sluis_cmp"}
    update(page, DENIED)
    settle(page)
    update(page, GRANTED)
    eventually(lambda: "sluis_id" in cookies(page))


def test_a_withdrawal_before_the_platform_spoke_stands(page: Page, site: Site) -> None:
    with_tcf(site, late_ms=600)
    page.goto(f"{site.url}/plain")
    page.evaluate("data => localStorage.setItem('platform', JSON.stringify(data))", tc_data(now_ms()))
    for path in ("/", "/next"):
        page.goto(f"{site.url}{path}")
        if path == "/":
            page.evaluate("sluis.withdraw()")
        page.wait_for_timeout(1200)
        assert choice_of(page)["v"] == "refused"
    assert site.told == []


def test_a_platform_that_asks_again_holds_everything_until_it_is_answered(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    accepted(page, site)
    before = len(site.told)
    page.evaluate("localStorage.removeItem('platform')")
    page.goto(f"{site.url}/asked")
    page.wait_for_timeout(2300)
    page.goto(f"{site.url}/asked/again")
    page.wait_for_timeout(300)
    assert len(site.told) == before
    answer(page, tc_data(now_ms()))
    eventually(lambda: [one for one in site.events() if one["page"]["url"].endswith("/asked/again")])
    assert len(site.acts()) > 1


def test_a_late_platform_is_waited_for(page: Page, site: Site) -> None:
    with_tcf(site, late_ms=1200)
    page.goto(site.url)
    settle(page)
    page.wait_for_function("!!window.__tcfapi")
    page.wait_for_timeout(1000)
    answer(page, tc_data(now_ms()))
    eventually(site.events)
    page.goto(f"{site.url}/next")
    eventually(lambda: len(site.named("page_view")) == 2)
    assert [said["event_status"] for said in statements(site)] == ["useractioncomplete", "tcloaded"]


def test_after_two_seconds_the_stored_choice_speaks_alone(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    accepted(page, site)
    site.early = ""
    page.goto(f"{site.url}/next")
    page.wait_for_timeout(1000)
    assert len(site.named("page_view")) == 1
    eventually(lambda: len(site.named("page_view")) == 2)
    assert statements(site)[-1]["analytics_storage"] == "granted"
    assert "tc_string" not in statements(site)[-1]


def test_a_visitor_who_leaves_before_the_platform_spoke_is_not_lost(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    accepted(page, site)
    site.early = ""
    page.goto(f"{site.url}/next")
    settle(page)
    page.goto(f"{site.url}/plain")
    eventually(lambda: len(site.named("page_view")) == 2)


def test_what_is_read_can_be_chosen(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    site.further = ADAPTER.format(options=' data-read="consent-mode" data-layer="other"')
    page.goto(site.url)
    answer(page, tc_data(now_ms()))
    update(page, GRANTED)
    page.wait_for_timeout(300)
    assert site.told == []
    page.evaluate("other.push(['consent', 'update', { analytics_storage: 'granted' }])")
    eventually(site.events)
    assert "gdpr_applies" not in statements(site)[0]
    heard = {name: said for name, said in page.evaluate("sluis.platform()").items() if said is not None}
    assert heard == {"analytics_storage": True}


def test_an_old_answer_that_is_heard_for_the_first_time_after_a_withdrawal_does_not_revive_it(
    page: Page, site: Site
) -> None:
    """The page's own withdraw link was used before the platform had loaded, so the platform was never told."""
    page.goto(site.url)
    page.evaluate("data => localStorage.setItem('platform', JSON.stringify(data))", tc_data(now_ms()))
    page.evaluate("sluis.withdraw()")
    with_tcf(site)
    page.goto(f"{site.url}/next")
    page.wait_for_timeout(2300)
    assert choice_of(page)["v"] == "refused"
    assert site.acts() == []
    assert not {"sluis_id", "_fbp"} & cookies(page)
    page.evaluate("platform.show()")
    answer(page, tc_data(now_ms()))
    assert eventually(site.acts)[0].body["ad_storage"] == "granted", "a new answer is heard"
