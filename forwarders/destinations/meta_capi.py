"""Meta Conversions API for one dataset, website events.

Source: developers.facebook.com/docs/marketing-api/conversions-api (server event, customer information).
Rules that hold here:
- One event a request: Meta refuses a whole request for one bad event.
- Meta has no field for consent. Without ad_personalization an event goes out as `opt_out`: it measures and
  is not used to deliver advertisements.
- The IP address is never sent, and the token travels in a header, so that no log of addresses holds it.
- Limited Data Use is off: where it would apply, consent has decided before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import orjson

from collector.configuration import MetaSettings
from collector.intake.record import Record
from consent.kinds import KINDS
from consent.model import Purpose
from forwarders.contract import Answer, Delivery, Judgement, Skip
from forwarders.destinations.meta_capi_answers import judgement
from forwarders.destinations.meta_capi_custom_data import PURCHASE, custom_data

EVENT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "add_payment_info": "AddPaymentInfo",
        "add_to_cart": "AddToCart",
        "add_to_wishlist": "AddToWishlist",
        "begin_checkout": "InitiateCheckout",
        "contact": "Contact",
        "customize_product": "CustomizeProduct",
        "donate": "Donate",
        "find_location": "FindLocation",
        "generate_lead": "Lead",
        "page_view": "PageView",
        "purchase": PURCHASE,
        "schedule": "Schedule",
        "search": "Search",
        "sign_up": "CompleteRegistration",
        "start_trial": "StartTrial",
        "submit_application": "SubmitApplication",
        "subscribe": "Subscribe",
        "view_item": "ViewContent",
    },
)
"""GA4's names and Meta's standard events; any other name is sent as an event of the operator's own."""

MAX_NOTES = 25

_MAX_AGE_MS = int(KINDS["meta_capi"].max_age.total_seconds() * 1000)
_HASHED = ("em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country")
_TOO_LITTLE = (
    frozenset({"ct", "country", "st", "zp", "ge", "client_user_agent"}),
    frozenset({"db", "client_user_agent"}),
    frozenset({"fn", "ge"}),
    frozenset({"ln", "ge"}),
)
"""An event with nothing beyond one of these sets matches nobody: Meta refuses it ("Customer information")."""


@dataclass(frozen=True)
class MetaCapi:
    """One dataset. `browser_pixel` leaves external_id to the pixel of the page."""

    kind: ClassVar[str] = "meta_capi"

    name: str
    dataset_id: str
    access_token: str = field(repr=False)
    graph_version: str
    endpoint: str
    browser_pixel: bool = False
    test_event_code: str | None = None

    @classmethod
    def from_settings(cls, name: str, settings: MetaSettings) -> "MetaCapi":
        """The destination of one `[destination.NAME]`."""
        return cls(
            name,
            settings.dataset_id,
            "" if settings.access_token is None else settings.access_token.get_secret_value(),
            settings.graph_version,
            settings.endpoint,
            browser_pixel=settings.browser_pixel,
            test_event_code=settings.test_event_code or None,
        )

    @cached_property
    def _url(self) -> str:
        return f"{self.endpoint.rstrip('/')}/{self.graph_version}/{self.dataset_id}/events"

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        token = f"Bearer {self.access_token}"
        return MappingProxyType({"authorization": token, "content-type": "application/json"})

    def compose(self, record: Record, now_ms: int, /) -> Delivery | Skip:
        """One request with one event. An event from the future is dated now."""
        if now_ms - record.occurred_ms > _MAX_AGE_MS:
            return Skip.TOO_OLD
        user_data = _user_data(record, browser_pixel=self.browser_pixel)
        if any(user_data.keys() <= weak for weak in _TOO_LITTLE):
            return Skip.TOO_LITTLE_USER_DATA
        notes: list[str] = []
        name = EVENT_NAMES.get(record.name, record.name)
        custom = custom_data(name, record.properties, notes)
        if name == PURCHASE and "value" not in custom:
            return Skip.MISSING_VALUE
        event = _event(record, name, min(record.occurred_ms, now_ms) // 1000, notes)
        event["user_data"] = user_data
        if custom:
            event["custom_data"] = custom
        request: dict[str, Any] = {"data": [event]}
        if self.test_event_code:
            request["test_event_code"] = self.test_event_code
        noted = tuple(dict.fromkeys(notes))[:MAX_NOTES]
        return Delivery("POST", self._url, self._headers, orjson.dumps(request), noted)

    def judge(self, answer: Answer, /) -> Judgement:
        """By Meta's code and subcode where it says one, else by status."""
        return judgement(answer)


def _event(record: Record, name: str, time_s: int, notes: list[str]) -> dict[str, Any]:
    event: dict[str, Any] = {"event_name": name, "event_time": time_s, "action_source": "website"}
    if record.page_url:
        event["event_source_url"] = record.page_url
    else:
        notes.append("event_source_url: unknown, Meta asks for it with every website event")
    if record.page_referrer:
        event["referrer_url"] = record.page_referrer
    event["event_id"] = record.event_id
    if Purpose.AD_PERSONALIZATION not in record.granted:
        event["opt_out"] = True
    return event


def _user_data(record: Record, *, browser_pixel: bool) -> dict[str, Any]:
    """Whom Meta may match. Only the keys named here can leave, whatever a record holds."""
    user_data: dict[str, Any] = {}
    if record.match_keys and Purpose.AD_USER_DATA in record.granted:
        user_data = {key: record.match_keys[key] for key in _HASHED if record.match_keys.get(key)}
    if record.external_id and not browser_pixel:
        user_data["external_id"] = [record.external_id]
    if record.fbp:
        user_data["fbp"] = record.fbp
    if record.fbc:
        user_data["fbc"] = record.fbc
    if record.user_agent:
        user_data["client_user_agent"] = record.user_agent
    return user_data
