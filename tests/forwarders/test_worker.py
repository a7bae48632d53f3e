"""The life of a record at delivery: each way it can end, and what must never be sent."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from collector.intake.record import to_bytes
from collector.store.buffer import Dead, Dropped, Fate, HandedOver, Retry
from collector.store.sealing import Cause as Unread
from consent.model import ADS, NOTHING, Choice, Purpose, Regime
from forwarders.contract import Answer, Judgement, Skip, Verdict
from forwarders.retry import FAILURES_TO_OPEN, State
from forwarders.transport import Cause, TransportError
from tests.support.delivery import (
    ANALYTICS,
    HOUR_MS,
    NOW_MS,
    VISITOR,
    Answering,
    Bench,
    NotedBuffer,
    NotedLedger,
    NotedTransport,
    PlainDestination,
    a_record,
    until,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def never() -> Answer:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def no_connection() -> Answer:
    raise TransportError(Cause.CONNECT)


# ── Each verdict is one fate ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("judgement", "fate"),
    [
        (Judgement(Verdict.HANDED_OVER), HandedOver()),
        (Judgement(Verdict.REFUSED, "100_2804003"), Dead("100_2804003")),
        (Judgement(Verdict.REFUSED), Dead("refused")),
        (Judgement(Verdict.RETRY, "http_503"), Retry(NOW_MS + 500)),
        (Judgement(Verdict.RETRY, "http_429", 120.0), Retry(NOW_MS + 120_500)),
        (Judgement(Verdict.BROKEN, "190"), Retry(NOW_MS + 60_000)),
    ],
)
async def test_each_verdict_is_one_fate(judgement: Judgement, fate: Fate) -> None:
    bench = Bench(destination=PlainDestination(judgement=judgement))
    assert await bench.fate_of(a_record()) == fate
    assert [delivery.body for delivery in bench.transport.sent] == [b"purchase"]


async def test_no_answer_is_a_retry_that_waits_longer_with_each_attempt() -> None:
    assert await Bench(transport=NotedTransport(no_connection)).fate_of(a_record()) == Retry(NOW_MS + 500)
    fate = await Bench(transport=NotedTransport(no_connection)).fate_of(a_record(), attempt=5)
    assert fate == Retry(NOW_MS + 16_000)


async def test_a_retry_is_due_at_the_records_end_at_the_latest() -> None:
    almost = a_record(occurred_ms=NOW_MS - 72 * HOUR_MS + 1000)
    assert await Bench(transport=NotedTransport(no_connection)).fate_of(almost, attempt=50) == Retry(NOW_MS + 1000)


@pytest.mark.parametrize("moved", ["occurred_ms", "received_ms"])
async def test_a_record_at_its_maximum_age_is_dropped_and_nobody_is_asked(moved: str) -> None:
    bench = Bench()
    assert await bench.fate_of(a_record(**{moved: NOW_MS - 72 * HOUR_MS})) == Dropped("too_old")
    assert (bench.transport.sent, bench.ledger.asked) == ([], [])


async def test_what_the_destination_skips_is_dropped_with_its_reason() -> None:
    bench = Bench(destination=PlainDestination(skip=Skip.NO_CLIENT_ID))
    assert await bench.fate_of(a_record()) == Dropped("no_client_id")
    assert bench.transport.sent == []


@pytest.mark.parametrize("cause", [Unread.FORGED, Unread.UNKNOWN_FORMAT])
async def test_what_cannot_be_opened_is_a_dead_letter(cause: Unread) -> None:
    bench = Bench()
    bench.opener.unreadable[b"x"] = cause
    assert await bench.fate_of(b"x") == Dead(cause)


async def test_a_record_whose_day_key_is_destroyed_has_ended_on_time() -> None:
    bench = Bench()
    bench.opener.unreadable[b"x"] = Unread.KEY_DESTROYED
    assert await bench.fate_of(b"x") == Dropped("key_destroyed")


@pytest.mark.parametrize("inside", [b"no record", to_bytes(a_record(schema=99))])
async def test_what_is_no_record_of_this_version_is_a_dead_letter(inside: bytes) -> None:
    assert await Bench().fate_of(inside) == Dead("unknown_format")


async def test_a_record_for_another_destination_is_never_sent() -> None:
    bench = Bench()
    assert await bench.fate_of(to_bytes(a_record(destination="meta"))) == Dead("forged")
    assert bench.transport.sent == []


async def test_what_nobody_foresaw_is_a_dead_letter_and_its_text_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    assert await bench.fate_of(a_record(name="crash")) == Dead("internal_error")
    assert "unforeseen KeyError" in caplog.text
    assert "jane@example.com" not in caplog.text


# ── Consent, checked again ────────────────────────────────────────────────────────────────────────


async def test_a_withdrawal_between_claim_and_send_stops_the_record() -> None:
    bench = Bench()
    bench.ledger.choose(VISITOR, google=NOTHING)
    assert await bench.fate_of(a_record()) == Dropped("withdrawn")
    assert bench.transport.sent == []


async def test_it_is_the_ledgers_word_that_stops_a_withdrawn_record() -> None:
    """Negative control: asked of a ledger that always says yes, the same record leaves."""

    class AlwaysYes(NotedLedger):
        async def latest(self, subjects: Sequence[bytes]) -> Sequence[Choice | None]:
            return [Choice(NOW_MS, {"google": ANALYTICS}) for _ in subjects]

    bench = Bench(ledger=AlwaysYes())
    bench.ledger.choose(VISITOR, google=NOTHING)
    assert await bench.fate_of(a_record()) == HandedOver()
    assert len(bench.transport.sent) == 1


async def test_one_withdrawn_identifier_of_several_stops_the_record() -> None:
    bench = Bench()
    bench.ledger.choose(b"crm", google=NOTHING)
    assert await bench.fate_of(a_record(subjects=[VISITOR, b"crm"])) == Dropped("withdrawn")


async def test_no_recorded_choice_is_not_a_yes() -> None:
    assert await Bench().fate_of(a_record(subjects=[b"somebody else"])) == Dropped("choice_unknown")
    assert await Bench().fate_of(a_record(subjects=[])) == Dropped("choice_unknown")


async def test_where_opt_out_holds_no_recorded_choice_is_no_objection() -> None:
    elsewhere = a_record(subjects=[b"somebody else"], regime=Regime.OPT_OUT)
    assert await Bench().fate_of(elsewhere) == HandedOver()


async def test_a_policy_that_became_stricter_holds_for_records_that_wait() -> None:
    bench = Bench(required=ANALYTICS | {Purpose.AD_USER_DATA})
    bench.ledger.choose(VISITOR, google=ANALYTICS | ADS)
    assert await bench.fate_of(a_record()) == Dropped("purpose_not_granted")


async def test_a_grant_to_one_recipient_is_none_to_the_next_owner_of_the_destination() -> None:
    bench = Bench(recipient="another")
    bench.ledger.choose(VISITOR, google=ANALYTICS, another=ANALYTICS)
    assert await bench.fate_of(a_record()) == Dropped("recipient_not_covered")


async def test_a_purpose_this_version_does_not_know_grants_nothing() -> None:
    assert await Bench().fate_of(a_record(granted=["analytics"])) == Dropped("purpose_not_granted")


async def test_the_second_of_a_recheck_counts_from_before_the_ledger_was_asked() -> None:
    bench = Bench()
    asked_s = bench.clock.now_s
    bench.ledger.before_answering = lambda: setattr(bench.clock, "now_s", asked_s + 0.7)
    await bench.fate_of(a_record())
    assert bench.transport.write_by_s == [asked_s + 1.0]


async def test_a_record_that_waits_for_a_slot_is_rechecked_after_the_wait() -> None:
    """The visitor withdraws while the only slot is taken by another record."""
    first_may_end = asyncio.Event()

    async def slowly() -> Answer:
        await first_may_end.wait()
        return Answer(200)

    bench = Bench(transport=NotedTransport(slowly), concurrency=1)
    first, second = bench.buffer.put(a_record()), bench.buffer.put(a_record(name="late"))
    async with bench.running():
        await until(lambda: bool(bench.transport.sent))
        bench.ledger.choose(VISITOR, google=NOTHING)
        first_may_end.set()
        await bench.buffer.settled(2)
    assert bench.buffer.fates == {first: HandedOver(), second: Dropped("withdrawn")}
    assert [delivery.body for delivery in bench.transport.sent] == [b"purchase"]


async def test_records_in_flight_share_one_question_to_the_ledger() -> None:
    bench = Bench(concurrency=50)
    for number in range(100):
        bench.buffer.put(a_record(subjects=[VISITOR, b"%d" % (number % 3)]))
    bench.ledger.choices.update({b"%d" % n: Choice(NOW_MS, {"google": ANALYTICS}) for n in range(3)})
    async with bench.running():
        await bench.buffer.settled(100)
    assert set(bench.buffer.fates.values()) == {HandedOver()}
    assert len(bench.ledger.asked) <= 10
    assert all(len(set(asked)) == len(asked) for asked in bench.ledger.asked)


async def test_without_the_ledger_nothing_is_sent_until_it_answers_again() -> None:
    bench = Bench()
    bench.ledger.away = True
    bench.buffer.put(a_record())
    async with bench.running():
        await until(lambda: len(bench.ledger.asked) > 3)
        assert (bench.transport.sent, bench.buffer.fates) == ([], {})
        bench.ledger.away = False
        await bench.buffer.settled(1)
    assert len(bench.transport.sent) == 1


# ── The breaker ───────────────────────────────────────────────────────────────────────────────────


async def failing_bench(count: int, answer: Answering = no_connection) -> tuple[Bench, list[bytes]]:
    bench = Bench(transport=NotedTransport(answer), concurrency=1)
    return bench, [bench.buffer.put(a_record()) for _ in range(count)]


async def test_an_outage_opens_the_breaker_one_probe_goes_out_and_its_success_closes_it() -> None:
    bench, _ = await failing_bench(FAILURES_TO_OPEN + 30)
    async with bench.running() as worker:
        await until(lambda: worker.health.state is State.OPEN and not worker.health.in_flight)
        assert len(bench.transport.sent) == FAILURES_TO_OPEN
        assert worker.health.cause == "connect"
        claimed = sum(bench.buffer.claims)

        may_answer = asyncio.Event()

        async def when_told() -> Answer:
            await may_answer.wait()
            return Answer(200)

        bench.transport.answer = when_told
        bench.clock.now_s += 60
        await until(lambda: len(bench.transport.sent) > FAILURES_TO_OPEN)
        await asyncio.sleep(0.05)
        assert len(bench.transport.sent) == FAILURES_TO_OPEN + 1
        assert sum(bench.buffer.claims) == claimed + 1

        may_answer.set()
        await bench.buffer.settled(FAILURES_TO_OPEN + 30)
        await until(lambda: worker.health.state is State.RUNNING)
    handed_over = [fate for fate in bench.buffer.fates.values() if fate == HandedOver()]
    assert len(handed_over) >= 29


async def test_what_was_claimed_before_the_breaker_opened_waits_for_it_and_is_not_sent() -> None:
    bench = Bench(transport=NotedTransport(no_connection), concurrency=FAILURES_TO_OPEN)
    ids = [bench.buffer.put(a_record()) for _ in range(2 * FAILURES_TO_OPEN)]
    async with bench.running() as worker:
        await bench.buffer.settled(len(ids))
        assert worker.health.state is State.OPEN
    assert len(bench.transport.sent) == FAILURES_TO_OPEN
    assert bench.buffer.fates[ids[-1]] == Retry(NOW_MS + 3750)


async def test_a_probe_that_consent_stops_leaves_the_breaker_ready_for_the_next() -> None:
    bench, _ = await failing_bench(FAILURES_TO_OPEN)
    async with bench.running() as worker:
        await bench.buffer.settled(FAILURES_TO_OPEN)
        for name in ("withdrawn", "fresh"):
            bench.buffer.put(a_record(name=name, subjects=[name.encode()]))
        bench.ledger.choose(b"withdrawn", google=NOTHING)
        bench.ledger.choose(b"fresh", google=ANALYTICS)
        bench.transport.answer = NotedTransport().answer
        bench.clock.now_s += 60
        await bench.buffer.settled(FAILURES_TO_OPEN + 2)
        assert worker.health.state is State.RUNNING
    assert [delivery.body for delivery in bench.transport.sent][FAILURES_TO_OPEN:] == [b"fresh"]


async def test_an_outage_never_kills_a_record() -> None:
    fate = await Bench(transport=NotedTransport(no_connection)).fate_of(a_record(), attempt=100_000)
    assert fate == Retry(NOW_MS + 450_000)


async def test_a_broken_set_up_parks_the_destination_keeps_its_events_and_tells_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = PlainDestination(judgement=Judgement(Verdict.BROKEN, "190"))
    bench = Bench(destination=broken, concurrency=4)
    for _ in range(4):
        bench.buffer.put(a_record())
    async with bench.running() as worker:
        await bench.buffer.settled(4)
        assert (worker.health.state, worker.health.cause) == (State.PARKED, "190")
        sent = len(bench.transport.sent)
        for _ in range(20):
            bench.buffer.put(a_record())
        bench.clock.now_s += 60
        await asyncio.sleep(0.05)
        assert len(bench.transport.sent) == sent
        assert sum(bench.buffer.claims) <= 8 + 4, "at most the claim that was under way"
    assert all(isinstance(fate, Retry) for fate in bench.buffer.fates.values())
    told = [line for line in caplog.records if line.levelno >= logging.ERROR]
    assert [line.getMessage() for line in told] == ["destination ga4 parked: 190"]


async def test_a_crash_while_probing_does_not_leave_the_destination_waiting_for_ever() -> None:
    bench, _ = await failing_bench(FAILURES_TO_OPEN)

    async def crash() -> Answer:
        raise ValueError("a bug")

    async with bench.running() as worker:
        await bench.buffer.settled(FAILURES_TO_OPEN)
        for answer in (crash, NotedTransport().answer):
            bench.transport.answer = answer
            bench.clock.now_s += 60
            bench.buffer.put(a_record())
            settled = len(bench.buffer.fates)
            await bench.buffer.settled(settled + 1)
        assert worker.health.state is State.RUNNING


# ── Bounds, independence, the store, the end ──────────────────────────────────────────────────────


async def test_never_more_than_twice_the_concurrency_is_in_flight() -> None:
    bench = Bench(transport=NotedTransport(never), concurrency=3)
    for _ in range(50):
        bench.buffer.put(a_record())
    async with bench.running() as worker:
        await asyncio.sleep(0.05)
        assert worker.health.in_flight == 6
        assert bench.transport.most_at_work == 3


async def test_a_destination_that_never_answers_does_not_slow_another() -> None:
    buffer = NotedBuffer()
    dead = Bench(buffer=buffer, transport=NotedTransport(never))
    alive = Bench(buffer=buffer, destination=PlainDestination(name="stdout"))
    for _ in range(100):
        buffer.put(a_record())
        buffer.put(a_record(destination="stdout"))
    async with dead.running(), alive.running():
        await buffer.settled(100)
    assert len(alive.transport.sent) == 100
    assert set(buffer.fates.values()) == {HandedOver()}


async def test_while_the_store_is_away_the_worker_waits_and_goes_on_afterwards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.buffer.away = 3
    assert await bench.fate_of(a_record()) == HandedOver()
    assert bench.buffer.away == 0
    assert caplog.text.count("the store is away") == 1


async def test_a_hand_over_is_settled_when_the_store_is_back_and_not_sent_again() -> None:
    bench = Bench()

    async def store_goes_away() -> Answer:
        bench.buffer.away = 3
        return Answer(200)

    bench.transport.answer = store_goes_away
    assert await bench.fate_of(a_record()) == HandedOver()
    assert len(bench.transport.sent) == 1


async def test_on_cancellation_what_is_in_flight_is_finished_and_settled_and_nothing_more_is_claimed() -> None:
    async def in_a_moment() -> Answer:
        await asyncio.sleep(0.02)
        return Answer(200)

    bench = Bench(transport=NotedTransport(in_a_moment), concurrency=2, grace_s=2)
    for _ in range(20):
        bench.buffer.put(a_record())
    async with bench.running():
        await until(lambda: bool(bench.transport.sent))
    assert len(bench.buffer.fates) == 4
    assert set(bench.buffer.fates.values()) == {HandedOver()}


async def test_what_outlasts_the_grace_is_not_settled_and_so_stays_pending() -> None:
    bench = Bench(transport=NotedTransport(never))
    bench.buffer.put(a_record())
    async with bench.running():
        await until(lambda: bool(bench.transport.sent))
    assert bench.buffer.fates == {}


async def test_health_tells_when_something_was_last_handed_over() -> None:
    bench = Bench()
    bench.buffer.put(a_record())
    async with bench.running() as worker:
        assert worker.health.handed_over_ms == 0
        await bench.buffer.settled(1)
        assert (worker.health.state, worker.health.handed_over_ms) == (State.RUNNING, NOW_MS)
