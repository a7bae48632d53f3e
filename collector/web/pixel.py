"""`GET /v1/pixel.gif`: the same event as query parameters, for pages without scripts.

Nested fields are written with dots: `page.url=...&properties.value=59.9&consent.ad_storage=granted`. Below
`properties`, numbers and truth values are read as such and a list or an object may be written as JSON
(`properties.items=[...]`); so may `consent.recipients` and `consent.gpp_sid`. A moment of digits is epoch milliseconds.
All else is text. `user` and `user_id` are refused: a query ends up in the logs of every proxy on the way.
A HEAD request gets the image's headers, and nothing is taken.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.intake.event import NotJson, read_json
from collector.web.answers import Refusal, headers_of
from collector.web.ingest import facts_of
from collector.web.intake_desk import IntakeDesk
from collector.web.routes import guarded
from collector.web.sites import Found
from collector.web.whereabouts import Whereabouts

GIF: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")  # within 2^53; more digits are text
_DIGITS: Final = re.compile(r"[0-9]{1,15}")  # more is no moment, and stays text
_MOMENTS: Final = ("timestamp", "consent.decided_at")
_TYPED: Final = ("properties.", "consent.gpc", "consent.gpp_sid", "consent.gdpr_applies", "consent.recipients")


@dataclass(frozen=True, slots=True)
class Pixel:
    """The route and the desk behind it."""

    desk: IntakeDesk
    where: Whereabouts

    def route(self) -> Route:
        """Route for the application."""
        return Route("/v1/pixel.gif", self.take, methods=["GET"])

    @guarded
    async def take(self, request: Request, found: Found) -> Response:
        """Take one event; the answer is an image, its headers say what became of the event."""
        if request.method == "HEAD":
            return Response(GIF, media_type="image/gif", headers={"cache-control": "no-store"})
        event = _event(list(request.query_params.multi_items()))
        try:
            body = read_json(orjson.dumps(event))
        except (NotJson, orjson.JSONEncodeError):
            raise Refusal(400, "not_unicode", "The query is not Unicode, or is nested too deeply.") from None
        headers, peer = headers_of(request.scope), request.client
        regions = self.where.regions(headers, None if peer is None else peer.host)
        facts = facts_of(headers, found.origin, self.desk.now_ms(), regions)
        (result,) = await self.desk.take(body, facts, found.site)
        told = {"cache-control": "no-store", "sluis-outcome": result["outcome"], "sluis-durability": "fsync"}
        if result["reason"]:
            told["sluis-reason"] = result["reason"].encode("ascii", "replace").decode()
        return Response(GIF, media_type="image/gif", headers=told)


def _event(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, text in pairs:
        path = name.split(".", 2)
        if path[0] in ("user", "user_id"):
            raise Refusal(400, "field_not_allowed", f"{path[0]} may not travel in a query; use POST /v1/events.")
        parent = event
        for step in path[:-1]:
            parent = parent.setdefault(step, {})
            if not isinstance(parent, dict):
                raise Refusal(400, "bad_query", "A parameter is both a value and a group of values.")
        parent[path[-1]] = _value(name, text)
    return event


def _value(name: str, text: str) -> Any:
    if name in _MOMENTS and _DIGITS.fullmatch(text):
        return int(text)
    if not name.startswith(_TYPED):
        return text
    if _NUMBER.fullmatch(text):
        return json.loads(text)
    if text[:1] in ("[", "{") or text in ("true", "false"):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return text
