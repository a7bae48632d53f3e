"""What the collector answered under load, counted: outcomes, reasons, statuses, and what must never happen."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

_UNAVAILABLE: Final = 503


@dataclass(slots=True)
class Tally:
    """Counts over all requests of a run."""

    requests: int = 0
    events: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """Reasons of events that were refused or filtered, and codes of requests that were."""
    queued: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    """What makes the run fail: no answer, a 5xx that was not meant, an event that reached more than it may."""

    def count(self, status: int, retry_after: str | None, body: bytes, may: frozenset[str]) -> None:
        """Take in one answer. `status` is 0 where none came."""
        self.requests += 1
        self.statuses[str(status)] += 1
        if status == 0:
            self.faults["no answer"] += 1
            return
        said = _json(body)
        if status >= 400:
            self.refusals[f"{status} {said.get('error', {}).get('code', '(no code)')}"] += 1
        if status >= 500 and not (status == _UNAVAILABLE and retry_after and "error" in said):
            self.faults[f"status {status}"] += 1
        for result in said.get("results", ()):
            self._result(result, may)

    def _result(self, result: Mapping[str, Any], may: frozenset[str]) -> None:
        self.events += 1
        self.outcomes[result["outcome"]] += 1
        if result["outcome"] == "internal_error":
            self.faults["internal_error"] += 1
        if result["outcome"] not in ("accepted", "duplicate"):
            self.refusals[str(result["reason"])] += 1
        for destination, fate in result["destinations"].items():
            if fate == "queued":
                self.queued[destination] += 1
                if destination not in may:
                    self.faults[f"{destination} was queued without consent"] += 1
            elif fate != "duplicate":
                self.skipped[f"{destination}: {fate.removeprefix('skipped:')}"] += 1

    def to_json(self) -> bytes:
        """All counts."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps(
            {name: dict(value) if isinstance(value, Counter) else value for name, value in plain.items()}
        )

    @classmethod
    def from_json(cls, text: bytes) -> "Tally":
        """The reverse of `to_json`."""
        plain: dict[str, Any] = orjson.loads(text)
        counts: dict[str, Any] = {
            name: Counter(value) if isinstance(value, dict) else value for name, value in plain.items()
        }
        return cls(**counts)


def _json(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
