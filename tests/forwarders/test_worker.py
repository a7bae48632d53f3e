"""The life of a record at delivery: each way it can end, and what must never be sent."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest

from collector.intake.record import to_bytes
from collector.intake.site import Site
from collector.store.buffer import Dead, Dropped, Entry, Fate, HandedOver, Retry, StoreUnavailable
from collector.store.restoring import NotRestored
from collector.store.sealing import Cause as Unread
from consent.model import ADS, NOTHING, Choice, Purpose, Regime
from forwarders.contract import Answer, Judgement, Skip, Verdict
from forwarders.retry import FAILURES_TO_OPEN, State
from forwarders.transport import Cause, TransportError
from forwarders.worker import Worker, cancel_until_done
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
    a_site,
    until,
)

pytestmark = pytest.mark.anyio
T = TypeVar("T")


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


async def test_a_record_whose_day_key_cannot_be_read_waits_until_it_is_mended() -> None:
    bench = Bench()
    bench.opener.unreadable[b"x"] = Unread.KEY_UNREADABLE
    assert await bench.fate_of(b"x") == Retry(NOW_MS + 60_000)


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


async def test_a_choice_that_has_expired_meanwhile_stops_the_record() -> None:
    bench = Bench()
    bench.ledger.choices[VISITOR] = Choice(NOW_MS - 184 * 24 * HOUR_MS, {"google": ANALYTICS})
    assert await bench.fate_of(a_record()) == Dropped("expired_choice")
    assert bench.transport.sent == []


async def test_it_is_todays_policy_that_says_how_long_a_choice_holds() -> None:
    """Control: the same choice, where the site allows more time."""
    old = Choice(NOW_MS - 184 * 24 * HOUR_MS, {"google": ANALYTICS})
    site = a_site("ga4")
    bench = Bench(site=replace(site, policy=replace(site.policy, choice_max_age_days=200)))
    bench.ledger.choices[VISITOR] = old
    assert await bench.fate_of(a_record()) == HandedOver()


async def test_a_recipient_that_the_latest_choice_does_not_know_gets_nothing() -> None:
    bench = Bench()
    bench.ledger.choose(VISITOR, meta=ADS)
    assert await bench.fate_of(a_record()) == Dropped("recipient_not_named")


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


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (replace(a_site("ga4"), id="another"), "site_removed"),
        (a_site("stdout"), "destination_removed"),
        (a_site("ga4", ads=True, for_children=True), "children"),
    ],
)
async def test_what_the_site_has_changed_since_holds_for_records_that_wait(site: Site, reason: str) -> None:
    bench = Bench(site=site)
    assert await bench.fate_of(a_record()) == Dropped(reason)
    assert (bench.transport.sent, bench.ledger.asked) == ([], [])


async def test_a_site_for_children_still_measures_without_advertising() -> None:
    assert await Bench(site=a_site("ga4", for_children=True)).fate_of(a_record()) == HandedOver()


async def test_a_site_that_asks_now_does_not_send_what_nobody_was_asked_about() -> None:
    elsewhere = a_record(subjects=[b"somebody else"], regime=Regime.OPT_OUT)
    asks_now = a_site("ga4", elsewhere=Regime.OPT_IN)
    assert await Bench(site=asks_now).fate_of(elsewhere) == Dropped("choice_unknown")
    assert await Bench(site=asks_now).fate_of(a_record(regime=Regime.OPT_OUT)) == HandedOver(), "this one has agreed"


async def test_a_site_that_asks_no_more_does_not_waive_the_question_for_records_that_wait() -> None:
    assert await Bench().fate_of(a_record(subjects=[b"somebody else"])) == Dropped("choice_unknown")


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


async def test_records_that_wait_for_a_parked_destination_are_due_within_a_minute() -> None:
    """The token is mended and the process started again: it should not wait for its own records."""
    bench = Bench(destination=PlainDestination(judgement=Judgement(Verdict.BROKEN, "190")), concurrency=1)
    for _ in range(3):
        bench.buffer.put(a_record())
    async with bench.running() as worker:
        await bench.buffer.settled(2)
        assert worker.health.state is State.PARKED
    assert set(bench.buffer.fates.values()) == {Retry(NOW_MS + 60_000)}


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


async def test_until_withdrawals_are_restored_nothing_leaves_and_health_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Emptied(NotedLedger):
        is_restored = False

        async def latest(self, subjects: Sequence[bytes]) -> Sequence[Choice | None]:
            found = await super().latest(subjects)
            if not self.is_restored:
                raise NotRestored(NotRestored.why)
            return found

    ledger = Emptied()
    bench = Bench(ledger=ledger)
    bench.ledger.choose(VISITOR, google=ANALYTICS)
    for _ in range(3):
        bench.buffer.put(a_record())
    async with bench.running() as worker:
        await until(lambda: len(ledger.asked) > 6)
        assert (bench.transport.sent, bench.buffer.fates) == ([], {})
        assert worker.health.cause == NotRestored.why
        assert "janitor" in NotRestored.why
        ledger.is_restored = True
        await bench.buffer.settled(3)
        assert worker.health.cause == ""
    assert len(bench.transport.sent) == 3
    assert caplog.text.count(NotRestored.why) == 1
    assert "the store is away" not in caplog.text


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


async def test_told_to_stop_what_is_in_flight_is_finished_and_settled_and_nothing_more_is_claimed() -> None:
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


# What Python 3.11's asyncio.wait_for does to a cancellation that comes just as the answer does: it is gone.


@dataclass(slots=True)
class ForgetfulBuffer(NotedBuffer):
    """Loses the first cancellation of each call."""

    async def claim(self, destination: str, count: int, block_ms: int) -> list[Entry]:
        return await losing_one_cancellation(NotedBuffer.claim(self, destination, count, block_ms), [])

    async def settle(self, destination: str, fates: Sequence[tuple[Entry, Fate]]) -> int:
        return await losing_one_cancellation(NotedBuffer.settle(self, destination, fates), 0)


@dataclass(slots=True)
class ForgetfulLedger(NotedLedger):
    """Never answers, and loses the first cancellation."""

    async def latest(self, *_: Any, **__: Any) -> Sequence[Choice | None]:
        await losing_one_cancellation(never(), Answer(503))
        raise StoreUnavailable("too late")


async def losing_one_cancellation(call: Awaitable[T], answer: T) -> T:
    try:
        return await call
    except asyncio.CancelledError:
        return answer


async def ends(worker: Worker, running: asyncio.Task[None], within_s: float) -> bool:
    worker.stop()
    running.cancel()
    await asyncio.wait([running], timeout=within_s)
    return running.done()


async def test_a_worker_ends_though_its_cancellation_was_lost_in_a_claim() -> None:
    bench = Bench(buffer=ForgetfulBuffer())
    worker = bench.worker()
    running = asyncio.create_task(worker.run())
    await until(lambda: bool(bench.buffer.claims))
    assert await ends(worker, running, within_s=1)


async def test_a_worker_ends_without_being_cancelled_and_claims_nothing_more() -> None:
    bench = Bench()
    worker = bench.worker()
    running = asyncio.create_task(worker.run())
    await until(lambda: bool(bench.buffer.claims))
    worker.stop()
    bench.buffer.put(a_record())
    async with asyncio.timeout(1):
        await running
    assert (bench.transport.sent, len(bench.buffer.claims)) == ([], 1)


async def test_a_worker_ends_though_the_store_is_away_and_cancellations_are_lost_while_sending() -> None:
    async def answers_when_cancelled() -> Answer:
        return await losing_one_cancellation(never(), Answer(200))

    bench = Bench(buffer=ForgetfulBuffer(), transport=NotedTransport(answers_when_cancelled))
    bench.buffer.put(a_record())
    worker = bench.worker()
    running = asyncio.create_task(worker.run())
    await until(lambda: bool(bench.transport.sent))
    bench.buffer.away = 10**9
    assert await ends(worker, running, within_s=3)
    assert bench.buffer.fates == {}


async def test_a_worker_ends_though_the_ledger_hangs_and_loses_a_cancellation() -> None:
    bench = Bench(ledger=ForgetfulLedger())
    bench.buffer.put(a_record())
    worker = bench.worker()
    running = asyncio.create_task(worker.run())
    await until(lambda: worker.health.in_flight == 1)
    worker.stop()
    await asyncio.wait([running], timeout=4)
    assert running.done()
    assert bench.transport.sent == []


async def test_what_needs_a_ledger_that_is_away_stays_pending_when_the_worker_is_told_to_stop() -> None:
    bench = Bench(grace_s=60)
    bench.ledger.away = True
    bench.buffer.put(a_record())
    worker = bench.worker()
    running = asyncio.create_task(worker.run())
    await until(lambda: bool(bench.ledger.asked))
    assert await ends(worker, running, within_s=1), "it does not sit out its grace"
    assert (bench.transport.sent, bench.buffer.fates) == ([], {})


async def test_a_worker_whose_claims_fail_for_good_ends_with_the_error() -> None:
    class Broken(NotedBuffer):
        async def claim(self, *_: Any, **__: Any) -> list[Entry]:
            raise TypeError("WRONGTYPE")

    with pytest.raises(TypeError):
        await Bench(buffer=Broken()).worker().run()


async def test_a_task_that_ignores_its_first_cancellations_is_cancelled_again() -> None:
    async def stubborn() -> None:
        for _ in range(3):
            await losing_one_cancellation(never(), Answer(503))

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    assert await cancel_until_done([task]) == set()
    assert task.done()


async def test_health_tells_when_something_was_last_handed_over() -> None:
    bench = Bench()
    bench.buffer.put(a_record())
    async with bench.running() as worker:
        assert worker.health.handed_over_ms == 0
        await bench.buffer.settled(1)
        assert (worker.health.state, worker.health.handed_over_ms) == (State.RUNNING, NOW_MS)
