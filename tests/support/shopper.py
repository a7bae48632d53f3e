"""What a visitor of the demo site posts: choices and purchases, as a page would send them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

ADS = ("ad_storage", "ad_user_data", "ad_personalization")
ASKED = ("analytics_storage", *ADS)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def moment(ago_s: float = 0.0) -> str:
    """RFC 3339, so many seconds ago."""
    return (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat()


def choice(*granted: str, ago_s: float = 60.0, **more: Any) -> dict[str, Any]:
    """A visitor's act: these purposes and no others."""
    said = {purpose: "granted" if purpose in granted else "denied" for purpose in ASKED}
    return {**said, "decided_at": moment(ago_s), **more}


def accepted(ago_s: float = 60.0) -> dict[str, Any]:
    return choice(*ASKED, ago_s=ago_s)


def refused() -> dict[str, Any]:
    return choice()


def google_only() -> dict[str, Any]:
    """Every purpose, and for Google alone."""
    return choice(*ASKED, recipients={"google": dict.fromkeys(ASKED, "granted")})


def a_visitor() -> str:
    """A client id nobody had before."""
    return f"visitor-{uuid4().hex}"


def purchase(**changes: Any) -> dict[str, Any]:
    """A purchase of one umbrella by a new visitor who said nothing about consent."""
    event_id = uuid4().hex
    bought = {
        "event_id": event_id,
        "name": "purchase",
        "client_id": a_visitor(),
        "session_id": "1763",
        "page": {"url": "https://shop.example.com/thanks?utm_source=letter&voucher=V1", "title": "Thank you"},
        "user": {"email": " Jane.Doe@Example.com ", "phone": "+32 2 555 12 34"},
        "properties": {
            "transaction_id": f"order-{event_id[:8]}",
            "value": 59.9,
            "currency": "EUR",
            "items": [{"item_id": "umbrella", "item_name": "Umbrella", "price": 59.9, "quantity": 1}],
        },
        "context": {"user_agent": BROWSER, "language": "nl-BE"},
    }
    return {**bought, **changes}
