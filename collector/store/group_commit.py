"""Group commit: what gathers while one commit is in flight makes the next one. Knows nothing of the store.

1. A caller hands in an item and waits; the commit belongs to `run`, never to a caller. A cancelled caller
   loses only its answer: its item is still committed.
2. The queue is bounded, by weight and by bytes; a full one refuses at once (QueueFull), so that the caller can say
   503 early.
3. No timer: an idle committer commits a single item without delay, a busy one commits many.
4. An error of a commit reaches every waiter of that batch as its own CommitFailed, whose cause is the error.
   The outcome is unknown then. Nothing is repeated here, and the next batch goes on.
5. An error that means *away* fails what is queued as well: it would wait for a time-out of its own, batch after
   batch, to hear the same.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class QueueFull(Exception):
    """There is no room for this item now, or the committer is stopping. Nothing was taken."""


class CommitFailed(Exception):
    """The commit this item was part of failed; `__cause__` says how. The outcome is unknown."""


Done = Callable[[R | CommitFailed], None]
"""Told once: the result, or why it is unknown."""


def one(_item: object) -> int:
    """The weight of an item when all weigh the same."""
    return 1


def nothing(_item: object) -> int:
    """The size of an item where bytes are not bounded."""
    return 0


class GroupCommit(Generic[T, R]):
    """Collects items and commits them together; `commit` answers one result per item, in order.

    `weigh` is what a batch and the queue are counted in, `size` the bytes of an item; `away` are the errors of rule 5;
    `after` is called when a commit is over and its waiters were told, for those who prepare the next one.
    """

    def __init__(
        self,
        commit: Callable[[list[T]], Awaitable[list[R]]],
        *,
        weigh: Callable[[T], int] = one,
        max_weight: int = 256,
        queue_weight: int = 20_000,
        size: Callable[[T], int] = nothing,
        max_queued_bytes: int = sys.maxsize,
        away: tuple[type[Exception], ...] = (),
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._commit = commit
        self._weigh = weigh
        self._size = size
        self._away = away
        self.after = after
        self.is_committing = False
        self._max_weight = max_weight
        self._queue_weight = queue_weight
        self._max_queued_bytes = max_queued_bytes
        self._queued: deque[tuple[T, Done[R], int, int]] = deque()
        self._weight = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    @property
    def queued(self) -> int:
        """The weight that waits for a commit, the one in flight not counted."""
        return self._weight

    async def submit(self, item: T) -> R:
        """Commit an item and answer its result; raises QueueFull at once, CommitFailed later.

        The future is only the answer: cancelling this call cancels the future, not the commit.
        """
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.put(item, partial(_resolve, answer))
        return await answer

    def put(self, item: T, done: Done[R]) -> None:
        """Commit an item and call `done` with its result or failure, from the committer; raises QueueFull at once.

        For those who have no task to wait in: a future and its wake-up cost more than a small commit.
        """
        weight, size = self._weigh(item), self._size(item)
        if self._closing:
            raise QueueFull("stopping")
        if self._weight + weight > self._queue_weight or self._bytes + size > self._max_queued_bytes:
            raise QueueFull(f"{self._weight} waiting, {self._bytes} bytes")
        self._queued.append((item, done, weight, size))
        self._weight += weight
        self._bytes += size
        self._wake.set()

    async def run(self) -> None:
        """Commit until closed. Cancelling it leaves outcomes unknown and says so to every waiter."""
        self._idle.clear()
        try:
            while not self._closing or self._queued:
                if self._queued:
                    await self._commit_batch()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._closing = True
            self._abandon(RuntimeError("the committer stopped"))
            self._idle.set()

    async def close(self) -> None:
        """Take no more, commit what is queued, stop. Without a running `run` the waiters are told."""
        self._closing = True
        self._wake.set()
        await self._idle.wait()
        self._abandon(RuntimeError("the committer stopped"))

    async def _commit_batch(self) -> None:
        items, waiting = self._take()
        self.is_committing = True
        try:
            results = await self._commit(items)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the waiters must learn of it
            _fail(waiting, error)
            if isinstance(error, self._away):
                self._abandon(error)
        except BaseException as error:
            _fail(waiting, error)
            raise
        else:
            if len(results) != len(items):
                _fail(waiting, RuntimeError(f"{len(results)} results for {len(items)} items"))
                return
            for done, result in zip(waiting, results, strict=True):
                _tell(done, result)
        finally:
            self.is_committing = False
            _guarded(self.after)

    def _take(self) -> tuple[list[T], list[Done[R]]]:
        """What is queued, up to max_weight; at least one item, however heavy."""
        queued, room = self._queued, self._max_weight
        items: list[T] = []
        waiting: list[Done[R]] = []
        while queued and (queued[0][2] <= room or not items):
            item, done, weight, size = queued.popleft()
            items.append(item)
            waiting.append(done)
            room -= weight
            self._weight -= weight
            self._bytes -= size
        return items, waiting

    def _abandon(self, cause: BaseException) -> None:
        waiting = [done for _, done, _, _ in self._queued]
        self._queued.clear()
        self._weight = self._bytes = 0
        _fail(waiting, cause)


def _fail(waiting: list[Done[R]], cause: BaseException) -> None:
    for done in waiting:
        failure = CommitFailed(f"{type(cause).__name__}: {cause}")
        failure.__cause__ = cause
        _tell(done, failure)


def _tell(done: Done[R], result: R | CommitFailed) -> None:
    """One waiter's fault is not the others'."""
    _guarded(done, result)


def _guarded(call: Callable[..., None], *arguments: object) -> None:
    """What is called from the committer must not end it."""
    try:
        call(*arguments)
    except Exception as error:  # noqa: BLE001 -- it is the caller's, and said where such faults are said
        context = {"message": "what was called by the committer failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


def _resolve(answer: asyncio.Future[R], result: R | CommitFailed) -> None:
    if answer.done():
        return
    if isinstance(result, CommitFailed):
        answer.set_exception(result)
    else:
        answer.set_result(result)
