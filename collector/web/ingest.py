"""`POST /v1/events`: the hot path, answered in place where the server can (protocol.py), else as a pure ASGI route.

site? -> media type? -> JSON -> desk (admit, seal, commit) -> 202 with one result per event

`begin` runs in one synchronous step up to the commit, and the committer gives the answer: no task, no future, no
event kept across an await.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from starlette.types import Receive, Scope, Send

from collector.intake.event import NotJson, read_json
from collector.intake.facts import Facts
from collector.telemetry import logger
from collector.web.answers import (
    JSON,
    NO_STORE,
    Answer,
    ClientGone,
    Head,
    Refusal,
    Reply,
    fault,
    headers_of,
    joined,
    read_body,
    refusing,
    results,
    send_answer,
)
from collector.web.intake_desk import IntakeDesk, Results
from collector.web.sites import Found, NotAllowed, RawHeaders, Sites
from collector.web.whereabouts import Whereabouts

log = logger(__name__)
PATH: Final = "/v1/events"
DURABILITY: Final = (b"sluis-durability", b"fsync")
LONGEST_ROW: Final = 32
_MEDIA_TYPES: Final = (b"text/plain;charset=UTF-8", b"application/json", b"text/plain")  # browsers write the first
_Headers = dict[bytes, bytes]


class Ingest:
    """The application of one route."""

    def __init__(self, sites: Sites, desk: IntakeDesk, where: Whereabouts | None = None) -> None:
        self._sites = sites
        self._desk = desk
        self._where = where or Whereabouts()
        self._accepted: dict[Found, Head] = {}
        self._row: list[tuple[_Headers, bytes, str | None, Reply]] = []
        desk.after_each_commit(self._admit_row)

    @property
    def body_bytes(self) -> int:
        """The largest body `begin` is to be given."""
        return self._desk.limits.body_bytes

    def begin(self, lines: Sequence[tuple[bytes, bytes]], body: bytes, peer: str | None, reply: Reply) -> None:
        """Answer one request with a complete body, now or when the store has it; never raises on input.

        While a commit is in flight requests gather, 32 at most: they would wait for it in any case, and one after the
        other they are admitted with warm caches (measured: 4 % of a request's CPU).
        """
        self._row.append((joined(lines), body, peer, reply))
        if len(self._row) >= LONGEST_ROW or not self._desk.is_committing:
            self._admit_row()

    def _admit_row(self) -> None:
        row, self._row = self._row, []
        for headers, body, peer, reply in row:
            self._begin(headers, body, peer, reply)

    def too_large(self, lines: Sequence[tuple[bytes, bytes]]) -> Answer:
        """The answer to a body that is larger than `body_bytes`; pages may read it."""
        try:
            cors = self._find(joined(lines)).cors
        except NotAllowed:
            cors = ()
        return refusing(Refusal(413, "body_too_large", f"The body is larger than {self.body_bytes} bytes."), cors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same by ASGI."""
        headers = headers_of(scope)
        try:
            body = await read_body(receive, headers.get(b"content-length"), self.body_bytes)
        except Refusal:
            await send_answer(send, self.too_large(scope["headers"]))
            return
        except ClientGone:
            return
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        peer = scope.get("client") or (None,)
        self._begin(headers, body, peer[0], lambda answer: None if answered.done() else answered.set_result(answer))
        await send_answer(send, await answered)

    def _begin(self, headers: _Headers, raw: bytes, peer: str | None, reply: Reply) -> None:
        cors: RawHeaders = ()
        try:
            found = self._find(headers)
            cors = found.cors
            self._take(headers, raw, peer, found, reply)
        except NotAllowed as no:
            reply(refusing(Refusal(403, no.code, str(no)), cors))
        except Refusal as refusal:
            reply(refusing(refusal, cors))
        except Exception as error:
            log.exception("internal_error", exc_info=error)
            reply(refusing(fault(), cors))

    def _find(self, headers: _Headers) -> Found:
        return self._sites.find(headers.get(b"origin"), headers.get(b"host"))

    def _take(self, headers: _Headers, raw: bytes, peer: str | None, found: Found, reply: Reply) -> None:
        media_type = headers.get(b"content-type", b"")
        if media_type not in _MEDIA_TYPES and media_type.partition(b";")[0].strip().lower() not in _MEDIA_TYPES:
            raise Refusal(415, "media_type", "Send application/json, or text/plain from a beacon.")
        try:
            body = read_json(raw)
        except NotJson as no:
            raise Refusal(400, "not_json", str(no)) from None
        named = found
        if isinstance(body.json, dict) and "site" in body.json:
            named = self._sites.named(body.json["site"], headers.get(b"authorization"))
        facts = facts_of(headers, named.origin, self._desk.now_ms(), self._where.regions(headers, peer))
        self._desk.begin(body, facts, named.site, partial(self._tell, found, reply))

    def _tell(self, found: Found, reply: Reply, told: Results | Refusal) -> None:
        if isinstance(told, Refusal):
            reply(refusing(told, found.cors))
            return
        head = self._accepted.get(found)
        if head is None:
            head = self._accepted[found] = Head(202, (JSON, NO_STORE, DURABILITY, *found.cors))
        reply(Answer(head, results(told)))


def facts_of(headers: _Headers, origin: str, now_ms: int, regions: tuple[str, ...] = ()) -> Facts:
    """What the headers say, and where the visitor is. No address of the client goes into it."""
    gpc = headers.get(b"sec-gpc")
    return Facts(
        received_ms=now_ms,
        user_agent=headers.get(b"user-agent", b"").decode("latin-1")[:1024],
        language=headers.get(b"accept-language", b"").decode("latin-1")[:64],
        referer=headers.get(b"referer", b"").decode("latin-1")[:4096],
        origin=origin,
        sec_gpc=None if gpc is None else gpc.decode("latin-1"),
        sec_purpose=headers.get(b"sec-purpose", b"").decode("latin-1"),
        regions=regions,
    )
