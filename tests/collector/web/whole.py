"""The public collector as `serve` builds it, with what is behind it open to be looked at and to be broken."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from starlette.types import ASGIApp

from collector.app import Front, _commit_all, _cool_routes
from collector.intake.domains import DomainKeys, Roots
from collector.intake.record import Record, from_bytes
from collector.store.buffer import Append, Buffer, Row, StoreUnavailable
from collector.store.entry import Entry
from collector.store.group_commit import GroupCommit
from collector.store.keyring import EphemeralKeyRing
from collector.store.ledger import Ledger
from collector.store.memory import MemoryBuffer
from collector.store.rows import newest
from collector.store.sealing import SALT_BYTES, Opener, Sealer
from collector.store.withdrawal_book import NotKept
from collector.store.withdrawals import Withdrawals
from collector.web.health import Health
from collector.web.ingest import Ingest
from collector.web.intake_desk import Commits, Door, IntakeDesk
from collector.web.sites import Sites
from collector.web.whereabouts import AddressFile, Whereabouts
from collector.web.witness import Witness
from consent.model import Choice
from tests.collector.intake.shop import CHROME, CONFIG, NOW_MS, configured
from tests.collector.web.asgi import Answer, ask

PAGE = {
    "host": "collect.shop.example",
    "origin": "https://shop.example",
    "content-type": "application/json",
    "user-agent": CHROME,
}


class MemoryLedger(Ledger):
    """The ledger of a MemoryBuffer: the same choices, decided by the same rule."""

    def __init__(self, buffer: MemoryBuffer) -> None:
        self._buffer = buffer
        self.receipts: dict[str, bytes] = {}
        self.looked_up = 0
        self.is_full = False
        """Whether choices are refused; receipts are not, so that it shows which comes first."""

    async def latest(self, subjects: Sequence[bytes]) -> list[Choice | None]:
        self.looked_up += 1
        return [self._buffer.choices.get(subject) for subject in subjects]

    async def record(self, rows: Sequence[Row], *, lives_s: int = 0) -> None:
        assert lives_s >= 0
        if self.is_full:
            raise StoreUnavailable("full")
        for row in rows:
            self._buffer.choices[row.subject] = newest(self._buffer.choices.get(row.subject), row)

    async def linked(self, subjects: Iterable[bytes]) -> dict[bytes, Choice | None]:
        return {one: self._buffer.choices.get(one) for one in subjects}

    async def put_receipt(self, receipt_id: str, receipt: bytes, ttl_s: int) -> None:
        assert ttl_s > 0
        self.receipts.setdefault(receipt_id, receipt)

    async def get_receipt(self, receipt_id: str) -> bytes | None:
        return self.receipts.get(receipt_id)


class AwayLedger(Ledger):
    """A ledger nobody can reach."""

    def __init__(self) -> None:
        pass

    async def _away(self, *_arguments: Any, **_named: Any) -> Any:
        raise StoreUnavailable("away")

    latest = record = linked = put_receipt = get_receipt = _away


class MemoryBook:
    """The file of withdrawals, as a list; `fault` is why it cannot be written."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, Row]] = []
        self.fault: NotKept | None = None

    async def keep(self, site: str, rows: Sequence[Row]) -> None:
        if self.fault is not None:
            raise self.fault
        self.kept += [(site, row) for row in rows]


async def away(_items: Sequence[Append]) -> list[tuple[bool, ...]]:
    """A buffer nobody can reach."""
    raise StoreUnavailable("away")


class NoRoots:
    """A key ring without some roots, or without any."""

    def __init__(self, missing: str = "") -> None:
        self._roots = EphemeralKeyRing()
        self._missing = missing

    def root(self, key_id: str) -> bytes | None:
        return None if key_id.startswith(self._missing) else self._roots.root(key_id)


@dataclass
class Collector:
    """The application, its store and its clock."""

    app: ASGIApp
    buffer: Buffer
    ledger: Ledger
    roots: Roots
    door: Door
    book: MemoryBook = field(default_factory=MemoryBook)
    now_ms: int = NOW_MS
    entries: list[Entry] = field(default_factory=list)

    async def post(self, body: Any, target: str = "/v1/events", /, **headers: str | None) -> Answer:
        """POST `body` as a page of the shop; bytes as they are, anything else as JSON."""
        return await self.ask("POST", target, body, **headers)

    async def ask(self, method: str, target: str, body: Any = b"", /, **headers: str | None) -> Answer:
        """Any request; header names are written with underscores, None leaves one out."""
        stated = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await ask(self.app, method, target, headers=PAGE | stated, chunks=[raw])

    async def result(self, event: Any, **headers: str | None) -> dict[str, Any]:
        """The one result of a 202."""
        answer = await self.post(event, **headers)
        assert answer.status == 202, answer
        (result,) = answer.json["results"]
        assert isinstance(result, dict)
        return result

    async def records(self, destination: str) -> list[Record]:
        """What was stored for a destination since the last look, opened."""
        claimed = await self.buffer.claim(destination, 1000, 0)
        self.entries += claimed
        opener = Opener(self.roots)
        return [from_bytes(opener.open(entry.sealed).plaintext) for entry in claimed]


@asynccontextmanager
async def collector(
    toml: str = CONFIG,
    *,
    buffer: Buffer | None = None,
    append: Callable[[Sequence[Append]], Any] | None = None,
    ledger: Ledger | None = None,
    roots: Roots | None = None,
    addresses: AddressFile | None = None,
    witnesses: Sequence[Witness] = (),
) -> AsyncIterator[Collector]:
    """A collector over a store in memory, or over what is given; `append` replaces the way into the buffer."""
    settings, ring, memory = configured(toml), roots or EphemeralKeyRing(), MemoryBuffer(clock=lambda: NOW_MS / 1000)
    chosen, reads = buffer or memory, ledger or MemoryLedger(memory)
    commits: Commits = GroupCommit(
        _commit_all(append or chosen.append), weigh=len, queue_weight=settings.store.queue_events
    )
    keys, sites = DomainKeys(ring), Sites(settings)
    made = Collector(app=away_app, buffer=chosen, ledger=reads, roots=ring, door=Counter())
    desk = IntakeDesk(
        keys=keys,
        sealer=Sealer(ring, bytes(SALT_BYTES)),
        commits=commits,
        ledger=reads,
        limits=settings.limits,
        door=made.door,
        now_ms=lambda: made.now_ms,
        witnesses=witnesses,
    )
    where = Whereabouts(settings.listen.region_header, addresses, settings.listen.trusted_proxies)
    withdrawals = Withdrawals(reads, made.book, settings.retention.receipt_days * 86_400)
    cool = _cool_routes(settings, sites, desk, withdrawals, keys, Health({}), where)
    made.app = Front(Ingest(sites, desk, where), cool)
    async with anyio.create_task_group() as group:
        group.start_soon(commits.run)
        await anyio.lowlevel.checkpoint()
        yield made
        await commits.close()


async def away_app(_scope: Any, _receive: Any, _send: Any) -> None:
    """Stands in until the application is built."""
    raise AssertionError("the application is not built yet")
