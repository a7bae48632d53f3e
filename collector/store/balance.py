"""The balance: accepted = handed_over + dropped{reason} + dead{cause} + pending, per destination and site.

1. Counters change in the script that changes the state (append, settle), and are read in one step with it.
2. `pending` of a site follows from its counters; `waiting` of a destination is measured (stream and due-set).
   Their difference is `unaccounted`, and it is 0 unless somebody else touched the store.
3. A store that was emptied or rolled back has another epoch or smaller counters: the janitor's copy, fsynced in
   a file of its own, shows it as lost instead of as 0 = 0.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import redis.asyncio as redis

from collector.store import keyspace
from collector.store.connection import availability
from collector.store.master import sync_directory
from collector.store.scripts import BALANCE, COUNT


@dataclass(slots=True)
class SiteBalance:
    """Counts of one site at one destination."""

    accepted: int = 0
    handed_over: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """What must still be waiting."""
        return self.accepted - self.handed_over - sum(self.dropped.values()) - sum(self.dead.values())

    def add(self, kind: str, count: int) -> None:
        """Take in one counter, such as `dropped:withdrawn`; an unknown kind is a KeyError."""
        fate, _, why = kind.partition(":")
        if fate == "accepted":
            self.accepted += count
        elif fate == "handed_over":
            self.handed_over += count
        else:
            {"dropped": self.dropped, "dead": self.dead}[fate][why] = count


@dataclass(slots=True)
class DestinationBalance:
    """One destination: counts per site, and what was measured in the same instant."""

    sites: dict[str, SiteBalance] = field(default_factory=dict)
    in_stream: int = 0
    due: int = 0
    dead_letters: int = 0
    oldest_pending_ms: int | None = None
    """Age of the oldest among the next entries in line; None if nothing waits."""

    @property
    def waiting(self) -> int:
        """Measured: entries in the stream, in work ones included, and entries due later."""
        return self.in_stream + self.due

    @property
    def accepted(self) -> int:
        """Records accepted for this destination, all sites."""
        return sum(site.accepted for site in self.sites.values())

    @property
    def handed_over(self) -> int:
        """Records handed over, all sites."""
        return sum(site.handed_over for site in self.sites.values())

    @property
    def unaccounted(self) -> int:
        """Accepted records without a fate that are not there; negative: entries nobody accepted."""
        return sum(site.pending for site in self.sites.values()) - self.waiting


@dataclass(slots=True)
class Balance:
    """The balance of a shard at one instant (`taken_ms`, the store's clock)."""

    epoch: str
    taken_ms: int
    destinations: dict[str, DestinationBalance] = field(default_factory=dict)
    door: dict[str, dict[str, int]] = field(default_factory=dict)
    """What was not accepted: outcome to site to count."""

    @property
    def unaccounted(self) -> int:
        """All differences, none cancelling another."""
        return sum(abs(destination.unaccounted) for destination in self.destinations.values())

    def to_json(self) -> dict[str, Any]:
        """Plain values, the derived ones included."""
        made = asdict(self)
        made["unaccounted"] = self.unaccounted
        for name, destination in self.destinations.items():
            plain = made["destinations"][name]
            plain |= {"waiting": destination.waiting, "unaccounted": destination.unaccounted}
            for site, balance in destination.sites.items():
                plain["sites"][site]["pending"] = balance.pending
        return made

    @classmethod
    def from_json(cls, made: Mapping[str, Any]) -> "Balance":
        """The reverse of `to_json`; derived values are computed again. KeyError or TypeError if it is none."""
        destinations = {
            name: DestinationBalance(
                sites={
                    site: SiteBalance(**{key: value for key, value in counts.items() if key != "pending"})
                    for site, counts in plain["sites"].items()
                },
                **{key: plain[key] for key in ("in_stream", "due", "dead_letters", "oldest_pending_ms")},
            )
            for name, plain in made["destinations"].items()
        }
        return cls(made["epoch"], made["taken_ms"], destinations, made["door"])


async def read_balance(
    client: redis.Redis,
    destinations: Iterable[str],
    *,
    new_epoch: Callable[[], str] = lambda: secrets.token_hex(8),
    shard: int = 0,
) -> Balance:
    """Read it in one atomic step; raises StoreUnavailable. Destinations that were removed still show.

    A store without an epoch gets one: this is its first contact.
    """
    keys = (keyspace.counters(shard), keyspace.door(shard), keyspace.epoch(shard))
    prefixes = (keyspace.stream("", shard), keyspace.due("", shard), keyspace.dead("", shard))
    with availability():
        epoch, now, counted, door, measured = await BALANCE.run(client, keys, (new_epoch(), *prefixes, *destinations))
    balance = Balance(epoch.decode(), int(now))
    for name, in_stream, due, dead_letters, oldest in measured:
        age = max(0, balance.taken_ms - int(oldest)) if oldest else None
        balance.destinations[name.decode()] = DestinationBalance({}, in_stream, due, dead_letters, age)
    for text, count in _pairs(counted):
        kind, destination, site = text.split("|")
        balance.destinations[destination].sites.setdefault(site, SiteBalance()).add(kind, count)
    for text, count in _pairs(door):
        outcome, site = text.split("|")
        balance.door.setdefault(outcome, {})[site] = count
    return balance


async def count_door(
    client: redis.Redis, counts: Mapping[tuple[str, str], int], *, flush_id: str = "", shard: int = 0
) -> None:
    """Add to the door counters, (site, outcome) to count, all or none; raises StoreUnavailable: outcome unknown.

    Counts under the same `flush_id` are added once within FLUSH_SECONDS, however often they are handed in.
    """
    if not counts:
        return
    additions = [part for (site, outcome), count in counts.items() for part in (f"{outcome}|{site}", count)]
    keys = (keyspace.door(shard), keyspace.flush(flush_id or secrets.token_hex(8), shard))
    with availability():
        await COUNT.run(client, keys, (keyspace.FLUSH_SECONDS, *additions))


def _pairs(flat: list[bytes]) -> Iterable[tuple[str, int]]:
    for text, count in zip(flat[::2], flat[1::2], strict=True):
        yield text.decode(), int(count)


class BalanceCopy:
    """The janitor's copy of the last balance, in a file that survives the store."""

    @staticmethod
    def save(path: Path, balance: Balance) -> None:
        """Replace the copy durably."""
        draft = path.with_name(f".{path.name}.new")
        with draft.open("w", encoding="utf-8") as out:
            json.dump(balance.to_json(), out)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
        sync_directory(path.parent)

    @staticmethod
    def load(path: Path) -> Balance | None:
        """The last copy, or None if there is none yet; ValueError if the file is not one."""
        try:
            made = json.loads(path.read_text(encoding="utf-8"))
            return Balance.from_json(made)
        except FileNotFoundError:
            return None
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a copy of a balance: {error!r}") from error

    @staticmethod
    def compare(previous: Balance, current: Balance) -> dict[str, int]:
        """Records lost from outside since the copy, per destination; empty if nothing points to a loss.

        Another epoch: the store was emptied, and what was pending then is lost. Smaller counters: it was rolled
        back, and what it accepted in between is lost. Both are what is known to be missing, not an upper bound;
        a destination with 0 was touched as well.
        """
        if previous.epoch != current.epoch:
            return {
                name: sum(site.pending for site in destination.sites.values())
                for name, destination in previous.destinations.items()
            }
        lost: dict[str, int] = {}
        for name, then in previous.destinations.items():
            now = current.destinations.get(name, DestinationBalance())
            if _went_back(then, now):
                lost[name] = max(0, then.accepted - now.accepted)
        return lost


def _went_back(then: DestinationBalance, now: DestinationBalance) -> bool:
    return any(
        count > _counts(now.sites.get(site, SiteBalance())).get(kind, 0)
        for site, balance in then.sites.items()
        for kind, count in _counts(balance).items()
    )


def _counts(site: SiteBalance) -> dict[str, int]:
    fates = {f"dropped:{why}": count for why, count in site.dropped.items()}
    fates |= {f"dead:{why}": count for why, count in site.dead.items()}
    return {"accepted": site.accepted, "handed_over": site.handed_over, **fates}
