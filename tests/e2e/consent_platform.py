"""A consent platform for the tests of the adapter: it speaks TCF, GPP and Consent Mode and remembers its answer.

It is written after the published interfaces (IAB CMP API v2, IAB GPP CMP API 1.1, Google's consent commands) and is
driven by the test: `platform.answer(...)` is the visitor, in the banner.
"""

import base64
import json
import time
from typing import Any

from playwright.sync_api import Page

from tests.e2e.recording_site import Site

ADAPTER = '<script src="/sluis-cmp.js" defer{options}></script>'
PURPOSES = dict.fromkeys(map(str, range(1, 11)), True)
GRANTED: dict[str, str] = dict.fromkeys(
    ("ad_storage", "ad_user_data", "ad_personalization", "analytics_storage"), "granted"
)
DENIED = dict.fromkeys(GRANTED, "denied")
DAY_MS = 86_400_000

TCF = """
window.platform = window.platform || {};
(() => {
  const listeners = [];
  let now = { cmpStatus: "loading", gdprApplies: undefined };
  const kept = JSON.parse(localStorage.getItem("platform"));
  const tell = (change) => { now = { ...now, ...change }; listeners.forEach((one) => one({ ...now }, true)); };
  const start = () => {
    window.__tcfapi = (command, version, callback) => {
      if (command === "addEventListener") { listeners.push(callback); callback({ ...now }, true); }
    };
    Object.assign(platform, {
      tell,
      show: () => tell({ gdprApplies: true, eventStatus: "cmpuishown", tcString: "CBANNER" }),
      answer: (data) => {
        localStorage.setItem("platform", JSON.stringify(data));
        tell({ ...data, gdprApplies: true, eventStatus: "useractioncomplete" });
      },
    });
    OPENING
  };
  LATE ? setTimeout(start, LATE) : start();
})();
"""
OPENS = 'if (kept) tell({ ...kept, gdprApplies: true, eventStatus: "tcloaded" }); else platform.show();'
CONSENT_MODE = """
window.dataLayer = window.dataLayer || [];
function gtag() { dataLayer.push(arguments); }
gtag("consent", "default", DEFAULT);
"""
GPP = """
window.__gpp = (command, callback) => {
  window.tellGpp = (pingData, eventName = "signalStatus") => callback({ eventName, data: "ready", pingData }, true);
  callback({ eventName: "listenerRegistered", data: true, pingData: { signalStatus: "not ready" } }, true);
};
"""


def tc_string(updated_ms: int) -> str:
    """A TC string of which only version and dates mean something: what the adapter itself reads."""
    tenths = updated_ms // 100
    bits = f"{2:06b}{tenths:036b}{tenths:036b}".ljust(216, "0")
    return base64.urlsafe_b64encode(int(bits, 2).to_bytes(27)).decode()


def tc_data(updated_ms: int, *, purposes: Any = None, google: bool = True, additional: str = "2~35.89~dv.9") -> Any:
    """The visitor's answer as a platform hands it out; everything is agreed to unless said otherwise."""
    return {
        "tcString": tc_string(updated_ms),
        "purpose": {"consents": PURPOSES if purposes is None else purposes},
        "vendor": {"consents": {"755": google}},
        "addtlConsent": additional,
    }


def with_tcf(site: Site, *, late_ms: int = 0, opening: str = OPENS) -> None:
    """Every page has a platform that speaks TCF, at once or after some time."""
    site.early += TCF.replace("OPENING", opening).replace("LATE", str(late_ms))
    site.further = ADAPTER.format(options="")


def with_consent_mode(site: Site, default: dict[str, Any] = DENIED, options: str = "") -> None:
    """Every page speaks Consent Mode."""
    site.early += CONSENT_MODE.replace("DEFAULT", json.dumps(default))
    site.further = ADAPTER.format(options=options)


def with_gpp(site: Site) -> None:
    """Every page has a platform that speaks GPP."""
    site.early += GPP
    site.further = ADAPTER.format(options="")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def answer(page: Page, data: Any) -> None:
    """The visitor answers in the banner."""
    page.evaluate("data => platform.answer(data)", data)


def update(page: Page, purposes: dict[str, str]) -> None:
    """The platform tells Google's tags."""
    page.evaluate("purposes => gtag('consent', 'update', purposes)", purposes)


def cookies(page: Page) -> set[str]:
    """What the page sees of itself."""
    text: str = page.evaluate("document.cookie")
    return {part.partition("=")[0] for part in text.split("; ") if part}


def statements(site: Site) -> list[dict[str, Any]]:
    """The consent that events were sent with."""
    return [told.body["consent"] for told in site.told if told.path == "/v1/events"]
