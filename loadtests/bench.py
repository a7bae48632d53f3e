"""`make bench`: CPU per request of `serve` beside a bare Starlette route, batches, and memory. Linux, two cores.

    warm up -> (sluis, bare) x 3 -> with contact data -> batches of 20, memory after each round -> hearing consent

After every phase the balance must have grown by exactly what was sent. Exit code 0: every target met. 1: a target
missed, or an answer that was not what it should be. 2: this machine cannot do it.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtests import consent_speed, report, visitors
from loadtests.accounting import CannotMeasure, machine, memory_of, on_core, two_cores
from loadtests.consent_speed import ConsentSpeed
from loadtests.generator import ConnectionLost
from loadtests.report import Memory, verdicts
from loadtests.rounds import Round, WrongAnswer, fire, middle, ratio
from loadtests.stage import Server, Stage, stage

ALTERNATIONS = 3
BATCH_ROUNDS = 5
CLOSED_LOOP = (
    "Latency is that of a closed loop that keeps every connection busy, so most of it is waiting for one's turn."
)
NO_DELIVERY = "No delivery was running: what was accepted stayed pending, and Valkey worked for the door alone."
TOO_SHORT = "A quick run: too short to judge by, no target was judged."
UNSTEADY = (
    "The bare route's rounds differ by more than a quarter: this machine was not quiet, measure again on one that is."
)
STEADY = 1.25


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to send. `quick` runs are for trying the bench, not for judging Sluis."""

    requests: int
    batches: int
    connections: int
    quick: bool
    seed: int


@dataclass(slots=True)
class Found:
    """Rounds so far."""

    sluis: list[Round] = field(default_factory=list)
    bare: list[Round] = field(default_factory=list)
    contact_data: list[Round] = field(default_factory=list)
    batches: list[Round] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    consent: ConsentSpeed | None = None


class Bench:
    """One run on a stage."""

    def __init__(self, on: Stage, plan: Plan, loop: asyncio.Runner) -> None:
        self._stage, self._plan, self._loop = on, plan, loop
        self._rng = visitors.seeded(plan.seed)
        self._sent = 0
        self.found = Found()

    def run(self, step: Callable[[str], None]) -> Found:
        """All phases; raises WrongAnswer, ConnectionLost or TimeoutError."""
        step("warming up")
        for server in (self._stage.sluis, self._stage.bare):
            self._volley(server, visitors.purchase, 1, max(self._plan.requests // 10, 1))
        self._accounted(lambda: self._alternate(step))
        step("with contact data")
        self._accounted(self._with_contact_data)
        self._accounted(lambda: self._batches(step))
        step("hearing consent")
        self.found.consent = consent_speed.measure()
        return self.found

    def _alternate(self, step: Callable[[str], None]) -> None:
        for number in range(1, ALTERNATIONS + 1):
            for server, rounds in ((self._stage.sluis, self.found.sluis), (self._stage.bare, self.found.bare)):
                step(f"{server.name}, single events, {number} of {ALTERNATIONS}")
                rounds.append(self._volley(server, visitors.purchase, 1, self._plan.requests))
        self._remember_memory()

    def _with_contact_data(self) -> None:
        count = max(self._plan.requests // 4, 1)
        self.found.contact_data.append(self._volley(self._stage.sluis, visitors.purchase_with_contact_data, 1, count))

    def _batches(self, step: Callable[[str], None]) -> None:
        for number in range(1, BATCH_ROUNDS + 1):
            step(f"sluis, batches of {visitors.BATCH}, {number} of {BATCH_ROUNDS}")
            done = self._volley(self._stage.sluis, visitors.walk, visitors.BATCH, self._plan.batches)
            self.found.batches.append(done)
            self._remember_memory()

    def _volley(self, server: Server, body: visitors.Body, events_each: int, count: int) -> Round:
        requests = visitors.requests(count, body, self._rng, server.origin)
        done = self._loop.run(fire(server, requests, events_each, self._plan.connections))
        self._sent += done.events if server is self._stage.sluis else 0
        return done

    def _remember_memory(self) -> None:
        self.found.memory.append(Memory(self._sent, memory_of(self._stage.sluis.pid) / 1e6))

    def _accounted(self, phase: Callable[[], None]) -> None:
        """Run a phase; every destination's `accepted` must grow by exactly the events it sent."""
        before, sent = self._stage.accepted(), self._sent
        phase()
        after = self._stage.accepted()
        grown = {name: accepted - before.get(name, 0) for name, accepted in after.items()}
        if set(grown.values()) != {self._sent - sent}:
            raise WrongAnswer(f"{self._sent - sent} events were accepted, and the balance grew by {grown}")


def result_of(found: Found, plan: Plan, cores: tuple[int, int]) -> dict[str, Any]:
    """Everything a program or a reader of the docs may want, as plain values."""
    against_bare = ratio(found.sluis, found.bare)
    if found.consent is None:
        raise CannotMeasure("the consent decision was not measured")
    judged = verdicts(against_bare, middle(found.batches, "events_per_cpu_second"), found.memory, found.consent)
    bare = [one.cpu_us_per_request for one in found.bare]
    remarks = {
        CLOSED_LOOP: True,
        NO_DELIVERY: True,
        TOO_SHORT: plan.quick,
        UNSTEADY: max(bare) > STEADY * min(bare),
    }
    return {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": asdict(plan),
        "machine": machine(cores),
        "ratio": against_bare,
        "medians": {
            "sluis": _single(found.sluis),
            "bare": _single(found.bare),
            "contact_data": _single(found.contact_data),
            "batches": {
                "events_per_cpu_s": middle(found.batches, "events_per_cpu_second"),
                "events_per_s": middle(found.batches, "events_per_second"),
            },
        },
        "verdicts": [(one._replace(met=None) if plan.quick else one)._asdict() for one in judged],
        "consent": found.consent._asdict(),
        "memory": [list(sample) for sample in found.memory],
        "rounds": {name: [asdict(one) for one in getattr(found, name)] for name in ("sluis", "bare", "batches")},
        "remarks": [remark for remark, holds in remarks.items() if holds],
    }


def _single(rounds: Sequence[Round]) -> dict[str, float]:
    return {
        "cpu_us": middle(rounds, "cpu_us_per_request"),
        "requests_per_s": middle(rounds, "requests_per_second"),
        **{name: middle(rounds, f"{name}_ms") for name in ("p50", "p95", "p99")},
    }


def measure(plan: Plan, terminal: Console) -> dict[str, Any]:
    """Set the stage, run, and make up the result."""
    cores = two_cores()
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    total = 3 + 2 * ALTERNATIONS + BATCH_ROUNDS
    with (
        on_core(cores[1]),
        Progress(*columns, console=terminal) as progress,
        stage(cores) as on,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop,
    ):
        task = progress.add_task("starting", total=total)
        found = Bench(on, plan, loop).run(lambda what: progress.update(task, description=what, advance=1))
    return result_of(found, plan, cores)


def plan_from(arguments: Sequence[str]) -> tuple[Plan, bool]:
    """The plan that the command line asks for, and whether only to write the docs page."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000, help="requests in a round of single events")
    parser.add_argument("--batches", type=int, default=2_500, help="batches of 20 in a round")
    parser.add_argument("--connections", type=int, default=64, help="connections, each with one request in flight")
    parser.add_argument("--quick", action="store_true", help="a short run that judges no target")
    parser.add_argument("--seed", type=int, default=None, help="of ids and visitors; a new one if absent")
    parser.add_argument("--write-docs", action="store_true", help="only put the last result into docs/performance.md")
    chosen = parser.parse_args(arguments)
    seed = secrets.randbits(63) if chosen.seed is None else chosen.seed
    requests, batches = (1_000, 100) if chosen.quick else (chosen.requests, chosen.batches)
    return Plan(requests, batches, chosen.connections, chosen.quick, seed), chosen.write_docs


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    terminal = Console()
    plan, only_docs = plan_from(arguments)
    if only_docs:
        if not report.RESULT.exists():
            terminal.print("There is no result yet. Run `make bench` first.")
            return 2
        report.write_page(orjson.loads(report.RESULT.read_bytes()))
        return 0
    try:
        result = measure(plan, terminal)
    except CannotMeasure as why:
        terminal.print(str(why), markup=False)
        return 2
    except (WrongAnswer, ConnectionLost, TimeoutError) as fault:
        terminal.print(f"The measurement does not count: {fault!r}", markup=False)
        return 1
    report.save(result)
    report.show(result, terminal)
    terminal.print(f"Kept in {report.RESULT}", highlight=False)
    return 0 if report.passed([report.Verdict(**one) for one in result["verdicts"]]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
