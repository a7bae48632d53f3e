"""`sluis explain`: every stage of the real decision and the exact request per destination, offline.

It runs the very code of `serve` (collector.intake) and of `deliver` (the destinations), with throw-away keys and
no network. Pseudonyms therefore differ from run to run. Secrets in a request are shown as `***`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from collector.configuration import Settings
from collector.intake.admit import QUEUED, Admission
from collector.intake.batch import BadBatch, admit_body
from collector.intake.domains import DomainKeys, Mac
from collector.intake.event import NotJson, read_json
from collector.intake.facts import Facts
from collector.intake.heard import Heard, evidence_digest, evidence_of
from collector.intake.record import Record, from_bytes, to_bytes
from collector.intake.site import Site
from collector.web.ingest import facts_of
from consent.evidence import Evidence
from consent.model import Decision, Purpose, Signal
from consent.signals.site import combine
from forwarders.contract import Delivery, Destination

HEADERS_FIELD: Final = "_headers"
HIDDEN: Final = "***"
_SECRET_HEADERS: Final = frozenset({"authorization", "x-api-key"})
_SECRET_PARAMETERS: Final = frozenset({"api_secret", "access_token"})


def read_inputs(text: str) -> Iterator[bytes]:
    """The events of a file: one JSON value (an event, a batch, or a list of them), or one a line."""
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError:
        yield from (line.encode() for line in text.split("\n") if line.strip())
        return
    if not isinstance(whole, list):
        yield text.encode()
        return
    for one in whole:
        # Not orjson: it reads 1024 levels and writes 254, and a body's depth is the parser's to judge.
        yield json.dumps(one).encode()


def explain(
    raw: bytes,
    settings: Settings,
    site: Site,
    destinations: Mapping[str, Destination],
    keys: DomainKeys,
    now_ms: int,
) -> Iterator[dict[str, Any]]:
    """One explanation per event of one body."""
    try:
        body = read_json(raw)
    except NotJson as fault:
        yield _unreadable("not_json", str(fault))
        return
    headers = body.json.pop(HEADERS_FIELD, None) if isinstance(body.json, dict) else None
    facts = _facts(headers, settings, site, now_ms)
    try:
        admitted = admit_body(body, facts, site, keys, settings.limits.batch_events, {})
    except BadBatch as fault:
        yield _unreadable("bad_batch", str(fault))
        return
    for place, admission in enumerate(admitted.admissions):
        explanation = _explanation(admission, destinations, now_ms)
        if admission.heard is not None:
            evidence = evidence_of(_said(body.json, place), facts)
            explanation["decision"]["evidence"] = [_evidence(one, keys.subject(site.id)) for one in evidence]
        yield explanation


def _said(body: Any, place: int) -> Any:
    """The statement that was heard for one event of a body that was admitted."""
    if "events" not in body:
        return body.get("consent")
    return combine(body.get("consent"), body["events"][place].get("consent"))


def _evidence(one: Evidence, key: Mac) -> dict[str, Any]:
    return {
        "signal": one.signal,
        "version": one.version,
        "at": None if one.at_ms is None else datetime.fromtimestamp(one.at_ms / 1000, UTC).isoformat(),
        "digest": evidence_digest(key, one.text) if one.text else None,
    }


def _facts(headers: Any, settings: Settings, site: Site, now_ms: int) -> Facts:
    stated = headers if isinstance(headers, dict) else {}
    raw = {str(name).lower().encode("latin-1", "replace"): str(value).encode() for name, value in stated.items()}
    said = next(one for one in settings.site if one.id == site.id)
    origin = raw.get(b"origin", (said.origins[0] if said.origins else "").encode()).decode("latin-1")
    return facts_of(raw, origin, now_ms)


def _explanation(admission: Admission, destinations: Mapping[str, Destination], now_ms: int) -> dict[str, Any]:
    records = {record.destination: record for record in admission.records}
    return {
        "outcome": admission.outcome,
        "reason": admission.reason,
        "event_id": admission.event_id,
        "decision": None if admission.heard is None else _decision(admission.heard),
        "destinations": {
            name: _fate(result, records.get(name), destinations.get(name), now_ms)
            for name, result in admission.destinations.items()
        },
    }


def _unreadable(code: str, message: str) -> dict[str, Any]:
    return {
        "outcome": "invalid",
        "reason": f"{code}: {message}",
        "event_id": None,
        "decision": None,
        "destinations": {},
    }


def is_unreadable(explanation: Mapping[str, Any]) -> bool:
    """Whether it is of a body that holds no event: the server would answer 400."""
    return explanation["event_id"] is None


def _decision(heard: Heard) -> dict[str, Any]:
    decision: Decision = heard.decision
    return {
        "regime": decision.regime,
        "granted": {recipient: sorted(granted) for recipient, granted in sorted(decision.granted.items())},
        "answers": {
            recipient: {purpose.value: decision.answer(recipient, purpose)._asdict() for purpose in Purpose}
            for recipient in sorted(decision.granted)
        },
        "signals": [_signal(signal) for signal in decision.signals],
        "policy_hash": decision.policy_hash,
    }


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "source": signal.source,
        "grants": {recipient: sorted(purposes) for recipient, purposes in sorted(signal.grants.items())},
        "denies": {recipient: sorted(purposes) for recipient, purposes in sorted(signal.denies.items())},
        "denial": signal.denial,
        "silence": signal.silence,
    }


def _fate(result: str, record: Record | None, destination: Destination | None, now_ms: int) -> dict[str, Any]:
    if result != QUEUED or record is None or destination is None:
        return {"outcome": "skipped", "reason": result.partition(":")[2] or result, "request": None}
    # What `deliver` sees has been through bytes; so does this.
    composed = destination.compose(from_bytes(to_bytes(record)), now_ms)
    if not isinstance(composed, Delivery):
        return {"outcome": "skipped", "reason": str(composed), "request": None}
    return {"outcome": QUEUED, "reason": None, "request": _request(composed), "notes": list(composed.notes)}


def _request(delivery: Delivery) -> dict[str, Any]:
    return {
        "method": delivery.method,
        "url": _hide_parameters(delivery.url),
        "headers": {
            name: HIDDEN if name.lower() in _SECRET_HEADERS else value for name, value in delivery.headers.items()
        },
        "body": _body(delivery.body),
    }


def _body(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def _hide_parameters(url: str) -> str:
    parts = urlsplit(url)
    pairs: Sequence[tuple[str, str]] = parse_qsl(parts.query, keep_blank_values=True)
    shown = [(name, HIDDEN if name in _SECRET_PARAMETERS else value) for name, value in pairs]
    return urlunsplit(parts._replace(query=urlencode(shown, safe="*")))
