"""A visitor's device in GA4's `device` shape, as coarse as reports allow, and crawlers that say what they are.

Vendors get families and major versions instead of the user agent, which is close to a fingerprint. What is not
known is left out, and so is a version that browsers froze: "Windows NT 10.0", "Mac OS X 10_15_7",
"Android 10; K" and, since Safari 26, "iPhone OS 18" say nothing about the device any more.
Both answers are memoised: one user agent is shared by many visitors, and unlike contact data it names nobody.
The memory is bounded in entries, and in length because only the first 256 characters are looked at.

Shape: GA4 Measurement Protocol reference, `device`. Words: those of GA4's reports, where they have one.
"""

import re
from functools import lru_cache
from typing import Final

_MAX_LENGTH: Final = 256
_MEMO: Final = 4096
_MAX_LANGUAGE: Final = 35  # characters that a tag may have (RFC 5646, 4.4.1); the first is what is read
_VERSION_DIGITS: Final = 4

# Ordered: the first that matches names the browser, because nearly all also claim to be Chrome or Safari.
# Group 1, where there is one, is the major version.
_BROWSERS: Final = tuple(
    (family, re.compile(pattern, re.ASCII))
    for family, pattern in (
        ("Facebook", r"\bFB(?:AN|_IAB)/.*?\bFBAV/(\d+)"),
        ("Facebook", r"\bFB(?:AN|AV|_IAB)/"),
        ("Instagram", r"\bInstagram (\d+)"),
        ("Pinterest", r"\[Pinterest/"),
        ("LinkedIn", r"\bLinkedInApp\b(?:/(\d+))?"),
        ("TikTok", r"\b(?:musical_ly|trill|BytedanceWebview|TikTok)[_/ ](\d+)?"),
        ("Snapchat", r"\bSnapchat/(\d+)"),
        ("Google app", r"\bGSA/(\d+)"),
        ("Edge", r"\b(?:Edg|EdgA|EdgiOS|Edge)/(\d+)"),
        ("Opera Mini", r"\bOpera Mini/(\d+)"),
        ("Opera", r"\b(?:OPR|OPiOS|OPT|OPX)/(\d+)"),
        ("Opera", r"^Opera/.*\bVersion/(\d+)"),
        ("Opera", r"\bOpera[ /](\d+)"),
        ("Samsung Internet", r"\bSamsungBrowser/(\d+)"),
        ("YaBrowser", r"\bYaBrowser/(\d+)"),
        ("UC Browser", r"\bUC ?Browser/(\d+)"),
        ("Vivaldi", r"\bVivaldi/(\d+)"),
        ("DuckDuckGo", r"\b(?:DuckDuckGo|Ddg)/(\d+)"),
        ("Huawei Browser", r"\bHuaweiBrowser/(\d+)"),
        ("Mi Browser", r"\bMiuiBrowser/(\d+)"),
        ("Amazon Silk", r"\bSilk/(\d+)"),
        ("Firefox", r"\b(?:Firefox|FxiOS)/(\d+)"),
        ("Internet Explorer", r"\bMSIE (\d+)"),
        ("Internet Explorer", r"\bTrident/.*\brv:(\d+)"),
        ("Android Webview", r"; wv\).*\bChrome/(\d+)"),
        ("Chrome", r"(?:\b|Headless)(?:Chrome|CriOS|Chromium)/(\d+)"),
        ("Android Browser", r"\bAndroid\b.*\bVersion/(\d+).*\bSafari/"),
        ("Safari", r"\bVersion/(\d+).*\bSafari/"),
        ("Safari (in-app)", r"\b(?:iPhone|iPad|iPod)\b.*\bAppleWebKit/"),
    )
)

_OPERATING_SYSTEMS: Final = tuple(
    (family, re.compile(pattern, re.ASCII))
    for family, pattern in (
        ("Windows Phone", r"\bWindows Phone(?: OS)? (\d+)"),
        ("iOS", r"\b(?:iPhone|iPad|iPod)\b.*? OS (\d+)_"),
        ("iOS", r"\b(?:iPhone|iPad|iPod)\b"),
        ("Tizen", r"\bTizen (\d+)"),
        ("Web OS", r"\bWeb0S\b|\bwebOS\b"),
        ("KaiOS", r"\bKAIOS/(\d+)"),
        ("Harmony OS", r"\b(?:OpenHarmony|HarmonyOS) (\d+)"),
        ("Android", r"\bAndroid (?!10; K\))(\d+)"),
        ("Android", r"\bAndroid\b"),
        ("Chrome OS", r"\bCrOS\b"),
        ("Windows", r"\bWindows\b"),
        ("Macintosh", r"\bMac OS X\b|\bMacintosh\b"),
        ("Linux", r"\bLinux\b|\bX11\b"),
    )
)
_WINDOWS_VERSIONS: Final = (("Windows NT 6.1", "7"), ("Windows NT 6.2", "8"), ("Windows NT 6.3", "8"))
_FROZEN_IOS: Final = 18

_TELEVISION: Final = re.compile(
    r"\bTV\b|SmartTV|SMART-TV|HbbTV|AppleTV|Web0S|BRAVIA|\bAFT\w+|CrKey|Roku|PlayStation|Xbox|Nintendo"
)
_TABLET: Final = re.compile(
    r"\biPad\b|\bTablet\b(?! PC)|\bPlayBook\b|\bKindle\b|^(?!.*(?:\bMobi|\bOpera Mini\b)).*\bAndroid\b"
)
_MOBILE: Final = re.compile(r"\bMobi|\biPhone\b|\biPod\b|\bOpera Mini\b|\bKAIOS\b|\bWindows Phone\b")
_DESKTOPS: Final = frozenset({"Windows", "Macintosh", "Linux", "Chrome OS"})

_LANGUAGE: Final = re.compile(r"\s*(?!und\b)([A-Za-z]{2,3})(?![A-Za-z0-9])", re.ASCII | re.IGNORECASE)

# Those that declare themselves: "...bot" as the end of a word (not the phones of the brand Cubot), the words for
# crawling, the address of a page about the crawler ("+https://..."), and the known ones that have neither.
# Tools that merely are no browser (curl, HeadlessChrome) declare nothing and are judged elsewhere.
_DECLARED_BOT: Final = re.compile(
    r"""(?<!cu)bot(?![a-z]) | crawl | spider | slurp | \+https?:// | facebookexternalhit | facebookcatalog
      | meta-external | mediapartners-google | apis-google | feedfetcher | googleother
      | google-(?:inspection|read|safety) | chrome-lighthouse | bingpreview | ia_archiver | ^whatsapp/
      | embedly | vkshare | w3c_validator | (?:chatgpt|perplexity|claude|mistralai)-user | gtmetrix
      | statuscake | pingdom | site24x7 | newrelicpinger""",
    re.IGNORECASE | re.VERBOSE,
)


def coarse_device(user_agent: str, language: str) -> dict[str, str]:
    """GA4's `device`: category, operating_system(_version), browser(_version), language; unknown parts left out.

    category is desktop, mobile or tablet; versions are majors; language is the primary tag ("nl-BE" is "nl",
    of an Accept-Language header the first). The same answer is given again and must not be changed.
    """
    return _coarse(user_agent[:_MAX_LENGTH], language[:_MAX_LANGUAGE])


@lru_cache(maxsize=_MEMO)
def _coarse(user_agent: str, language: str) -> dict[str, str]:
    device = dict(_described(user_agent))
    if primary := _primary(language):
        device["language"] = primary
    return device


def primary_language(language: str) -> str:
    """The primary tag of a language or of an Accept-Language header, in lower case; empty if there is none."""
    return _primary(language[:_MAX_LANGUAGE])


@lru_cache(maxsize=_MEMO)
def _primary(language: str) -> str:
    found = _LANGUAGE.match(language)
    return found[1].lower() if found else ""


def is_declared_bot(user_agent: str) -> bool:
    """Whether the user agent says that it is a crawler, a link preview or a monitor."""
    return _declares_itself(user_agent[:_MAX_LENGTH])


@lru_cache(maxsize=_MEMO)
def _declares_itself(user_agent: str) -> bool:
    return _DECLARED_BOT.search(user_agent) is not None


def _described(user_agent: str) -> tuple[tuple[str, str], ...]:
    system, system_version = _first(_OPERATING_SYSTEMS, user_agent)
    browser, browser_version = _first(_BROWSERS, user_agent)
    parts = (
        ("category", _category(user_agent, system)),
        ("operating_system", system),
        ("operating_system_version", _told_version(user_agent, system, system_version)),
        ("browser", browser),
        ("browser_version", browser_version),
    )
    return tuple((name, value) for name, value in parts if value)


def _first(table: tuple[tuple[str, re.Pattern[str]], ...], user_agent: str) -> tuple[str, str]:
    for family, pattern in table:
        if match := pattern.search(user_agent):
            version: str = (match[1] or "") if pattern.groups else ""
            return family, version if len(version) <= _VERSION_DIGITS else ""
    return "", ""


def _told_version(user_agent: str, system: str, version: str) -> str:
    """The major version where the user agent still tells the truth about it."""
    if system == "Windows":
        return next((told for sign, told in _WINDOWS_VERSIONS if sign in user_agent), "")
    if system == "iOS" and version and int(version) >= _FROZEN_IOS:
        # Only Safari itself says in another place which system it came with.
        return version if f"Version/{version}." in user_agent else ""
    return version


def _category(user_agent: str, system: str) -> str:
    if _TELEVISION.search(user_agent):
        return ""
    if _TABLET.search(user_agent):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    return "desktop" if system in _DESKTOPS else ""
