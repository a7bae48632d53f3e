"""What the bench found: targets met or missed, as a table, as JSON, and as the table of docs/performance.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from loadtests.consent_speed import MAX_CACHED_US, MAX_DECIDE_US, MAX_UNCACHED_US, ConsentSpeed

RESULT: Final = Path(__file__).with_name("results") / "bench.json"
PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- bench: written by `python -m loadtests.bench --write-docs`, not by hand -->"
END: Final = "<!-- /bench -->"

MAX_RATIO: Final = 2.8
MIN_EVENTS_PER_CPU_SECOND: Final = 22_000
MAX_RESIDENT_MB: Final = 90.0
MAX_GROWTH_MB: Final = 3.0
SETTLED_AT: Final = 100_000
"""Events after which memory must have stopped growing."""
FULL_AT: Final = 200_000
"""Events after which memory is judged."""


class Verdict(NamedTuple):
    """One target. `met` is None where this run was too short to say."""

    what: str
    target: str
    found: str
    met: bool | None


class Memory(NamedTuple):
    """Resident megabytes (10^6 bytes) of `serve` after it took so many events."""

    events: int
    megabytes: float


def verdicts(
    ratio: float, events_per_cpu_second: float, memory: Sequence[Memory], consent: ConsentSpeed
) -> list[Verdict]:
    """All targets of this run."""
    return [
        Verdict("CPU of a single-event request, against the bare route", f"<= {MAX_RATIO} x", f"{ratio:.2f} x",
                ratio <= MAX_RATIO),
        Verdict("Events per CPU second, batches of 20", f">= {MIN_EVENTS_PER_CPU_SECOND:,}",
                f"{events_per_cpu_second:,.0f}", events_per_cpu_second >= MIN_EVENTS_PER_CPU_SECOND),
        _size(memory),
        _flatness(memory),
        _microseconds("Decoding a TC string of 700 vendors", MAX_UNCACHED_US, consent.decode_uncached_us),
        _microseconds("The same string again", MAX_CACHED_US, consent.decode_cached_us),
        _microseconds("Hearing every signal and deciding", MAX_DECIDE_US, consent.decide_us),
    ]  # fmt: skip


def _microseconds(what: str, most: float, found: float) -> Verdict:
    return Verdict(what, f"< {most:.0f} us", f"{found:.2f} us", found < most)


def _size(memory: Sequence[Memory]) -> Verdict:
    judged = [sample.megabytes for sample in memory if sample.events >= FULL_AT]
    what, target = f"Resident memory after {FULL_AT:,} events and more", f"< {MAX_RESIDENT_MB:.0f} MB"
    if not judged:
        return Verdict(what, target, "not reached", None)
    return Verdict(what, target, f"{max(judged):.1f} MB", max(judged) < MAX_RESIDENT_MB)


def _flatness(memory: Sequence[Memory]) -> Verdict:
    settled = [sample for sample in memory if sample.events >= SETTLED_AT]
    what, target = f"Growth of memory after {SETTLED_AT:,} events", f"<= {MAX_GROWTH_MB:.0f} MB"
    if not settled or settled[-1].events < FULL_AT:
        return Verdict(what, target, "not reached", None)
    growth = settled[-1].megabytes - settled[0].megabytes
    return Verdict(what, target, f"{growth:+.1f} MB", growth <= MAX_GROWTH_MB)


def passed(found: Sequence[Verdict]) -> bool:
    """Whether no target was missed."""
    return all(verdict.met is not False for verdict in found)


def show(result: Mapping[str, Any], terminal: Console) -> None:
    """The result for a person."""
    figures = Table("", "sluis", "bare", box=None, title="Single events, medians", title_justify="left")
    for row in _figures(result):
        figures.add_row(*row)
    targets = Table("Target", "Wanted", "Found", "", box=None, title="Targets", title_justify="left")
    for verdict in (Verdict(**one) for one in result["verdicts"]):
        colour = {True: "green", False: "bold red", None: "yellow"}[verdict.met]
        targets.add_row(verdict.what, verdict.target, verdict.found, f"[{colour}]{_word(verdict.met)}[/]")
    for table in (figures, targets):
        terminal.print(table)
        terminal.print()
    for remark in result["remarks"]:
        terminal.print(f"note: {remark}", highlight=False)


def _figures(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    sluis, bare, batches = result["medians"]["sluis"], result["medians"]["bare"], result["medians"]["batches"]
    contact = result["medians"]["contact_data"]
    return [
        ("CPU per request", f"{sluis['cpu_us']:.1f} us", f"{bare['cpu_us']:.1f} us"),
        ("ratio", f"{result['ratio']:.2f} x", "1"),
        ("requests/s (wall)", f"{sluis['requests_per_s']:,.0f}", f"{bare['requests_per_s']:,.0f}"),
        *[(f"latency {p}", f"{sluis[p]:.2f} ms", f"{bare[p]:.2f} ms") for p in ("p50", "p95", "p99")],
        ("with contact data, CPU", f"{contact['cpu_us']:.1f} us", ""),
        ("batches of 20: events per CPU second", f"{batches['events_per_cpu_s']:,.0f}", ""),
        ("batches of 20: events/s (wall)", f"{batches['events_per_s']:,.0f}", ""),
    ]


def _word(met: bool | None) -> str:  # noqa: FBT001 -- a verdict has three values
    return {True: "met", False: "MISSED", None: "not judged"}[met]


def save(result: Mapping[str, Any], file: Path = RESULT) -> None:
    """Keep the result for programs and for `--write-docs`."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")


def markdown(result: Mapping[str, Any]) -> str:
    """The result as the docs show it."""
    machine = result["machine"]
    where = f"{machine['processor']}, two of its cores; Linux, Python {machine['python']}"
    lines = [
        f"Measured {result['taken'][:10]} on {where}.",
        "",
        "| target | wanted | found | |",
        "|---|---|---|---|",
        *(f"| {v['what']} | {v['target']} | {v['found']} | {_word(v['met'])} |" for v in result["verdicts"]),
        "",
        "| medians | Sluis | bare route |",
        "|---|---|---|",
        *(f"| {what} | {sluis} | {bare} |" for what, sluis, bare in _figures(result)),
        "",
        "Memory: " + ", ".join(f"{mb:.1f} MB after {events:,}" for events, mb in result["memory"]) + " events.",
        *(f"\n{remark}" for remark in result["remarks"]),
    ]
    return "\n".join(lines)


def write_page(result: Mapping[str, Any], page: Path = PAGE) -> None:
    """Put the result between the two marks of the page; ValueError if it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the result: the marks are missing")
    page.write_text(f"{before}{BEGIN}\n{markdown(result)}\n{END}{after}", encoding="utf-8")
