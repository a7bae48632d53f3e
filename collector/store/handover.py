"""Counts that gather in a process and are handed to the store now and then, each exactly once.

What was handed over without an answer is handed over again under its own id before anything else, and the store
counts an id once.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from collector.store.connection import StoreUnavailable

T = TypeVar("T")


class Handover(Generic[T]):
    """`take` empties what gathered and answers it, something false if nothing did; `send` hands it over under an id."""

    def __init__(self, take: Callable[[], T], send: Callable[[T, str], Awaitable[None]]) -> None:
        self._take = take
        self._send = send
        self._unsent: tuple[T, str] | None = None

    async def flush(self) -> None:
        """Hand over what gathered, or what is unanswered. Without the store both wait for the next time."""
        if self._unsent is None:
            taken = self._take()
            if not taken:
                return
            self._unsent = taken, secrets.token_hex(8)
        try:
            await self._send(*self._unsent)
        except StoreUnavailable:
            return
        self._unsent = None
