"""One configuration, one visitor and one moment that the tests of intake share."""

from pathlib import Path
from typing import Any

import orjson

from collector.configuration import Settings
from collector.intake.admit import Admission
from collector.intake.batch import Latest, admit_body
from collector.intake.domains import DomainKeys, Roots
from collector.intake.event import read_json
from collector.intake.facts import Facts
from collector.intake.record import Record
from collector.intake.site import Site
from collector.settings import parse
from collector.store.keyring import EphemeralKeyRing
from collector.web.sites import Sites

NOW = "2026-11-21T10:00:00Z"
NOW_MS = 1_795_255_200_000
DAY_MS = 86_400_000
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
NAMES = ("ad_storage", "analytics_storage", "ad_user_data", "ad_personalization")
GRANTED: dict[str, Any] = dict.fromkeys(NAMES, "granted") | {"decided_at": "2026-11-21T09:58:00Z"}
DENIED: dict[str, Any] = dict.fromkeys(NAMES, "denied") | {"decided_at": "2026-11-21T09:58:00Z"}
GOOGLE_ONLY = GRANTED | {"recipients": {"google": {}}}
JANE = {"email": "jane.doe@example.com", "phone": "+32 2 555 12 12", "first_name": "Jane", "country": "be"}

CONFIG = """
[[site]]
id = "shop"
origins = ["https://shop.example", "https://www.shop.example"]
hosts = ["collect.shop.example"]
establishment = "BE"
consent_source = "page"
audience = "general"
default_country = "BE"
destinations = ["ga4", "meta"]
server_key = "key-of-the-shop"

[[site]]
id = "blog"
origins = ["https://blog.example"]
establishment = "BE"
consent_source = "recorded"
audience = "general"
destinations = ["ga4", "meta"]

[[site]]
id = "toys"
origins = ["https://toys.example"]
establishment = "BE"
consent_source = "page"
audience = "children"
destinations = ["ga4", "meta", "companion", "pixel", "trace"]
server_key = ""

[[site]]
id = "twins"
origins = ["https://twins.example"]
establishment = "BE"
consent_source = "page"
audience = "general"
destinations = ["ga4", "ga4_twin", "meta", "meta_twin"]

[[site]]
id = "club"
origins = ["https://club.example"]
establishment = "BE"
consent_source = "page"
audience = "general"
destinations = ["companion", "pixel", "trace"]

[destination.ga4]
kind = "ga4"
measurement_id = "G-TEST1"
api_secret = "ga4-secret-of-the-test"
identity = "keyed"

[destination.meta]
kind = "meta_capi"
dataset_id = "1234567890"
access_token = "meta-token-of-the-test"

[destination.ga4_twin]
kind = "ga4"
measurement_id = "G-TEST3"
api_secret = "ga4-secret-of-the-test"
identity = "keyed"

[destination.meta_twin]
kind = "meta_capi"
dataset_id = "1234567892"
access_token = "meta-token-of-the-test"

[destination.companion]
kind = "ga4"
measurement_id = "G-TEST2"
api_secret = "ga4-secret-of-the-test"
identity = "companion"

[destination.pixel]
kind = "meta_capi"
dataset_id = "1234567891"
access_token = "meta-token-of-the-test"
browser_pixel = true

[destination.trace]
kind = "stdout"
"""


def configured(toml: str = CONFIG) -> Settings:
    return parse(toml, Path("sluis.toml"), {})


def site(name: str = "shop") -> Site:
    return next(one for one in Sites(configured()).all if one.id == name)


def facts(received_ms: int = NOW_MS, **stated: Any) -> Facts:
    said: dict[str, Any] = {"user_agent": CHROME, "origin": "https://shop.example"} | stated
    return Facts(received_ms=received_ms, **said)


def event(**fields: Any) -> dict[str, Any]:
    """A page view of a visitor who granted everything, with other fields as said."""
    return {"name": "page_view", "event_id": "e1", "client_id": "123.456", "consent": GRANTED} | fields


class Door:
    """`admit` with keys that stay the same, so that answers can be compared."""

    def __init__(self, roots: Roots | None = None) -> None:
        self.keys = DomainKeys(roots or EphemeralKeyRing())

    def batch(
        self, body: Any, *, at: str = "shop", stated: Facts | None = None, latest: Latest | None = None
    ) -> list[Admission]:
        raw = read_json(orjson.dumps(body))
        return admit_body(raw, stated or facts(), site(at), self.keys, 200, latest).admissions

    def one(self, body: Any, *, at: str = "shop", stated: Facts | None = None) -> Admission:
        (admission,) = self.batch(body, at=at, stated=stated)
        return admission

    def record(self, body: Any, destination: str = "ga4", *, at: str = "shop", stated: Facts | None = None) -> Record:
        admission = self.one(body, at=at, stated=stated)
        return next(record for record in admission.records if record.destination == destination)
