"""The public application as `serve` builds it, over a store in memory, and a reader of the curl examples in docs."""

import re
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
from starlette.types import ASGIApp, Message

from collector.app import Front, _commit_all, _cool_routes
from collector.configuration import Settings
from collector.first_run import TEMPLATE
from collector.intake.domains import DomainKeys
from collector.settings import parse
from collector.store.group_commit import GroupCommit
from collector.store.keyring import EphemeralKeyRing
from collector.store.memory import MemoryBuffer
from collector.store.sealing import SALT_BYTES, Sealer
from collector.store.withdrawals import Withdrawals
from collector.web.health import Health
from collector.web.ingest import Ingest
from collector.web.intake_desk import IntakeDesk
from collector.web.sites import Sites
from collector.web.whereabouts import Whereabouts
from tests.collector.web.whole import MemoryBook, MemoryLedger

FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOW = "$(date -u +%Y-%m-%dT%H:%M:%SZ)"


@dataclass(frozen=True)
class Example:
    """One curl command of a page."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def settings_of_up() -> Settings:
    """The configuration that the first `sluis up` writes."""
    return parse(TEMPLATE, Path("sluis.toml"), {})


def examples(text: str) -> list[Example]:
    """Every curl command in the fenced shell blocks of a page."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [_example(block.replace(NOW, now)) for block in FENCE.findall(text)]


def _example(block: str) -> Example:
    command, _, document = block.partition(" <<JSON\n")
    words = iter(shlex.split(command.replace("\\\n", " ")))
    assert next(words) == "curl"
    method, url, headers, data = "", "", dict[str, str](), list[str]()
    for word in words:
        match word:
            case "-s" | "-G":
                method = "GET" if word == "-G" else method
            case "-o" | "-D":
                next(words)
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name.lower()] = value
            case "-d" | "--data-urlencode":
                data.append(next(words))
            case _:
                url = word
    if method == "GET":
        return Example("GET", url + "?" + "&".join(quote(pair, safe="=") for pair in data), headers, b"")
    body = document.removesuffix("JSON\n") if data == ["@-"] else "".join(data)
    return Example(method or ("POST" if body else "GET"), url, headers, body.encode())


def answers(asked: Sequence[Example]) -> list[Answer]:
    """What the application answers, one example after the other, on one store."""
    return anyio.run(_answers, asked)


async def _answers(asked: Sequence[Example]) -> list[Answer]:
    settings, ring, ledger = settings_of_up(), EphemeralKeyRing(), MemoryLedger(MemoryBuffer())
    commits: Any = GroupCommit(_commit_all(MemoryBuffer().append), weigh=len)
    keys, sites, doors = DomainKeys(ring), Sites(settings), Counter[tuple[str, str]]()
    desk = IntakeDesk(
        keys=keys,
        sealer=Sealer(ring, bytes(SALT_BYTES)),
        commits=commits,
        ledger=ledger,  # type: ignore[arg-type]  # the same four methods, in memory
        limits=settings.limits,
        door=doors,
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    health = Health({"store": _well, "keys": _well})
    withdrawals = Withdrawals(ledger, MemoryBook(), settings.retention.receipt_days * 86_400)
    rest = _cool_routes(settings, sites, desk, withdrawals, keys, health, Whereabouts())
    app = Front(Ingest(sites, desk), rest)
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(commits.run)
        found = [await _ask(app, one) for one in asked]
        await commits.close()
    return found


async def _well() -> str | None:
    return None


async def _ask(app: ASGIApp, example: Example) -> Answer:
    parts = urlsplit(example.url)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": example.method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [
            (b"host", parts.netloc.encode()),
            *((name.encode(), value.encode()) for name, value in example.headers.items()),
        ],
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 1),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": example.body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return Answer(
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )
