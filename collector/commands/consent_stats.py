"""`sluis consent stats`: how often consent was granted, to whom, for what, where, and who decided. Numbers only."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console as Terminal
from rich.table import Table

from collector.configuration import Settings
from collector.options import STORE_AWAY, Config, Json, stop
from collector.settings import load
from collector.store.connection import StoreUnavailable, connect_readers
from collector.store.consent_counts import GRANTED, Said, read_consent
from collector.store.keyspace import CONSENT_DAYS
from consent.model import Reason

Days = Annotated[int, typer.Option(min=1, max=CONSENT_DAYS, help="So many days together, today (UTC) included.")]
SiteId = Annotated[str | None, typer.Option("--site", help="Which site; every one if absent.")]
UNKNOWN_REGION: Final = "unknown"
NOBODY: Final = "nobody"
_WIDE: Final = 160  # where nobody's screen ends the line
_COLUMNS: Final = ("Events", "Granted", "Unknown", "Expired")


@dataclass(slots=True)
class Rates:
    """Events asked about; of how many it was granted, nobody had said anything, and the choice was too old."""

    events: int = 0
    granted: int = 0
    unknown: int = 0
    expired: int = 0

    def add(self, answer: str, count: int) -> None:
        """Take in a counter."""
        self.events += count
        self.granted += count * (answer == GRANTED)
        self.unknown += count * (answer == Reason.CHOICE_UNKNOWN)
        self.expired += count * (answer == Reason.EXPIRED_CHOICE)

    def to_json(self) -> dict[str, Any]:
        """Counts and shares."""
        counts = {"events": self.events, "granted": self.granted, "unknown": self.unknown, "expired": self.expired}
        return counts | {f"{name}_share": self.share(name) for name in ("granted", "unknown", "expired")}

    def share(self, name: str) -> float:
        """Of all events, how many; 0.0 to 1.0."""
        return round(getattr(self, name) / self.events, 4) if self.events else 0.0


def stats(config: Config = None, json: Json = False, days: Days = 30, site: SiteId = None) -> None:
    """Show how often consent was granted: per site, recipient and purpose; then by region and by who decided.

    Unknown: nobody said anything. Expired: granted once, but too long ago; asking again may win it back.
    """
    settings = load(config)
    if site is not None and site not in {one.id for one in settings.site}:
        stop(f"There is no site {site!r}: {', '.join(one.id for one in settings.site)}.")
    try:
        counts = asyncio.run(_read(settings, last_days(datetime.now(UTC), days)))
    except StoreUnavailable as error:
        stop(f"The store does not answer: {error}", STORE_AWAY)
    chosen = {said: count for said, count in counts.items() if site in (None, said.site)}
    if json:
        typer.echo(orjson.dumps({"days": days, **report(chosen)}).decode())
    elif not chosen:
        typer.echo(f"No event was decided upon in {days} days.")
    else:
        _show(chosen)


def last_days(now: datetime, days: int) -> list[str]:
    """So many days, today included, as the store names them."""
    return [f"{now - timedelta(days=ago):%Y%m%d}" for ago in range(days)]


def report(counts: Mapping[Said, int]) -> dict[str, Any]:
    """Everything as plain values: totals, rows by region and signal, and the reasons of what was not granted."""
    return {
        "totals": [_named(_TOTAL, key) | rates.to_json() for key, rates in grouped(counts, _total)],
        "rows": [_named(_ROW, key) | rates.to_json() for key, rates in grouped(counts, _row)],
        "reasons": [
            _named(("site", "reason"), key) | {"answers": rates.events}
            for key, rates in grouped(counts, lambda said: (said.site, said.answer))
            if key[1] != GRANTED
        ],
    }


def grouped(
    counts: Mapping[Said, int], by: Callable[[Said], tuple[str, ...]]
) -> Iterable[tuple[tuple[str, ...], Rates]]:
    """Rates under what `by` tells apart, in alphabetical order."""
    groups: dict[tuple[str, ...], Rates] = {}
    for said, count in counts.items():
        groups.setdefault(by(said), Rates()).add(said.answer, count)
    return sorted(groups.items())


_TOTAL: Final = ("site", "recipient", "purpose")
_ROW: Final = (*_TOTAL, "region", "signal")


def _total(said: Said) -> tuple[str, ...]:
    return said.site, said.recipient, said.purpose


def _row(said: Said) -> tuple[str, ...]:
    return *_total(said), said.region or UNKNOWN_REGION, said.signal or NOBODY


def _named(names: tuple[str, ...], key: tuple[str, ...]) -> dict[str, Any]:
    return dict(zip(names, key, strict=True))


async def _read(settings: Settings, days: Iterable[str]) -> Counter[Said]:
    client = connect_readers(settings.store_url, settings.store.timeout_s, 1)
    try:
        return await read_consent(client, days)
    finally:
        with suppress(Exception):
            await client.aclose()


def _show(counts: Mapping[Said, int]) -> None:
    terminal = Terminal()
    if not terminal.is_terminal:
        terminal.width = _WIDE
    terminal.print(_table(("Site", "Recipient", "Purpose"), grouped(counts, _total)))
    terminal.print()
    terminal.print(_table(("Site", "Recipient", "Purpose", "Region", "Decided by"), grouped(counts, _row)))


def _table(names: tuple[str, ...], groups: Iterable[tuple[tuple[str, ...], Rates]]) -> Table:
    table = Table(box=None)
    for name in names:
        table.add_column(name, overflow="fold")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for key, rates in groups:
        table.add_row(*key, str(rates.events), *_shares(rates))
    return table


def _shares(rates: Rates) -> Iterator[str]:
    for name in ("granted", "unknown", "expired"):
        share = rates.share(name)
        yield f"{share:.1%}" if share else "0"
