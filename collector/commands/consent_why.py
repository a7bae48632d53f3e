"""`sluis consent why`: why one event was sent, or not, from the decision records of this machine.

The event id is made into its references, looked up, and not printed. Reasons of delivery are declared by their owners
under the entry point `sluis.reasons`, because this package does not know those who deliver.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Annotated, Any, Final

import orjson
import typer

from collector.commands.meanings import comments
from collector.configuration import Settings
from collector.intake.domains import DomainKeys, KeyMissing
from collector.intake.outcome import Skipped
from collector.intake.visit import reference
from collector.options import Config, Json, stop
from collector.settings import load
from collector.store.decision_lines import DecisionRecord
from collector.store.decisions import DecisionRecords, Found
from collector.store.keyring import KeyRing, KeyRingError, Master
from consent.model import Reason

GROUP: Final = "sluis.reasons"
LONGEST_ID: Final = 256
EventId = Annotated[str, typer.Argument(metavar="EVENT_ID|-", help="The event_id; - reads it from stdin.")]
_RANK: Final = {"skipped": 0, "queued": 1}  # within one minute: delivery comes after the door, a grant after a refusal
_DELIVERED: Final = 2

UNRECORDED: Final = {
    "refusals": "no refusal is on file; at level refusals permitted events leave no record, waiting ones neither",
    "sample": "no refusal is on file; at level sample most permitted events leave no record, waiting ones neither",
    "all": "no decision is on file",
    "off": "no decision is on file; records are switched off now",
}
ABSENT: Final = {
    "refusals": "It was permitted, or waits; or it was never decided upon here (another id, another machine, invalid, "
    "filtered), or its record has ended.",
    "all": "It was never decided upon here (another id, another machine, invalid, filtered), or its record has "
    "ended, or records were not kept at this level then.",
    "off": 'Set [decisions] level = "refusals" to keep records from then on.',
}


def why(event_id: EventId, config: Config = None, json: Json = False) -> None:
    """Say why an event was sent to each destination, or not, as far as decision records tell.

    Arguments can be seen in the list of processes; an event id on stdin cannot.
    """
    settings = load(config)
    stated = sys.stdin.read().strip() if event_id == "-" else event_id
    if not 0 < len(stated) <= LONGEST_ID:
        stop(f"An event id has 1 to {LONGEST_ID} characters.")
    found = DecisionRecords(settings.var / "decisions").find(*_references(settings, stated))
    answer = answer_of(found, settings)
    if json:
        typer.echo(orjson.dumps(answer).decode())
        return
    for one in answer["destinations"]:
        typer.echo(one["sentence"])
    for note in answer["notes"]:
        typer.echo(note)


def answer_of(found: Found, settings: Settings) -> dict[str, Any]:
    """The answer as plain values: the state of each destination, newest first, then those without a record.

    `records` is all that is on file, oldest first.
    """
    words = meanings()
    latest = _latest(found.records)
    several = len(settings.site) > 1
    states = [{**_plain(one, words), "sentence": _sentence(one, words, several=several)} for one in latest]
    states += [
        {"site": site, "destination": name, "outcome": None, "sentence": _unrecorded(site, name, settings)}
        for site, name in _others(latest, settings)
    ]
    return {
        "level": settings.decisions.level,
        "destinations": states,
        "records": [_plain(one, words) for one in sorted(found.records, key=_age)],
        "records_lost": found.lost,
        "lines_torn": found.torn,
        "notes": list(_notes(found, latest, settings)),
    }


def meanings() -> dict[str, str]:
    """Every reason a record may carry, with what it means."""
    said: dict[str, str] = {}
    for members in (*(point.load() for point in entry_points(group=GROUP)), Skipped, Reason):
        said |= comments(members)
    return said


def _references(settings: Settings, event_id: str) -> list[bytes]:
    """What the event would be called on each site; stops with a sentence if the keys cannot be used."""
    try:
        keys = DomainKeys(KeyRing.open(settings.keys.dir, Master.load(settings.keys)))
        return [reference(keys.subject(site.id), "event", event_id) for site in settings.site]
    except KeyRingError as error:
        stop(str(error))
    except KeyMissing:
        stop(f"There is no subject key in {settings.keys.dir}: the janitor makes it when it starts.")


def _latest(records: Sequence[DecisionRecord]) -> list[DecisionRecord]:
    """The newest record of each destination, the newest of all first."""
    newest: dict[tuple[str, str], DecisionRecord] = {}
    for one in sorted(records, key=_age):
        newest[one.site, one.destination] = one
    return sorted(newest.values(), key=lambda one: (-one.minute, -_age(one)[1], one.site, one.destination))


def _age(record: DecisionRecord) -> tuple[int, int]:
    return record.minute, _RANK.get(record.outcome, _DELIVERED)


def _others(latest: Sequence[DecisionRecord], settings: Settings) -> Iterator[tuple[str, str]]:
    """The destinations without a record, of the sites where the event has some."""
    known = {(one.site, one.destination) for one in latest}
    for site in settings.site:
        if any(one.site == site.id for one in latest):
            names = settings.destination if site.destinations is None else site.destinations
            yield from ((site.id, name) for name in names if (site.id, name) not in known)


def _sentence(one: DecisionRecord, words: Mapping[str, str], *, several: bool) -> str:
    said = f"{words.get(one.reason, 'docs/outcomes.md says what it means')} ({one.reason})"
    when = f"{_moment(one.minute):on %Y-%m-%d %H:%M UTC} under policy {one.policy_hash}"
    told = {
        "skipped": f"not sent: {said}; decided at the door {when}",
        "dropped": f"not sent: {said}; decided before it was handed over, {when}",
        "queued": f"permitted at the door {when}; it waits, or its end is not on file",
        "handed_over": f"sent: the vendor answered that it took it, {when}",
        "dead": f"not taken: permitted, but the vendor refused it, or it could not be sent ({one.reason}), {when}",
    }
    return f"{_named(one.site, one.destination, several=several)}: {told[one.outcome]}."


def _unrecorded(site: str, destination: str, settings: Settings) -> str:
    name = _named(site, destination, several=len(settings.site) > 1)
    return f"{name}: {UNRECORDED[settings.decisions.level]}."


def _named(site: str, destination: str, *, several: bool) -> str:
    return f"{destination} (site {site})" if several else destination


def _notes(found: Found, latest: Sequence[DecisionRecord], settings: Settings) -> Iterator[str]:
    level = settings.decisions.level
    if not latest:
        said = UNRECORDED[level]
        yield f"{said[:1].upper()}{said[1:]}. {ABSENT.get(level, ABSENT['refusals'])}"
    elif level != "all" and any(one.outcome == "skipped" for one in latest):
        yield f"Had it come again later and been permitted, no record would say so at level {level}."
    if found.lost or found.torn:
        yield f"In the files read {found.lost} records are missing and {found.torn} lines torn: silence proves nothing."


def _plain(one: DecisionRecord, words: Mapping[str, str]) -> dict[str, Any]:
    return {
        "site": one.site,
        "destination": one.destination,
        "outcome": one.outcome,
        "reason": one.reason or None,
        "meaning": words.get(one.reason),
        "at": _moment(one.minute).strftime("%Y-%m-%dT%H:%MZ"),
        "policy_hash": one.policy_hash,
    }


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
