"""`/v1/consent`: record an act, show its receipt, withdraw.

POST records what a visitor chose in a banner or CMP, under every identifier it names, then writes the receipt, and
answers 201 once both are fsynced: there is no receipt of what was not recorded. GET shows the receipt, which names no
one. DELETE withdraws everything for the identifiers it names, whatever date what is there has, and answers 200 once
recorded in the store and in a file that survives it; it is never deferred: either of them away means 503. A refusal by
POST is kept in that file too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import uuid4

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.configuration import LABEL
from collector.intake.domains import DomainKeys, KeyMissing, Mac
from collector.intake.event import Identifier, NotJson, read_json
from collector.intake.facts import Facts
from collector.intake.heard import Heard, evidence_of, hear
from collector.intake.receipt import Act, moment, proofs, receipt, takes_back
from collector.intake.site import Site
from collector.intake.visit import reference
from collector.store.buffer import Row, StoreUnavailable
from collector.store.rows import others
from collector.store.withdrawal_book import NotKept
from collector.store.withdrawals import Withdrawals
from collector.telemetry import logger
from collector.web.answers import Refusal, headers_of, keys_away, store_away
from collector.web.ingest import facts_of
from collector.web.intake_desk import IntakeDesk
from collector.web.routes import guarded
from collector.web.sites import Found
from collector.web.whereabouts import Whereabouts
from consent.model import Choice, Purpose, Source
from consent.signals.site import Statement

log = logger(__name__)
RECEIPT_PATH: Final = "/v1/consent/{receipt_id}"
_RECEIPT_ID_LENGTH: Final = 32
Label = Annotated[str, msgspec.Meta(pattern=LABEL)]
"""What a receipt keeps as it was said, for years: too short and plain for anybody's name and address."""


class Stated(msgspec.Struct, kw_only=True):
    """The fields of POST and DELETE beside the statement itself."""

    choice_id: Identifier | None = None
    client_id: Identifier | None = None
    user_id: Identifier | None = None
    language: Label | None = None
    ui_version: Label | None = None
    notice_version: Label | None = None

    def __repr__(self) -> str:
        return "Stated(<redacted>)"


@dataclass(frozen=True, slots=True)
class ConsentApi:
    """The three routes and what they need."""

    desk: IntakeDesk
    withdrawals: Withdrawals
    keys: DomainKeys
    where: Whereabouts

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
        said, stated = await self._read(request)
        site, facts = found.site, self._facts(request, found)
        heard = hear(said, facts, site, is_record=True)
        choice = _act(heard)
        key = self._key(site)
        subjects = _subjects(stated, key)
        if not subjects and any(choice.granted.values()):
            raise Refusal(400, "identifier_required", "Granting needs choice_id, client_id or user_id.")
        before, in_effect = await self._recorded(site, choice, subjects, heard)
        act = Act(
            id=uuid4().hex,
            site=site,
            choice=choice,
            recorded_ms=facts.received_ms,
            subjects=subjects,
            before=before,
            stated=frozenset(purpose for purpose in Purpose if purpose in said),
            regime=heard.decision.regime,
            shown=stated,
            proofs=proofs(evidence_of(said, facts), key),
            gpc=any(signal.source == Source.GPC for signal in heard.decision.signals),
        )
        made = receipt(act) | {"in_effect": in_effect}
        try:
            await self.withdrawals.put(made)
        except StoreUnavailable:
            sentence = "The act is recorded, its receipt is not. Send it again: that changes nothing and gives one."
            raise Refusal(503, "receipt_unavailable", sentence) from None
        return _json(made, 201)

    async def _recorded(
        self, site: Site, choice: Choice, subjects: Sequence[bytes], heard: Heard
    ) -> tuple[list[Choice | None], bool]:
        """Record it; answers what was the latest choice before, and whether this one is it now."""
        rows = [Row(one, choice, lowers=False, siblings=others(one, subjects)) for one in subjects]
        kept = takes_back(site, choice, heard.decision.regime)
        ledger = self.withdrawals.ledger
        try:
            before = await ledger.latest(subjects)
            await self.withdrawals.record(site, rows, takes_back=kept)
            return before, all(latest == choice for latest in await ledger.latest(subjects))
        except NotKept as fault:
            raise _not_kept(fault) from None
        except StoreUnavailable:
            raise (_not_in_effect() if kept else store_away()) from None

    @guarded
    async def withdraw(self, request: Request, found: Found) -> Response:
        """DELETE: nothing is granted any more, under these identifiers and those stated together with them."""
        _, stated = await self._read(request)
        subjects = _subjects(stated, self._key(found.site))
        if not subjects:
            raise Refusal(400, "identifier_required", "Withdrawing needs choice_id or client_id.")
        now_ms = self.desk.now_ms()
        try:
            made, identifiers = await self.withdrawals.withdraw(found.site, subjects, now_ms, stated)
        except NotKept as fault:
            raise _not_kept(fault) from None
        except StoreUnavailable:
            raise _not_in_effect() from None
        answer = {"withdrawn_at": moment(now_ms), "identifiers": identifiers}
        return _json(answer | {name: made[name] for name in ("receipt_id", "notify")}, 200)

    @guarded
    async def receipt(self, request: Request, found: Found) -> Response:
        """GET: what we were told, and when."""
        receipt_id = request.path_params["receipt_id"]
        try:
            stored = (
                await self.withdrawals.ledger.get_receipt(receipt_id) if len(receipt_id) == _RECEIPT_ID_LENGTH else None
            )
        except StoreUnavailable:
            raise store_away() from None
        if stored is None or orjson.loads(stored)["site"] != found.site.id:
            raise Refusal(404, "unknown_receipt", "There is no receipt with this id.")
        return Response(stored, media_type="application/json", headers={"cache-control": "no-store"})

    async def _read(self, request: Request) -> tuple[Mapping[str, Any], Stated]:
        try:
            body = read_json(await request.body())
        except NotJson as fault:
            raise Refusal(400, "not_json", str(fault)) from None
        said = body.json
        if not isinstance(said, dict) or body.holds_nul:
            raise Refusal(400, "invalid_consent", "The body must be an object without NUL characters.")
        try:
            return said, msgspec.convert(said, Stated)
        except msgspec.ValidationError as fault:
            raise Refusal(400, "invalid_consent", str(fault)) from None

    def _facts(self, request: Request, found: Found) -> Facts:
        headers, peer = headers_of(request.scope), request.client
        regions = self.where.regions(headers, None if peer is None else peer.host)
        return facts_of(headers, found.origin, self.desk.now_ms(), regions)

    def _key(self, site: Site) -> Mac:
        try:
            return self.keys.subject(site.id)
        except KeyMissing:
            raise keys_away() from None


def _subjects(stated: Stated, key: Mac) -> list[bytes]:
    named = (("choice", stated.choice_id), ("client", stated.client_id), ("user", stated.user_id))
    return [reference(key, label, value) for label, value in named if value]


def _act(heard: Heard) -> Choice:
    statement = heard.statement
    if statement is None or statement.act is None:
        raise Refusal(400, "invalid_consent", _why(statement))
    return statement.act


def _not_kept(fault: NotKept) -> Refusal:
    log.error("withdrawal_not_kept", why=str(fault))
    sentence = "It cannot be written down to survive a loss of the store, and so it is not recorded. Send it again."
    return Refusal(503, "withdrawal_not_kept", sentence)


def _not_in_effect() -> Refusal:
    sentence = "The store does not answer: it is not in effect yet. Send it again; it may take effect without that too."
    return Refusal(503, "store_unavailable", sentence)


def _why(statement: Statement | None) -> str:
    reason = "unreadable" if statement is None else statement.signal.silence
    return (
        "An act needs readable purposes and a decided_at (RFC 3339) that is not more than five minutes ahead nor "
        f"older than the site's policy allows; this one: {reason}."
    )


def _json(content: Mapping[str, Any], status: int) -> Response:
    return Response(
        orjson.dumps(content),
        status,
        {"cache-control": "no-store", "sluis-durability": "fsync"},
        "application/json",
    )
