"""`sluis consent show`: the latest choice that is recorded for a visitor, per site and identifier."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson
import typer

from collector.commands.consent_reading import moment, show_fields
from collector.commands.consent_visitor import (
    ChoiceId,
    ClientId,
    SiteId,
    Source,
    UserId,
    identifiers,
    references,
    sites_named,
)
from collector.configuration import Settings
from collector.console.app import duration
from collector.options import STORE_AWAY, Config, Json, stop
from collector.settings import load
from collector.store.connection import StoreUnavailable, connect_readers
from collector.store.recorded import Recorded, recorded
from consent.signals.site import DAY_MS


def show(
    source: Source = None,
    config: Config = None,
    json: Json = False,
    choice_id: ChoiceId = None,
    client_id: ClientId = None,
    user_id: UserId = None,
    site: SiteId = None,
) -> None:
    """Show what a visitor chose: when, for whom, until when it holds, and how many identifiers it is linked to.

    Options can be seen in the list of processes; identifiers on stdin cannot.
    """
    settings = load(config)
    about = identifiers(source, choice_id=choice_id, client_id=client_id, user_id=user_id)
    sites = sites_named(settings, site)
    subjects = references(settings, about, sites)
    try:
        found = asyncio.run(_recorded(settings, [one for named in subjects.values() for one in named.values()]))
    except StoreUnavailable as error:
        stop(f"The store does not answer: {error}", STORE_AWAY)
    now_ms, days = time.time_ns() // 1_000_000, {one.id: one.policy.choice_max_age_days for one in sites}
    whose = [(name, field) for name, named in subjects.items() for field in named]
    rows: list[dict[str, Any]] = [
        {"site": name, "identifier": field, "choice": _choice(one, now_ms, days[name])}
        for (name, field), one in zip(whose, found, strict=True)
    ]
    if json:
        typer.echo(orjson.dumps(rows))
        return
    for row in rows:
        title = f"{row['site']} {row['identifier']}"
        if row["choice"] is None:
            show_fields(f"{title}: no recorded choice", ())
        else:
            show_fields(title, _fields(row["choice"]))


async def _recorded(settings: Settings, subjects: list[bytes]) -> list[Recorded | None]:
    client = connect_readers(settings.store_url, settings.store.timeout_s, 1)
    try:
        return await recorded(client, subjects)
    finally:
        with suppress(Exception):
            await client.aclose()


def _choice(found: Recorded | None, now_ms: int, max_age_days: int) -> dict[str, Any] | None:
    """What is recorded as JSON. A row that cannot be read has no dates and grants nothing, as everywhere."""
    if found is None:
        return None
    decided_ms = found.choice.decided_ms
    expires_ms = decided_ms + max_age_days * DAY_MS
    readable = found.is_readable
    return {
        "decided_at": moment(decided_ms) if readable else None,
        "age_ms": max(0, now_ms - decided_ms) if readable else None,
        "expires_at": moment(expires_ms) if readable else None,
        "expired": expires_ms < now_ms,
        "granted": {who: sorted(what) for who, what in sorted(found.choice.granted.items())},
        "linked": found.linked,
    }


def _fields(choice: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if choice["decided_at"] is None:
        yield "unreadable", "what is recorded cannot be read: nothing is granted"
        return
    yield "decided", f"{choice['decided_at']}, {duration(choice['age_ms'])} ago"
    yield "expired" if choice["expired"] else "expires", choice["expires_at"]
    for recipient, granted in choice["granted"].items():
        yield f"granted to {recipient}", ", ".join(granted) or "nothing"
    if not choice["granted"]:
        yield "granted", "nothing to anybody"
    yield "linked", str(choice["linked"])
