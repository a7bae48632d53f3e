"""`/v1/consent` on a real Valkey: an act, its receipt, its withdrawal."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio as redis

from collector.intake.record import Record
from collector.store.buffer import RedisBuffer
from collector.store.ledger import Ledger
from collector.store.memory import MemoryBuffer
from collector.store.withdrawal_book import NotKept
from consent.kinds import KINDS
from consent.model import Purpose, Reason
from consent.recheck import still_allowed
from tests.collector.intake.shop import CONFIG, DENIED, GRANTED, NOW_MS, event
from tests.collector.web.whole import AwayLedger, Collector, MemoryLedger, NoRoots, collector

pytestmark = pytest.mark.anyio
BLOG = {"origin": "https://blog.example"}
WHO = {"client_id": "123.456", "choice_id": "20261121.Zm9vYmFy", "user_id": "crm-42"}
ACT = {**WHO, **GRANTED, "notice_version": "3", "language": "nl", "ui_version": "banner-2"}
IDENTIFIERS = tuple(WHO.values())
MINUTE_MS = 60_000


@pytest.fixture
async def shop(client: redis.Redis) -> AsyncIterator[Collector]:
    async with collector(buffer=RedisBuffer(client), ledger=Ledger(client)) as made:
        yield made


async def recheck(shop: Collector, record: Record) -> Reason | None:
    """What delivery finds right before it would hand the record over."""
    granted = frozenset(map(Purpose, record.granted))
    latest = await shop.ledger.latest(record.subjects)
    floor = KINDS[record.kind].floor
    return still_allowed(record.recipient, granted, floor, record.regime, latest, now_ms=shop.now_ms, max_age_days=183)


async def test_an_act_is_answered_with_a_receipt_that_names_nobody(shop: Collector) -> None:
    answer = await shop.post(ACT, "/v1/consent")
    assert answer.status == 201
    assert answer.headers["sluis-durability"] == "fsync"
    assert answer.headers["cache-control"] == "no-store"
    receipt = answer.json
    everything = dict.fromkeys(["ad_personalization", "ad_storage", "ad_user_data", "analytics_storage"], "granted")
    policy = receipt.pop("policy")
    assert re.fullmatch(r"[0-9a-f]{16}", policy)
    assert re.fullmatch(r"[0-9a-f]{32}", receipt.pop("receipt_id"))
    subjects = receipt.pop("subjects")
    assert len(set(subjects)) == len(WHO)
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in subjects)
    assert receipt == {
        "schema": "sluis-receipt/1",
        "site": "shop",
        "establishment": "BE",
        "state": "given",
        "recorded_at": "2026-11-21T10:00:00.000Z",
        "decided_at": "2026-11-21T09:58:00.000Z",
        "expires_at": "2027-05-23T09:58:00.000Z",
        "lawful_basis": "consent",
        "regime": "opt_in",
        "recipients": {"google": everything, "meta": everything},
        "withdraw_by": "DELETE /v1/consent",
        "evidence": [{"signal": "site", "version": "3", "at": "2026-11-21T09:58:00.000Z", "digest": None}],
        "notify": [],
        "notice_version": "3",
        "language": "nl",
        "ui_version": "banner-2",
        "gpc": False,
        "in_effect": True,
    }
    for identifier in IDENTIFIERS:
        assert identifier not in answer.text


async def test_a_receipt_can_be_read_again_and_only_by_its_own_site(shop: Collector) -> None:
    receipt = (await shop.post(ACT, "/v1/consent")).json
    again = await shop.ask("GET", f"/v1/consent/{receipt['receipt_id']}")
    assert (again.status, again.json) == (200, receipt)
    assert again.headers["cache-control"] == "no-store"
    foreign = await shop.ask("GET", f"/v1/consent/{receipt['receipt_id']}", **BLOG)
    assert (foreign.status, foreign.code) == (404, "unknown_receipt")


@pytest.mark.parametrize("receipt_id", ["0" * 32, "short", "*" * 32, "0" * 33])
async def test_an_unknown_receipt_is_404(shop: Collector, receipt_id: str) -> None:
    answer = await shop.ask("GET", f"/v1/consent/{receipt_id}")
    assert (answer.status, answer.code) == (404, "unknown_receipt")


async def test_what_is_kept_in_the_store_names_nobody(shop: Collector, client: redis.Redis) -> None:
    await shop.post(ACT, "/v1/consent")
    await shop.post(event(**WHO), "/v1/events")
    keys = await client.keys("*")
    assert keys
    for key in keys:
        kind = await client.type(key)
        value = await client.dump(key)
        for identifier in IDENTIFIERS:
            assert identifier.encode() not in key, kind
            assert value is not None
            assert identifier.encode() not in value, kind


@pytest.mark.parametrize(
    "named", [{"client_id": "123.456"}, {"choice_id": WHO["choice_id"]}, {"user_id": "crm-42"}, WHO]
)
async def test_a_withdrawal_by_any_identifier_ends_every_grant(shop: Collector, named: dict[str, str]) -> None:
    await shop.post(ACT, "/v1/consent", **BLOG)
    said = {"name": "page_view", "client_id": WHO["client_id"], "user_id": WHO["user_id"]}
    assert (await shop.result(said, **BLOG))["outcome"] == "accepted"
    shop.now_ms += 1
    gone = await shop.ask("DELETE", "/v1/consent", named, **BLOG)
    assert gone.status == 200
    answer = gone.json
    assert re.fullmatch(r"[0-9a-f]{32}", answer.pop("receipt_id"))
    assert [one["recipient"] for one in answer.pop("notify")] == ["google", "meta"]
    assert answer == {"withdrawn_at": "2026-11-21T10:00:00.001Z", "identifiers": len(WHO)}  # and its siblings
    after = {**said, "event_id": "later", "consent": {"choice_id": WHO["choice_id"]}}
    assert (await shop.result(after, **BLOG))["outcome"] == "refused"


async def test_a_newer_act_replaces_and_an_older_one_does_not(shop: Collector) -> None:
    said = {"name": "page_view", "client_id": "123.456"}
    await shop.post(ACT | {"decided_at": NOW_MS - 1000}, "/v1/consent", **BLOG)
    await shop.post(WHO | DENIED | {"decided_at": NOW_MS - 2000}, "/v1/consent", **BLOG)
    assert (await shop.result(said, **BLOG))["outcome"] == "accepted"
    await shop.post(WHO | DENIED | {"decided_at": NOW_MS - 500}, "/v1/consent", **BLOG)
    assert (await shop.result(said, **BLOG))["outcome"] == "refused"


async def test_a_tie_goes_to_the_denial(shop: Collector) -> None:
    await shop.post(WHO | DENIED, "/v1/consent", **BLOG)
    await shop.post(ACT, "/v1/consent", **BLOG)
    assert (await shop.result({"name": "page_view", "client_id": "123.456"}, **BLOG))["outcome"] == "refused"


async def test_a_refusal_may_name_nobody_and_a_grant_may_not(shop: Collector) -> None:
    refused = await shop.post(DENIED, "/v1/consent")
    assert refused.status == 201
    assert {word for said in refused.json["recipients"].values() for word in said.values()} == {"denied"}
    granted = await shop.post(GRANTED, "/v1/consent")
    assert (granted.status, granted.code) == (400, "identifier_required")
    nobody = await shop.ask("DELETE", "/v1/consent", {})
    assert (nobody.status, nobody.code) == (400, "identifier_required")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b'{"client_id": "\xff"}', "not_json"),
        (b'{"client_id": "\\ud800"}', "not_json"),
        (b"[]", "invalid_consent"),
        (b"null", "invalid_consent"),
        ({**ACT, "client_id": 5}, "invalid_consent"),
        ({**ACT, "client_id": ""}, "invalid_consent"),
        ({**ACT, "client_id": "c" * 257}, "invalid_consent"),
        ({**ACT, "choice_id": "a\0b"}, "invalid_consent"),
        ({**ACT, "language": "n" * 65}, "invalid_consent"),
        ({**ACT, "notice_version": 3}, "invalid_consent"),
        ({**ACT, "decided_at": None}, "invalid_consent"),
        ({**ACT, "decided_at": "yesterday"}, "invalid_consent"),
        ({**ACT, "decided_at": "2026-11-21T10:05:01Z"}, "invalid_consent"),
        ({**ACT, "decided_at": "2026-01-01T10:00:00Z"}, "invalid_consent"),
        ({**ACT, "decided_at": "0001-01-01T00:00:00+14:00"}, "invalid_consent"),
        ({**ACT, "decided_at": "9999-12-31T23:59:59-14:00"}, "invalid_consent"),
        ({**ACT, "origin": "default"}, "invalid_consent"),
        ({**ACT, "recipients": "google"}, "invalid_consent"),
        ({**ACT, "recipients": {"google": "yes"}}, "invalid_consent"),
    ],
)
async def test_what_is_no_act_is_refused_with_a_sentence(shop: Collector, body: Any, code: str) -> None:
    answer = await shop.post(body, "/v1/consent")
    assert (answer.status, answer.code) == (400, code)
    assert " " in answer.json["error"]["message"]


async def test_an_act_a_little_ahead_of_our_clock_keeps_its_date(shop: Collector) -> None:
    answer = await shop.post({**ACT, "decided_at": "2026-11-21T11:05:00+01:00"}, "/v1/consent")
    assert answer.json["decided_at"] == "2026-11-21T10:05:00.000Z"
    assert answer.json["recorded_at"] == "2026-11-21T10:00:00.000Z"


async def test_a_withdrawal_holds_against_an_act_of_a_clock_that_runs_ahead(shop: Collector) -> None:
    ahead = GRANTED | {"decided_at": NOW_MS + 4 * MINUTE_MS}
    assert (await shop.result(event(consent=ahead)))["outcome"] == "accepted"
    (record,) = await shop.records("ga4")
    assert await recheck(shop, record) is None
    assert (await shop.ask("DELETE", "/v1/consent", {"client_id": "123.456"})).status == 200
    assert await recheck(shop, record) == "withdrawn"
    for wait_ms in (0, MINUTE_MS, 5 * MINUTE_MS):
        shop.now_ms = NOW_MS + wait_ms
        await shop.result(event(event_id=f"again after {wait_ms}", consent=ahead))
        await shop.post({"client_id": "123.456", **ahead}, "/v1/consent")
        (again,) = await shop.records("ga4")
        assert await recheck(shop, again) == "withdrawn"
        (row,) = await shop.ledger.latest(record.subjects)
        assert row is not None
        assert not any(row.granted.values())
    anew = GRANTED | {"decided_at": NOW_MS + 6 * MINUTE_MS}
    assert (await shop.result(event(event_id="anew", consent=anew)))["outcome"] == "accepted"
    assert await recheck(shop, record) is None


@pytest.mark.parametrize("field", ["language", "ui_version", "notice_version"])
@pytest.mark.parametrize("text", ["jane@example.com", "Jane Doe", "", "x" * 65, "+32/2", "a\nb"])
async def test_what_a_receipt_keeps_as_it_was_said_has_no_room_for_contact_data(
    shop: Collector, field: str, text: str
) -> None:
    answer = await shop.post({**ACT, field: text}, "/v1/consent")
    assert (answer.status, answer.code) == (400, "invalid_consent")
    assert f"$.{field}" in answer.json["error"]["message"]
    assert "ane" not in answer.text


@pytest.mark.parametrize(
    ("said", "headers"), [({}, {"sec_gpc": "1"}), ({"gpc": True}, {}), ({"gpc": False}, {"sec_gpc": "1"})]
)
async def test_what_gpc_denies_is_not_recorded_as_granted(
    shop: Collector, said: dict[str, Any], headers: dict[str, str]
) -> None:
    receipt = (await shop.post({**ACT, **said}, "/v1/consent", **headers)).json
    denied = dict.fromkeys(["ad_personalization", "ad_storage", "ad_user_data"], "denied")
    everything = denied | {"analytics_storage": "granted"}
    assert (receipt["gpc"], receipt["recipients"]) == (True, {"google": everything, "meta": everything})
    page = {"name": "page_view", "client_id": "123.456"}
    result = await shop.result(page)
    assert result["destinations"] == {"ga4": "queued", "meta": "skipped:purpose_not_granted"}


async def test_an_events_act_is_recorded_without_what_gpc_denies(shop: Collector) -> None:
    await shop.result(event(), sec_gpc="1")
    (record,) = await shop.records("ga4")
    (row,) = await shop.ledger.latest(record.subjects)
    assert row is not None
    analytics = frozenset({Purpose.ANALYTICS_STORAGE})
    assert row.granted == {"google": analytics, "meta": analytics}


async def test_a_receipt_says_whether_a_newer_choice_stands(shop: Collector) -> None:
    await shop.post(WHO | DENIED, "/v1/consent")
    late = (await shop.post(ACT | {"decided_at": NOW_MS - 10 * MINUTE_MS}, "/v1/consent")).json
    assert late["in_effect"] is False
    assert (await shop.ask("GET", f"/v1/consent/{late['receipt_id']}")).json == late
    assert (await shop.post(ACT | {"decided_at": NOW_MS}, "/v1/consent")).json["in_effect"] is True


async def test_a_withdrawal_has_a_receipt_with_the_recipients_to_notify(shop: Collector) -> None:
    await shop.post(ACT, "/v1/consent")
    shop.now_ms += MINUTE_MS
    gone = (await shop.ask("DELETE", "/v1/consent", {"client_id": "123.456", "language": "nl"})).json
    receipt = (await shop.ask("GET", f"/v1/consent/{gone['receipt_id']}")).json
    assert (receipt["state"], receipt["language"], receipt["in_effect"]) == ("withdrawn", "nl", True)
    assert (receipt["expires_at"], receipt["decided_at"]) == (None, gone["withdrawn_at"])
    assert {word for said in receipt["recipients"].values() for word in said.values()} == {"denied"}
    purposes = ["ad_personalization", "ad_storage", "ad_user_data", "analytics_storage"]
    dates = {"granted_at": "2026-11-21T09:58:00.000Z", "until": gone["withdrawn_at"]}
    listed = [{"recipient": name, "purposes": purposes, **dates} for name in ("google", "meta")]
    assert receipt["notify"] == gone["notify"] == listed
    for identifier in IDENTIFIERS:
        assert identifier not in str(receipt)
    again = (await shop.ask("DELETE", "/v1/consent", {"client_id": "123.456"})).json
    assert again["notify"] == [], "nothing was granted any more"


async def test_a_refusal_after_an_acceptance_is_a_withdrawal_and_lists_them_too(shop: Collector) -> None:
    await shop.post(ACT, "/v1/consent")
    refused = (await shop.post(WHO | DENIED | {"decided_at": NOW_MS}, "/v1/consent")).json
    assert (refused["state"], [one["recipient"] for one in refused["notify"]]) == ("withdrawn", ["google", "meta"])
    again = (await shop.post(WHO | DENIED | {"decided_at": NOW_MS}, "/v1/consent")).json
    assert (again["state"], again["notify"]) == ("refused", [])


async def test_what_a_string_denies_is_not_recorded_as_granted_and_its_digest_is_kept(shop: Collector) -> None:
    string = "CQgYw8AQgYw8A__AHAELAwFgAIAAAEJAACiQE5wAQE5glfABgkiCV4ARCADAAEAyCQAGAR4CrAAA.IF5wAQF5gAAA.c-wAAEQAAAAA"
    receipt = (await shop.post({**ACT, "tc_string": string, "gdpr_applies": True}, "/v1/consent")).json
    (tcf,) = [one for one in receipt["evidence"] if one["signal"] == "tcf"]
    assert (tcf["cmp_id"], tcf["cmp_version"], len(tcf["digest"])) == (4095, 7, 32)
    assert string[:20] not in str(receipt)
    assert receipt["recipients"]["google"]["ad_personalization"] == "denied"
    assert receipt["recipients"]["google"]["analytics_storage"] == "granted"


# ── What survives the store ───────────────────────────────────────────────────────────────────────


async def test_a_withdrawal_and_a_refusal_are_written_down_and_an_acceptance_is_not(shop: Collector) -> None:
    await shop.post(ACT, "/v1/consent")
    await shop.post(WHO | DENIED | {"analytics_storage": "granted"}, "/v1/consent")
    assert shop.book.kept == []
    await shop.ask("DELETE", "/v1/consent", {"client_id": "123.456"})
    withdrawn = shop.book.kept.copy()
    assert len(withdrawn) == len(WHO)
    await shop.post(WHO | DENIED | {"decided_at": NOW_MS + 1}, "/v1/consent")
    refused = shop.book.kept[len(withdrawn) :]
    assert {row.subject for _, row in refused} == {row.subject for _, row in withdrawn}
    assert {row.choice.decided_ms for _, row in refused} == {NOW_MS + 1}
    assert not any(any(row.choice.granted.values()) for _, row in shop.book.kept)
    assert {site for site, _ in shop.book.kept} == {"shop"}


@pytest.mark.parametrize(
    ("method", "body"), [("DELETE", WHO), ("POST", WHO | DENIED | {"decided_at": NOW_MS})], ids=["DELETE", "POST"]
)
async def test_what_cannot_be_written_down_is_neither_recorded_nor_answered_with_a_2xx(
    method: str, body: dict[str, Any], shop: Collector
) -> None:
    await shop.post(ACT, "/v1/consent")
    shop.book.fault = NotKept("a full disk")
    answer = await shop.ask(method, "/v1/consent", body)
    assert (answer.status, answer.code) == (503, "withdrawal_not_kept")
    assert int(answer.headers["retry-after"]) > 0
    page = {"name": "page_view", "client_id": "123.456"}
    assert (await shop.result(page))["outcome"] == "accepted"
    shop.book.fault = None
    assert (await shop.ask(method, "/v1/consent", body)).status in (200, 201)
    assert (await shop.result(page))["outcome"] == "refused"


@pytest.mark.parametrize(("region", "kept"), [("US-CA", 3), ("BE", 0)])
async def test_under_opt_out_an_objection_to_advertising_is_written_down_too(region: str, kept: int) -> None:
    """Forgotten, it would be a yes again. Under opt-in (control) silence is no, and nothing needs to be restored."""
    elsewhere = CONFIG.replace('establishment = "BE"', 'establishment = "US"\nelsewhere = "opt_out"', 1)
    async with collector(elsewhere) as shop:
        objection = {**ACT, **dict.fromkeys(["ad_storage", "ad_user_data", "ad_personalization"], "denied")}
        receipt = (await shop.post({**objection, "region": region}, "/v1/consent")).json
        assert receipt["regime"] == ("opt_out" if kept else "opt_in")
        assert len(shop.book.kept) == kept
        assert {"ad_storage" in row.choice.granted["meta"] for _, row in shop.book.kept} <= {False}


async def test_an_acceptance_needs_no_file(shop: Collector) -> None:
    shop.book.fault = NotKept("a full disk")
    assert (await shop.post(ACT, "/v1/consent")).status == 201


async def test_there_is_no_receipt_of_what_was_not_recorded() -> None:
    async with collector() as shop:
        ledger = shop.ledger
        assert isinstance(ledger, MemoryLedger)
        ledger.is_full = True
        answer = await shop.post(ACT, "/v1/consent")
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert ledger.receipts == {}
        ledger.is_full = False
        assert (await shop.post(ACT, "/v1/consent")).status == 201
        assert len(ledger.receipts) == 1


async def test_a_recorded_act_without_a_receipt_is_not_called_unaccepted() -> None:
    class NoReceipts(MemoryLedger):
        put_receipt = AwayLedger.put_receipt

    buffer = MemoryBuffer()
    async with collector(buffer=buffer, ledger=NoReceipts(buffer)) as shop:
        answer = await shop.post(ACT, "/v1/consent")
        assert (answer.status, answer.code) == (503, "receipt_unavailable")
        assert buffer.choices


async def test_a_beacon_may_bring_the_act_as_plain_text(shop: Collector) -> None:
    assert (await shop.post(ACT, "/v1/consent", content_type="text/plain;charset=UTF-8")).status == 201


@pytest.mark.parametrize(("method", "body"), [("POST", ACT), ("DELETE", WHO)])
async def test_an_act_is_never_put_off(method: str, body: dict[str, Any]) -> None:
    async with collector(ledger=AwayLedger()) as shop:
        answer = await shop.ask(method, "/v1/consent", body)
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert (await shop.ask("GET", f"/v1/consent/{'0' * 32}")).code == "store_unavailable"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_without_the_subject_key_nothing_is_recorded(method: str) -> None:
    async with collector(roots=NoRoots("subject")) as shop:
        answer = await shop.ask(method, "/v1/consent", ACT)
        assert (answer.status, answer.code) == (503, "keys_unavailable")
