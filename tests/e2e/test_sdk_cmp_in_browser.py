"""The adapter for consent platforms in a real browser: what it hears, and what becomes of it."""

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.browser import a_browser, kept
from tests.e2e.consent_platform import (
    ADAPTER,
    DAY_MS,
    DENIED,
    GRANTED,
    PURPOSES,
    answer,
    cookies,
    now_ms,
    statements,
    tc_data,
    tc_string,
    update,
    with_consent_mode,
    with_gpp,
    with_tcf,
)
from tests.e2e.recording_site import Site
from tests.e2e.sdk_visitor import ACCEPT, IDENTIFIERS, a_page, a_site, choice_of, decide, settle, track
from tests.support.patience import eventually

pytestmark = pytest.mark.browser

browser = pytest.fixture(scope="module")(a_browser)
site = pytest.fixture(a_site)
page = pytest.fixture(a_page)

VECTORS = Path(__file__).parents[1] / "fixtures" / "vectors" / "consent_misc.json"
ADS_GRANTED = {name: answer for name, answer in GRANTED.items() if name != "analytics_storage"}


def test_an_open_question_is_no_answer(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site, GRANTED)
    page.goto(f"{site.url}/?fbclid=AbC")
    update(page, GRANTED)
    track(page, "view_item")
    page.wait_for_timeout(2300)
    assert site.told == []
    assert cookies(page) == set()


def test_an_answer_is_one_act_with_its_strings_and_the_strings_stay_out_of_the_cookies(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    page.goto(f"{site.url}/?fbclid=AbC")
    data = tc_data(now_ms())
    page.evaluate(
        "([data, purposes]) => { platform.answer(data); gtag('consent', 'update', purposes) }", [data, GRANTED]
    )
    landing = eventually(lambda: site.named("page_view"))[0]
    (act,) = [told.body for told in site.acts()]
    assert {name: act[name] for name in GRANTED} == GRANTED
    assert act["recipients"] == {"google": {}, "meta": {"analytics_storage": "denied"}}
    for said in (act, *statements(site)):
        assert (said["tc_string"], said["gdpr_applies"]) == (data["tcString"], True)
        assert (said["event_status"], said["additional_consent"]) == ("useractioncomplete", "2~35.89~dv.9")
    assert landing["client_id"] == kept(page.context)["sluis_id"]
    assert landing["context"]["fbc"].endswith(".AbC")
    assert cookies(page) == {"sluis_choice", "sluis_cmp", *IDENTIFIERS}
    assert data["tcString"] not in page.evaluate("document.cookie")


def test_the_same_answer_on_the_next_page_is_no_new_act_and_goes_along(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    page.goto(site.url)
    answer(page, tc_data(now_ms()))
    update(page, GRANTED)
    eventually(site.events)
    decided = choice_of(page)["c"]["decided_at"]
    acts = len(site.acts())
    site.early += f"gtag('consent', 'update', {GRANTED});"
    for path in ("/two", "/three"):
        page.goto(f"{site.url}{path}")
        eventually(lambda path=path: [one for one in site.events() if one["page"]["url"].endswith(path)])
    assert len(site.acts()) == acts
    assert choice_of(page)["c"]["decided_at"] == decided
    assert [said["event_status"] for said in statements(site)][-2:] == ["tcloaded", "tcloaded"]
    assert statements(site)[-1]["tc_string"] == statements(site)[0]["tc_string"]


def test_tcf_says_nothing_of_statistics(page: Page, site: Site) -> None:
    with_tcf(site)
    page.goto(f"{site.url}/?fbclid=AbC")
    answer(page, tc_data(now_ms()))
    event = eventually(site.events)[0]
    assert "analytics_storage" not in statements(site)[0]
    assert "client_id" not in event
    assert cookies(page) == {"sluis_choice", "sluis_cmp", "_fbp", "_fbc"}


@pytest.mark.parametrize("additional", ["2~35~dv.89", "1~35.890", "3~89", "2~89", ""])
def test_google_yes_and_meta_no(page: Page, site: Site, additional: str) -> None:
    with_tcf(site)
    page.goto(f"{site.url}/?fbclid=AbC")
    answer(page, tc_data(now_ms(), additional=additional))
    eventually(site.events)
    act = site.acts()[0].body
    assert {name: act[name] for name in ADS_GRANTED} == ADS_GRANTED
    assert act["recipients"] == {"google": {}}
    assert cookies(page) == {"sluis_choice", "sluis_cmp"}


def test_additional_consent_is_read_as_the_collector_reads_it(page: Page, site: Site) -> None:
    with_tcf(site)
    page.goto(site.url)
    misc = json.loads(VECTORS.read_text("utf-8"))
    expected = {one["addtl_consent"]: one["meta_89_consented"] for one in misc["ac_string"]}
    expected |= dict.fromkeys(misc["ac_string_invalid"], False)
    heard = page.evaluate(
        """([data, texts]) => texts.map((addtlConsent) => {
             platform.tell({ ...data, addtlConsent, gdprApplies: true, eventStatus: "tcloaded" });
             return sluis.platform()["meta.ad_storage"]; })""",
        [tc_data(now_ms()), list(expected)],
    )
    assert dict(zip(expected, heard, strict=True)) == expected


def test_meta_yes_and_google_no(page: Page, site: Site) -> None:
    with_tcf(site)
    page.goto(site.url)
    answer(page, tc_data(now_ms(), google=False, additional="1~89"))
    eventually(site.events)
    assert site.acts()[0].body["recipients"] == {"meta": {}}
    assert "_fbp" in cookies(page)


def test_each_purpose_has_its_own_iab_purposes(page: Page, site: Site) -> None:
    with_tcf(site)
    page.goto(site.url)
    answer(page, tc_data(now_ms(), purposes={**PURPOSES, "4": False}))
    eventually(site.events)
    act = site.acts()[0].body
    assert [act[name] for name in ADS_GRANTED] == ["granted", "granted", "denied"]
    assert act["recipients"] == {"google": {}}


def test_a_publisher_may_restrict_google(page: Page, site: Site) -> None:
    with_tcf(site)
    page.goto(site.url)
    answer(page, {**tc_data(now_ms()), "publisher": {"restrictions": {"7": {"755": 2}, "1": {"755": 1}}}})
    eventually(site.events)
    assert site.acts()[0].body["recipients"] == {"google": {"ad_user_data": "denied"}, "meta": {}}


def test_whether_the_gdpr_applies_has_to_be_known(page: Page, site: Site) -> None:
    with_tcf(site, opening="")
    page.goto(site.url)
    data = tc_data(now_ms())
    page.evaluate("data => platform.tell({ ...data, eventStatus: 'tcloaded' })", data)
    settle(page)
    assert site.told == []
    assert cookies(page) == set()
    page.evaluate("platform.tell({ gdprApplies: true })")
    eventually(site.events)
    assert statements(site)[0]["gdpr_applies"] is True


def test_where_the_gdpr_does_not_apply_consent_mode_speaks_alone(page: Page, site: Site) -> None:
    with_tcf(site, opening="tell({ gdprApplies: false });")
    with_consent_mode(site)
    page.goto(site.url)
    update(page, GRANTED)
    eventually(site.events)
    assert statements(site)[0]["gdpr_applies"] is False
    assert "tc_string" not in statements(site)[0]
    assert site.acts()[0].body["recipients"] == {"google": {}}


def test_a_default_never_grants(page: Page, site: Site) -> None:
    with_consent_mode(site, GRANTED)
    site.early += f"gtag('consent', 'default', {{...{GRANTED}, region: ['BE']}});"
    page.goto(site.url)
    page.evaluate("dataLayer.push({ event: 'consent', update: 'granted' })")
    page.wait_for_timeout(2300)
    assert site.told == []
    assert cookies(page) == set()


def test_consent_mode_is_for_google_unless_the_site_says_whom_its_banner_names(page: Page, site: Site) -> None:
    with_consent_mode(site)
    page.goto(site.url)
    update(page, {**GRANTED, "security_storage": "granted"})
    eventually(site.events)
    assert site.acts()[0].body["recipients"] == {"google": {}}
    assert cookies(page) == {"sluis_choice", "sluis_cmp", "sluis_id", "sluis_session"}
    page.context.clear_cookies()
    site.further = ADAPTER.format(options=' data-recipients="google meta" data-notice-version="4"')
    page.goto(site.url)
    update(page, GRANTED)
    act = eventually(lambda: site.acts()[1:])[0].body
    assert (act["recipients"], act["notice_version"]) == ({"google": {}, "meta": {}}, "4")
    assert cookies(page) >= {"_fbp"}


def test_consent_mode_denies_what_tcf_would_permit(page: Page, site: Site) -> None:
    with_tcf(site)
    with_consent_mode(site)
    page.goto(site.url)
    update(page, {**DENIED, "analytics_storage": "granted"})
    answer(page, tc_data(now_ms()))
    eventually(site.events)
    act = site.acts()[0].body
    assert {name: act[name] for name in GRANTED} == {**DENIED, "analytics_storage": "granted"}
    assert cookies(page) == {"sluis_choice", "sluis_cmp", "sluis_id", "sluis_session"}


def test_the_site_may_ask_for_statistics_itself(page: Page, site: Site) -> None:
    with_tcf(site)
    page.goto(site.url)
    answer(page, tc_data(now_ms()))
    eventually(site.events)
    decide(page, {"analytics_storage": "granted"})
    act = eventually(lambda: site.acts()[1:])[0].body
    assert {name: act[name] for name in GRANTED} == GRANTED
    page.goto(f"{site.url}/next")
    eventually(lambda: len(site.named("page_view")) == 2)
    assert len(site.acts()) == 2
    assert cookies(page) >= {"sluis_id", "_fbp"}


def test_gpp_goes_along_and_an_opt_out_takes_advertising_away(page: Page, site: Site) -> None:
    with_gpp(site)
    page.goto(site.url)
    decide(page, ACCEPT)
    page.evaluate(
        "tellGpp({ signalStatus: 'ready', gppString: 'DBABLA~IN', applicableSections: [7],"
        " parsedSections: { usnat: [{ SaleOptOutNotice: 1, SaleOptOut: 2 }] } })"
    )
    eventually(site.events)
    assert [statements(site)[0][name] for name in ("gpp_string", "gpp_sid")] == ["DBABLA~IN", [7]]
    assert "_fbp" in cookies(page)
    page.evaluate(
        "tellGpp({ signalStatus: 'ready', gppString: 'DBABLA~OUT', applicableSections: [7],"
        " parsedSections: { usnat: [{ SaleOptOut: 1 }] } })"
    )
    act = eventually(lambda: site.acts()[1:])[-1].body
    assert (act["gpp_string"], act["ad_storage"], act["analytics_storage"]) == ("DBABLA~OUT", "denied", "granted")
    assert cookies(page) == {"sluis_choice", "sluis_cmp", "sluis_id", "sluis_session"}


def test_a_choice_that_the_platform_had_is_dated_by_its_string(page: Page, site: Site) -> None:
    with_tcf(site)
    page.goto(f"{site.url}/plain")
    noon_100_days_ago = (now_ms() // DAY_MS - 100) * DAY_MS + DAY_MS // 2
    keep = "data => localStorage.setItem('platform', JSON.stringify(data))"
    page.evaluate(keep, tc_data(noon_100_days_ago))
    page.goto(site.url)
    act = eventually(site.acts)[0].body
    assert act["decided_at"] == time.strftime(
        "%Y-%m-%dT%H:%M:%S.000Z", time.gmtime((noon_100_days_ago + DAY_MS) // 1000)
    )
    assert act["tc_string"] == tc_string(noon_100_days_ago)
    page.context.clear_cookies()
    page.goto(f"{site.url}/plain")
    page.evaluate(keep, tc_data(now_ms() - 200 * DAY_MS))
    before = len(site.told)
    page.goto(site.url)
    page.wait_for_timeout(500)
    assert len(site.told) == before
    assert cookies(page) == set()
