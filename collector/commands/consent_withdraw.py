"""`sluis consent withdraw`: what `DELETE /v1/consent` does, for whoever answers a visitor's letter.

Rules
1. The very act of the public interface (withdrawals.py): everything, under these identifiers and those linked; written
   down beside the store, with a receipt, and with whom to tell. So it runs as the user of `serve` and on its machine:
   the janitor has to be able to read what is written down here.
2. Without `--site` it is done at every configured site, also where nothing is recorded: a statement may still be on
   its way, and a denial is remembered. References are keyed per site, so each is a withdrawal of its own.
3. It asks first. Where there is no terminal to ask on, `--yes` has to be said.
4. What was done is printed even if the store or the disk failed after it; the sentence names what was not done.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

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
from collector.intake.site import Site
from collector.options import STORE_AWAY, UNUSABLE, Config, Json, stop
from collector.settings import load
from collector.store.connection import StoreUnavailable, connect_readers
from collector.store.ledger import Ledger
from collector.store.withdrawal_book import NotKept, WithdrawalBook
from collector.store.withdrawals import Withdrawals


@dataclass(slots=True)
class Outcome:
    """What was withdrawn, in the fields of the public interface, and why the rest was not."""

    done: list[dict[str, Any]] = field(default_factory=list)
    fault: StoreUnavailable | NotKept | None = None


def withdraw(
    source: Source = None,
    config: Config = None,
    json: Json = False,
    choice_id: ChoiceId = None,
    client_id: ClientId = None,
    user_id: UserId = None,
    site: SiteId = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")] = False,
) -> None:
    """Withdraw everything a visitor granted, under these identifiers and those linked to them, and say whom to tell.

    Run it as the user that runs `sluis serve`. Options can be seen in the list of processes; identifiers on stdin
    cannot. Exit code 1 if you say no.
    """
    settings = load(config)
    about = identifiers(source, choice_id=choice_id, client_id=client_id, user_id=user_id)
    sites = sites_named(settings, site)
    subjects = references(settings, about, sites)
    if not yes:
        _ask(sites, len(subjects[sites[0].id]))
    outcome = asyncio.run(_withdraw(settings, sites, subjects))
    _show(outcome.done, json=json)
    if outcome.fault is not None:
        rest = ", ".join(one.id for one in sites[len(outcome.done) :])
        is_away = isinstance(outcome.fault, StoreUnavailable)
        whose = "The store" if is_away else "The file of withdrawals"
        sentence = f"Not withdrawn, or not for certain, at {rest}: do it again. {whose}: {outcome.fault}"
        stop(sentence, STORE_AWAY if is_away else UNUSABLE)


def _ask(sites: Sequence[Site], identified_by: int) -> None:
    if not sys.stdin.isatty():
        stop("There is no terminal to ask on: say --yes.")
    whose = "this identifier" if identified_by == 1 else f"these {identified_by} identifiers"
    where = ", ".join(site.id for site in sites)
    typer.confirm(f"Withdraw everything under {whose} at {where}?", abort=True, err=True)


async def _withdraw(settings: Settings, sites: Sequence[Site], subjects: Mapping[str, Mapping[str, bytes]]) -> Outcome:
    outcome = Outcome()
    client = connect_readers(settings.store_url, settings.store.timeout_s, 1)
    book = WithdrawalBook(settings.var / "withdrawals", "consent")
    withdrawals = Withdrawals(Ledger(client), book, settings.retention.receipt_days * 86_400)
    try:
        for site in sites:
            now_ms = time.time_ns() // 1_000_000
            made, reached = await withdrawals.withdraw(site, subjects[site.id].values(), now_ms)
            said = {"site": site.id, "withdrawn_at": moment(now_ms), "identifiers": reached}
            outcome.done.append(said | {name: made[name] for name in ("receipt_id", "notify")})
    except (StoreUnavailable, NotKept) as fault:
        outcome.fault = fault
    finally:
        book.close()
        with suppress(Exception):
            await client.aclose()
    return outcome


def _show(done: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    if json:
        typer.echo(orjson.dumps(done))
        return
    for one in done:
        count = one["identifiers"]
        under = "1 reference" if count == 1 else f"{count} references"
        show_fields(f"{one['site']}: withdrawn at {one['withdrawn_at']}, under {under}.", _fields(one))


def _fields(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "receipt", one["receipt_id"]
    for told in one["notify"]:
        purposes = ", ".join(told["purposes"]) or "what silence allows"
        since = f", from {told['granted_at']}" if told["granted_at"] else ""
        yield f"tell {told['recipient']}", f"{purposes}{since} until {told['until']}"
