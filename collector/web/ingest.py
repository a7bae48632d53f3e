"""`POST /v1/events`: the hot path, a pure ASGI route in front of Starlette.

site? -> media type? -> body -> JSON -> desk (admit, seal, commit) -> 202 with one result per event
"""

from typing import Final

from starlette.types import Receive, Scope, Send

from collector.intake.event import NotJson, read_json
from collector.intake.facts import Facts
from collector.telemetry import logger
from collector.web.answers import JSON, NO_STORE, ClientGone, Refusal, headers_of, read_body, results, send_answer
from collector.web.intake_desk import IntakeDesk
from collector.web.sites import Found, NotAllowed, RawHeaders, Sites

log = logger(__name__)
PATH: Final = "/v1/events"
DURABILITY: Final = (b"sluis-durability", b"fsync")
_MEDIA_TYPES: Final = (b"application/json", b"text/plain")
_Headers = dict[bytes, bytes]


class Ingest:
    """The ASGI application of one route."""

    def __init__(self, sites: Sites, desk: IntakeDesk) -> None:
        self._sites = sites
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; never raises on input."""
        headers: _Headers = headers_of(scope)
        cors: RawHeaders = ()
        try:
            found = self._sites.find(headers.get(b"origin"), headers.get(b"host"))
            cors = found.cors
            answer = await self._take(headers, receive, found)
            await send_answer(send, 202, answer, (JSON, NO_STORE, DURABILITY, *cors))
        except NotAllowed as no:
            refusal = Refusal(403, no.code, str(no))
            await send_answer(send, 403, refusal.body(), (*refusal.headers(), *cors))
        except Refusal as refusal:
            await send_answer(send, refusal.status, refusal.body(), (*refusal.headers(), *cors))
        except ClientGone:
            return

    async def _take(self, headers: _Headers, receive: Receive, found: Found) -> bytes:
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media_type not in _MEDIA_TYPES:
            raise Refusal(415, "media_type", "Send application/json, or text/plain from a beacon.")
        raw = await read_body(receive, headers.get(b"content-length"), self._desk.limits.body_bytes)
        try:
            body = read_json(raw)
        except NotJson as fault:
            raise Refusal(400, "not_json", str(fault)) from None
        if isinstance(body.json, dict) and "site" in body.json:
            found = self._sites.named(body.json["site"], headers.get(b"authorization"))
        return results(await self._desk.take(body, facts_of(headers, found.origin, self._desk.now_ms()), found.site))


def facts_of(headers: _Headers, origin: str, now_ms: int) -> Facts:
    """What the headers say. No address of the client is read."""
    gpc = headers.get(b"sec-gpc")
    return Facts(
        received_ms=now_ms,
        user_agent=headers.get(b"user-agent", b"").decode("latin-1")[:1024],
        language=headers.get(b"accept-language", b"").decode("latin-1")[:64],
        referer=headers.get(b"referer", b"").decode("latin-1")[:4096],
        origin=origin,
        sec_gpc=None if gpc is None else gpc.decode("latin-1"),
        sec_purpose=headers.get(b"sec-purpose", b"").decode("latin-1"),
    )
