"""The visitors of the bench: what they send, as bytes that are ready before the clock starts.

Every event has an id of its own (from the run's seed), a current timestamp and a visitor who granted everything,
so that the collector has to do all of its work for it: two records, two sealings, a row in the ledger.
A single event comes from a visitor of its own, so that nothing remembered of one helps with the next. Requests
carry the headers the collector reads and no others: a browser's ten more would cost both servers the same, and
flatter the ratio.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import orjson

PATH: Final = "/v1/events"
BATCH: Final = 20
_CHOSE_AGO: Final = timedelta(minutes=2)
_USER_AGENT: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
_WALK: Final = ("page_view", "view_item", "page_view", "add_to_cart", "page_view")

Body = Callable[[Random, datetime], dict[str, Any]]


def seeded(seed: int) -> Random:
    """Where ids and choices of a run come from; the same seed gives the same again."""
    return Random(seed)


def visitor(rng: Random, now: datetime) -> dict[str, Any]:
    """A visitor's identifiers and choice, as fields of an event: `client_id`, `session_id`, `consent`."""
    chose = now - _CHOSE_AGO
    return {
        "client_id": f"{rng.randrange(10**9, 2 * 10**9)}.{int(chose.timestamp())}",
        "session_id": str(int(chose.timestamp())),
        "consent": {
            "ad_storage": "granted",
            "analytics_storage": "granted",
            "ad_user_data": "granted",
            "ad_personalization": "granted",
            "origin": "choice",
            "decided_at": moment(chose),
            "choice_id": f"{chose:%Y%m%d}.{rng.getrandbits(96):024x}",
        },
    }


def purchase(rng: Random, now: datetime) -> dict[str, Any]:
    """One purchase of one new visitor."""
    return {
        "event_id": f"{rng.getrandbits(128):032x}",
        "name": "purchase",
        "timestamp": moment(now),
        **visitor(rng, now),
        "page": {
            "url": "https://shop.example/thanks?utm_source=newsletter&step=4",
            "referrer": "https://shop.example/checkout",
            "title": "Thank you",
        },
        "properties": {
            "currency": "EUR",
            "value": 59.9,
            "transaction_id": f"T{rng.getrandbits(48):012x}",
            "items": [{"item_id": "SKU1", "item_name": "Shirt", "price": 29.95, "quantity": 2}],
        },
        "context": {"language": "nl-BE", "fbp": f"fb.1.{int(now.timestamp() * 1000)}.{rng.getrandbits(31)}"},
    }


def purchase_with_contact_data(rng: Random, now: datetime) -> dict[str, Any]:
    """The same with what a checkout knows: five fields to normalise and hash, for two vendors."""
    user = {
        "email": f"jane.doe.{rng.getrandbits(40):x}@example.com",
        "phone": "+44 20 7946 0958",
        "first_name": "Jane",
        "last_name": "Doe",
        "country": "GB",
    }
    return {**purchase(rng, now), "user": user}


def walk(rng: Random, now: datetime) -> dict[str, Any]:
    """A batch: 20 distinct events of one visitor who looks around and fills a basket."""
    who = visitor(rng, now)
    consent = who.pop("consent")
    return {
        "consent": consent,
        "context": {"language": "nl-BE", "fbp": f"fb.1.{int(now.timestamp() * 1000)}.{rng.getrandbits(31)}"},
        "events": [_step(rng, now, who, number) for number in range(BATCH)],
    }


def _step(rng: Random, now: datetime, who: dict[str, Any], number: int) -> dict[str, Any]:
    name = _WALK[number % len(_WALK)]
    sku = f"SKU{number}"
    seen = {
        "currency": "EUR",
        "value": 29.95,
        "items": [{"item_id": sku, "item_name": "Shirt", "price": 29.95, "quantity": 1}],
    }
    return {
        "event_id": f"{rng.getrandbits(128):032x}",
        "name": name,
        "timestamp": moment(now + timedelta(milliseconds=number)),
        **who,
        "page": {"url": f"https://shop.example/{sku}", "referrer": "https://shop.example/", "title": "Shirts"},
        "properties": {} if name == "page_view" else seen,
    }


def requests(count: int, body: Body, rng: Random, origin: str) -> list[bytes]:
    """`count` whole HTTP requests, each with a body of its own, for a server at `origin`."""
    now = datetime.now(UTC)
    return [request(orjson.dumps(body(rng, now)), origin) for _ in range(count)]


def request(body: bytes, origin: str) -> bytes:
    """One HTTP/1.1 request as a page of `origin` would post it to its own collector."""
    head = (
        f"POST {PATH} HTTP/1.1\r\n"
        f"Host: {origin.partition('://')[2]}\r\n"
        f"User-Agent: {_USER_AGENT}\r\n"
        "Accept-Language: nl-BE,nl;q=0.9\r\n"
        "Content-Type: text/plain;charset=UTF-8\r\n"
        f"Origin: {origin}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def moment(when: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond, as JavaScript's toISOString writes it."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
