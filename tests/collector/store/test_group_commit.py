"""Group commit: what it promises to callers, with commits that are slow, fail, or never come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from collector.store.group_commit import CommitFailed, GroupCommit, QueueFull

pytestmark = pytest.mark.anyio


class Journal:
    """Remembers batches; can be slow, and can fail for chosen items."""

    def __init__(self, fails: Callable[[int], bool] = lambda _: False) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._fails = fails

    async def commit(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        await self.gate.wait()
        await asyncio.sleep(0)
        if any(map(self._fails, items)):
            raise OSError("the disk is gone")
        return [item * 10 for item in items]

    @property
    def stored(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


@asynccontextmanager
async def running(group: GroupCommit[int, int]) -> AsyncIterator[None]:
    task = asyncio.create_task(group.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        await group.close()
        await task


async def test_a_single_item_is_committed_without_waiting_for_others() -> None:
    journal = Journal()
    group = GroupCommit(journal.commit)
    async with running(group):
        assert await group.submit(4) == 40
    assert journal.batches == [[4]]


async def test_what_gathers_during_a_commit_is_the_next_batch() -> None:
    journal = Journal()
    journal.gate.clear()
    group = GroupCommit(journal.commit)
    async with running(group):
        calls = [asyncio.create_task(group.submit(item)) for item in range(3)]
        await asyncio.sleep(0.01)
        calls += [asyncio.create_task(group.submit(item)) for item in range(3, 10)]
        await asyncio.sleep(0.01)
        assert journal.batches == [[0, 1, 2]]
        journal.gate.set()
        assert await asyncio.gather(*calls) == [item * 10 for item in range(10)]
    assert journal.batches == [[0, 1, 2], [3, 4, 5, 6, 7, 8, 9]]


async def test_a_batch_holds_no_more_than_its_weight_but_always_one_item() -> None:
    journal = Journal()
    journal.gate.clear()
    group = GroupCommit(journal.commit, weigh=lambda item: item, max_weight=5)
    async with running(group):
        calls = [asyncio.create_task(group.submit(item)) for item in (1, 2, 2, 1, 9, 1)]
        await asyncio.sleep(0.01)
        journal.gate.set()
        await asyncio.gather(*calls)
    assert journal.batches == [[1, 2, 2], [1], [9], [1]]


async def test_of_a_thousand_callers_those_beyond_the_queue_are_refused_at_once() -> None:
    journal = Journal()
    journal.gate.clear()
    group = GroupCommit(journal.commit, queue_weight=200)
    async with running(group):
        calls = [asyncio.create_task(group.submit(item)) for item in range(1000)]
        await asyncio.sleep(0.01)
        for call in calls[:70:7]:
            call.cancel()
        journal.gate.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, QueueFull)]
    cancelled = [answer for answer in answers if isinstance(answer, asyncio.CancelledError)]
    acknowledged = [item for item, answer in enumerate(answers) if answer == item * 10]
    assert (len(refused), len(cancelled), len(acknowledged)) == (800, 10, 190)
    assert sorted(journal.stored) == list(range(200)), "a cancelled caller's item is committed all the same"


async def test_an_error_reaches_every_waiter_of_its_batch_and_the_next_batch_goes_on() -> None:
    journal = Journal(fails=lambda item: item == 1)
    group = GroupCommit(journal.commit)
    async with running(group):
        answers = await asyncio.gather(*(group.submit(item) for item in range(3)), return_exceptions=True)
        assert await group.submit(7) == 70
    assert [type(answer) for answer in answers] == [CommitFailed] * 3
    assert len({id(answer) for answer in answers}) == 3
    assert all(isinstance(answer.__cause__, OSError) for answer in answers)  # type: ignore[union-attr]


async def test_what_waits_for_a_store_that_is_away_fails_with_the_commit_that_found_it_away() -> None:
    """Callers wait for one time-out, not for one per batch before theirs."""
    journal = Journal(fails=lambda item: item == 0)
    journal.gate.clear()
    group = GroupCommit(journal.commit, max_weight=2, away=(OSError,), size=lambda item: item, max_queued_bytes=1000)
    async with running(group):
        calls = [asyncio.create_task(group.submit(item)) for item in range(9)]
        await asyncio.sleep(0.01)
        journal.gate.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [CommitFailed] * 9
        assert journal.batches == [[0, 1]]
        assert group.queued == 0
        assert await group.submit(1000) == 10_000, "the next one finds an empty queue, in bytes as well"


async def test_an_error_of_one_batch_leaves_what_is_queued_alone() -> None:
    journal = Journal(fails=lambda item: item == 0)
    group = GroupCommit(journal.commit, max_weight=2, away=(TimeoutError,))
    async with running(group):
        answers = await asyncio.gather(*(group.submit(item) for item in range(4)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [CommitFailed, CommitFailed, int, int]


async def test_a_queue_is_bounded_in_bytes_too() -> None:
    journal = Journal()
    journal.gate.clear()
    group = GroupCommit(journal.commit, size=lambda item: item, max_queued_bytes=100)
    async with running(group):
        calls = [asyncio.create_task(group.submit(item)) for item in (60, 40)]
        await asyncio.sleep(0.01)
        calls += [asyncio.create_task(group.submit(item)) for item in (100, 99, 1)]  # what is in flight is not queued
        await asyncio.sleep(0.01)
        journal.gate.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, QueueFull) for answer in answers] == [False, False, False, True, True]


async def test_a_commit_with_the_wrong_number_of_results_is_a_failure() -> None:
    async def forgetful(items: list[int]) -> list[int]:
        return items[1:]

    group = GroupCommit(forgetful)
    async with running(group):
        with pytest.raises(CommitFailed, match="0 results for 1 items"):
            await group.submit(1)


async def test_closing_commits_what_is_queued_and_takes_no_more() -> None:
    journal = Journal()
    journal.gate.clear()
    group = GroupCommit(journal.commit, max_weight=2)
    task = asyncio.create_task(group.run())
    calls = [asyncio.create_task(group.submit(item)) for item in range(5)]
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(group.close())
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="stopping"):
        await group.submit(9)
    journal.gate.set()
    await closing
    await task
    assert await asyncio.gather(*calls) == [0, 10, 20, 30, 40]
    assert group.queued == 0


async def test_a_cancelled_committer_tells_every_waiter_that_the_outcome_is_unknown() -> None:
    journal = Journal()
    journal.gate.clear()
    group = GroupCommit(journal.commit, max_weight=2)
    task = asyncio.create_task(group.run())
    calls = [asyncio.create_task(group.submit(item)) for item in range(5)]
    await asyncio.sleep(0.01)
    task.cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [CommitFailed] * 5
    assert task.cancelled() or task.cancelling()


async def test_closing_without_a_committer_tells_the_waiters() -> None:
    group = GroupCommit(Journal().commit)
    call = asyncio.create_task(group.submit(1))
    await asyncio.sleep(0)
    await group.close()
    with pytest.raises(CommitFailed, match="the committer stopped"):
        await call


async def test_a_fault_of_who_prepares_the_next_commit_does_not_end_the_committer() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))

    def broken() -> None:
        raise RuntimeError("broken")

    group = GroupCommit(Journal().commit, after=broken)
    async with running(group):
        assert [await group.submit(item) for item in (1, 2)] == [10, 20]
    assert len(told) == 2


async def test_a_waiters_fault_is_its_own() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))

    def broken(_result: object) -> None:
        raise RuntimeError("broken")

    group = GroupCommit(Journal().commit)
    async with running(group):
        group.put(1, broken)
        assert await group.submit(2) == 20
        assert await group.submit(3) == 30
    assert len(told) == 1
