"""One round: a volley of requests at one server, its CPU time before and after, and every answer judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import orjson

from loadtests.accounting import cpu_of
from loadtests.generator import Answer, Connections
from loadtests.stage import Server

_SHOWN: Final = 300


class WrongAnswer(Exception):
    """An answer was not what the measurement rests on; the message shows it."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round took. Times in seconds, latencies in milliseconds."""

    requests: int
    events: int
    cpu_s: float
    wall_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def cpu_us_per_request(self) -> float:
        """Microseconds of the server's CPU for one request."""
        return self.cpu_s / self.requests * 1e6

    @property
    def events_per_cpu_second(self) -> float:
        """Events the server takes in one second of its one core."""
        return self.events / self.cpu_s

    @property
    def requests_per_second(self) -> float:
        """Requests in a second of wall time, with everything else the machine was doing."""
        return self.requests / self.wall_s

    @property
    def events_per_second(self) -> float:
        """Events in a second of wall time."""
        return self.events / self.wall_s


async def fire(server: Server, requests: Sequence[bytes], events_each: int, connections: int) -> Round:
    """Measure one volley; raises WrongAnswer unless every event in it was accepted (or, bare, read)."""
    opened = await Connections.open(server.port, connections)
    try:
        before = cpu_of(server.pid)
        volley = await opened.fire(requests)
        spent = cpu_of(server.pid) - before
    finally:
        opened.close()
    for answer in volley.answers:
        judge(answer, events_each if server.name == "sluis" else None)
    latencies = sorted(nanoseconds / 1e6 for nanoseconds in volley.latencies_ns)
    percentiles = [percentile(latencies, share) for share in (0.50, 0.95, 0.99)]
    return Round(len(requests), len(requests) * events_each, spent, volley.wall_s, *percentiles)


def judge(answer: Answer, events: int | None) -> None:
    """Sluis must say 202 and `accepted` for each event; the bare route (`events` None) 204."""
    if events is None:
        if answer.status != 204:
            raise WrongAnswer(f"the bare route answered {answer.status}")
        return
    outcomes = _outcomes(answer)
    if answer.status != 202 or outcomes != ["accepted"] * events:
        raise WrongAnswer(f"expected 202 and {events} x accepted, got {answer.status} {answer.body[:_SHOWN]!r}")


def _outcomes(answer: Answer) -> list[Any]:
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return []
    return [result["outcome"] for result in said["results"]] if "results" in said else []


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of an ascending sequence does not exceed (nearest rank)."""
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank, 1) - 1]


def middle(rounds: Sequence[Round], field: str) -> float:
    """The median of one figure over rounds."""
    return float(median(getattr(one, field) for one in rounds))


def ratio(sluis: Sequence[Round], bare: Sequence[Round]) -> float:
    """CPU per request, median to median of one run."""
    return middle(sluis, "cpu_us_per_request") / middle(bare, "cpu_us_per_request")
