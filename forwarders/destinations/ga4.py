"""GA4 Measurement Protocol for one web data stream.

Source: developers.google.com/analytics/devguides/collection/protocol/ga4/reference. Rules that hold here:
- The consent block is always explicit; without it GA4 would use what it remembers of the client.
- Neither IP address nor user agent is ever sent: `user_location` and `device` say what reports need, coarsely.
- GA4 gives no receipt: it answers 2xx to rubbish too. So every limit is kept before sending, with a note.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson

from collector.configuration import Ga4Settings
from collector.intake.event import RESERVED_NAMES
from collector.intake.record import Record
from consent.kinds import KINDS
from consent.model import Purpose
from forwarders.contract import Answer, Delivery, Judgement, Skip
from forwarders.destinations.ga4_params import event_params
from forwarders.destinations.ga4_values import Notes, is_name
from forwarders.destinations.http_answers import by_status

MAX_BODY = 130_000  # bytes; "smaller than 130 kB"
MAX_USER_ID = 256
MAX_NOTES = 25

_MAX_AGE_MS = int(KINDS["ga4"].max_age.total_seconds() * 1000)
_HEADERS: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})


@dataclass(frozen=True)
class Ga4:
    """One stream. The API secret travels in the query, where Google wants it, and in no repr."""

    kind: ClassVar[str] = "ga4"

    name: str
    measurement_id: str
    api_secret: str = field(repr=False)
    endpoint: str

    @classmethod
    def from_settings(cls, name: str, settings: Ga4Settings) -> "Ga4":
        """The destination of one `[destination.NAME]`."""
        secret = "" if settings.api_secret is None else settings.api_secret.get_secret_value()
        return cls(name, settings.measurement_id, secret, settings.endpoint)

    @cached_property
    def _url(self) -> str:
        query = {"measurement_id": self.measurement_id, "api_secret": self.api_secret}
        return f"{self.endpoint}?{urlencode(query)}"

    def compose(self, record: Record, now_ms: int, /) -> Delivery | Skip:
        """One request with one event. An event from the future is dated now: GA4 takes the past only."""
        if not record.client_id:
            return Skip.NO_CLIENT_ID
        if now_ms - record.occurred_ms > _MAX_AGE_MS:
            return Skip.TOO_OLD
        if record.name in RESERVED_NAMES or not is_name(record.name):
            return Skip.NAME_NOT_ALLOWED
        notes: Notes = []
        envelope = _envelope(record, min(record.occurred_ms, now_ms), notes)
        params = event_params(record, notes)
        envelope["events"] = [{"name": record.name, "params": params}]
        body = orjson.dumps(envelope)
        if len(body) >= MAX_BODY:
            body = _shortened(envelope, params, notes)
        return Delivery("POST", self._url, _HEADERS, body, tuple(dict.fromkeys(notes))[:MAX_NOTES])

    def judge(self, answer: Answer, /) -> Judgement:
        """By status alone: the body is always empty."""
        return by_status(answer)


def _envelope(record: Record, time_ms: int, notes: Notes) -> dict[str, Any]:
    """Everything but the event, in a stable order."""
    granted = record.granted
    envelope: dict[str, Any] = {"client_id": record.client_id}
    if record.user_id and len(record.user_id) <= MAX_USER_ID:
        envelope["user_id"] = record.user_id
    elif record.user_id:
        notes.append(f"user_id: dropped, longer than {MAX_USER_ID} characters it would be another person's")
    envelope["timestamp_micros"] = time_ms * 1000
    if record.country:
        envelope["user_location"] = {"country_id": record.country}
    if record.language:
        envelope["device"] = {"language": record.language, **record.device}
    elif record.device:
        envelope["device"] = record.device
    if record.match_keys and Purpose.AD_USER_DATA in granted:
        envelope["user_data"] = record.match_keys
    envelope["consent"] = {
        "ad_user_data": "GRANTED" if Purpose.AD_USER_DATA in granted else "DENIED",
        "ad_personalization": "GRANTED" if Purpose.AD_PERSONALIZATION in granted else "DENIED",
    }
    return envelope


def _shortened(envelope: Mapping[str, Any], params: dict[str, Any], notes: Notes) -> bytes:
    """Halve the items until the body fits: nothing else can make it that large."""
    body = orjson.dumps(envelope)
    while len(body) >= MAX_BODY and (kept := params.get("items")):
        params["items"] = kept[: len(kept) // 2]
        if len(kept) == 1:
            del params["items"]
        body = orjson.dumps(envelope)
    notes.append(f"items: cut to {len(params.get('items', ()))}, a request stays under {MAX_BODY // 1000} kB")
    return body
