"""`/v1/consent`: record an act, show its receipt, withdraw.

POST records what a visitor chose in a banner or CMP, under every identifier it names, then writes the receipt, and
answers 201 once both are fsynced: there is no receipt of what was not recorded. GET shows the receipt, which names no
one. DELETE withdraws everything for the identifiers it names, whatever date what is there has, and answers 200 once
recorded; it is never deferred: store away means 503.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import uuid4

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.configuration import LABEL
from collector.intake.domains import DomainKeys, KeyMissing
from collector.intake.event import Identifier, NotJson, read_json
from collector.intake.site import Site
from collector.intake.visit import reference
from collector.store.buffer import Row, StoreUnavailable
from collector.store.ledger import Ledger
from collector.store.rows import others
from collector.web.answers import Refusal, headers_of, keys_away, store_away
from collector.web.intake_desk import IntakeDesk
from collector.web.routes import guarded
from collector.web.sites import Found
from consent.model import Choice, Purpose
from consent.signals import gpc
from consent.signals import site as site_signal

RECEIPT_PATH: Final = "/v1/consent/{receipt_id}"
_RECEIPT_ID_LENGTH: Final = 32
Label = Annotated[str, msgspec.Meta(pattern=LABEL)]
"""What a receipt keeps as it was said, for years: too short and plain for anybody's name and address."""


class Act(msgspec.Struct, kw_only=True):
    """The fields of POST and DELETE beside the statement itself."""

    choice_id: Identifier | None = None
    client_id: Identifier | None = None
    user_id: Identifier | None = None
    language: Label | None = None
    ui_version: Label | None = None
    notice_version: Label | None = None

    def __repr__(self) -> str:
        return "Act(<redacted>)"


@dataclass(frozen=True, slots=True)
class ConsentApi:
    """The three routes and what they need."""

    desk: IntakeDesk
    ledger: Ledger
    keys: DomainKeys
    receipt_seconds: int

    def routes(self) -> list[Route]:
        """Routes for the application."""
        return [
            Route("/v1/consent", self.record, methods=["POST"]),
            Route("/v1/consent", self.withdraw, methods=["DELETE"]),
            Route(RECEIPT_PATH, self.receipt, methods=["GET"]),
        ]

    @guarded
    async def record(self, request: Request, found: Found) -> Response:
        """POST: the act becomes the latest choice of every identifier it names."""
        said, act = await self._read(request)
        now_ms = self.desk.now_ms()
        statement = site_signal.read(said, found.site.policy, now_ms, recorded=True)
        if statement is None or statement.act is None:
            raise Refusal(400, "invalid_consent", _why(statement))
        objection = gpc.read(_sec_gpc(request), said)
        choice = statement.act if objection is None else statement.act.less((objection,))
        subjects = self._subjects(act, found.site)
        if not subjects and any(choice.granted.values()):
            raise Refusal(400, "identifier_required", "Granting needs choice_id, client_id or user_id.")
        try:
            await self.ledger.record(
                [Row(one, choice, lowers=False, siblings=others(one, subjects)) for one in subjects]
            )
            in_effect = all(latest == choice for latest in await self.ledger.latest(subjects))
        except StoreUnavailable:
            raise store_away() from None
        receipt = _receipt(act, found.site, choice, said, now_ms)
        receipt |= {"gpc": objection is not None, "in_effect": in_effect}
        try:
            await self.ledger.put_receipt(receipt["receipt_id"], orjson.dumps(receipt), self.receipt_seconds)
        except StoreUnavailable:
            sentence = "The act is recorded, its receipt is not. Send it again: that changes nothing and gives one."
            raise Refusal(503, "receipt_unavailable", sentence) from None
        return _json(receipt, 201)

    @guarded
    async def withdraw(self, request: Request, found: Found) -> Response:
        """DELETE: nothing is granted any more, under these identifiers and those stated together with them."""
        _, act = await self._read(request)
        subjects = self._subjects(act, found.site)
        if not subjects:
            raise Refusal(400, "identifier_required", "Withdrawing needs choice_id or client_id.")
        now_ms = self.desk.now_ms()
        try:
            written = await self.ledger.withdraw(subjects, now_ms, found.site.policy.recipients)
        except StoreUnavailable:
            raise store_away() from None
        return _json({"withdrawn_at": _moment(now_ms), "identifiers": written}, 200)

    @guarded
    async def receipt(self, request: Request, found: Found) -> Response:
        """GET: what we were told, and when."""
        receipt_id = request.path_params["receipt_id"]
        try:
            stored = await self.ledger.get_receipt(receipt_id) if len(receipt_id) == _RECEIPT_ID_LENGTH else None
        except StoreUnavailable:
            raise store_away() from None
        if stored is None or orjson.loads(stored)["site"] != found.site.id:
            raise Refusal(404, "unknown_receipt", "There is no receipt with this id.")
        return Response(stored, media_type="application/json", headers={"cache-control": "no-store"})

    async def _read(self, request: Request) -> tuple[Mapping[str, Any], Act]:
        try:
            body = read_json(await request.body())
        except NotJson as fault:
            raise Refusal(400, "not_json", str(fault)) from None
        said = body.json
        if not isinstance(said, dict) or body.holds_nul:
            raise Refusal(400, "invalid_consent", "The body must be an object without NUL characters.")
        try:
            return said, msgspec.convert(said, Act)
        except msgspec.ValidationError as fault:
            raise Refusal(400, "invalid_consent", str(fault)) from None

    def _subjects(self, act: Act, site: Site) -> list[bytes]:
        stated = (("choice", act.choice_id), ("client", act.client_id), ("user", act.user_id))
        try:
            key = self.keys.subject(site.id)
        except KeyMissing:
            raise keys_away() from None
        return [reference(key, label, value) for label, value in stated if value]


def _receipt(act: Act, site: Site, choice: Choice, said: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    stated = frozenset(purpose for purpose in Purpose if purpose in said)
    return {
        "receipt_id": uuid4().hex,
        "site": site.id,
        "recorded_at": _moment(now_ms),
        "decided_at": _moment(choice.decided_ms),
        "recipients": {
            recipient: {purpose.value: "granted" if purpose in granted else "denied" for purpose in sorted(stated)}
            for recipient, granted in sorted(choice.granted.items())
        },
        "notice_version": act.notice_version,
        "language": act.language,
        "ui_version": act.ui_version,
        "policy": site.policy.policy_hash,
    }


def _sec_gpc(request: Request) -> str | None:
    header = headers_of(request.scope).get(b"sec-gpc")
    return None if header is None else header.decode("latin-1")


def _why(statement: site_signal.Statement | None) -> str:
    reason = "unreadable" if statement is None else statement.signal.silence
    return (
        "An act needs readable purposes and a decided_at (RFC 3339) that is not more than five minutes ahead nor "
        f"older than the site's policy allows; this one: {reason}."
    )


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(content: Mapping[str, Any], status: int) -> Response:
    return Response(
        orjson.dumps(content),
        status,
        {"cache-control": "no-store", "sluis-durability": "fsync"},
        "application/json",
    )
