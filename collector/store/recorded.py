"""What the ledger holds under one reference, with how many others it is linked to: for reports, not for decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

from collector.store import keyspace
from collector.store.connection import Client, availability, command
from collector.store.rows import UNREADABLE, decode, siblings_of
from consent.model import Choice


@dataclass(frozen=True, slots=True)
class Recorded:
    """The latest choice, and how many references were stated together with this one."""

    choice: Choice
    linked: int

    @property
    def is_readable(self) -> bool:
        """False for a row that cannot be read, and so grants nothing."""
        return self.choice is not UNREADABLE


async def recorded(client: Client, subjects: Sequence[bytes]) -> list[Recorded | None]:
    """Per 16-byte reference what is recorded, None where nothing is. Raises StoreUnavailable."""
    with availability():
        texts: list[bytes | None] = await command(client, "MGET", *[keyspace.choice(one) for one in subjects])
    return [None if text is None else Recorded(decode(text), len(siblings_of(text))) for text in texts]
