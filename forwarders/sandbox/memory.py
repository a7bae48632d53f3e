"""What the sandbox received, in memory and bounded: the oldest is forgotten first, and the forgetting is counted.

Tallies run on after a request is forgotten, so that they can be compared with a balance; only `clear` resets them.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

if TYPE_CHECKING:
    from forwarders.sandbox.violation import Violation

Destination = Literal["ga4", "meta"]
DESTINATIONS: Final[tuple[Destination, ...]] = ("ga4", "meta")
KEPT_EVENTS: Final = 200_000
KEPT_BYTES: Final = 512 * 1024 * 1024
CLOSED: Final = "closed"
_OVERHEAD: Final = 400  # what a remembered request costs beside its texts, about


@dataclass(frozen=True, slots=True)
class Received:
    """One remembered request: texts are JSON, secrets redacted; `answer` is the status given, or "closed"."""

    at_ms: int
    destination: Destination
    method: str
    path: str
    query: bytes
    headers: bytes
    body: bytes
    events: int
    violations: tuple[Violation, ...]
    answer: str

    def weight(self) -> int:
        """Events it holds; a request without any counts as one, or rubbish would never be forgotten."""
        return max(self.events, 1)

    def size(self) -> int:
        """Bytes it takes, about."""
        return len(self.query) + len(self.headers) + len(self.body) + _OVERHEAD * (1 + len(self.violations))

    def received_at(self) -> str:
        """RFC 3339 in UTC, milliseconds."""
        moment = datetime.fromtimestamp(self.at_ms / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def as_json(self, *, with_destination: bool) -> bytes:
        """The request as `GET /api/received` shows it."""
        shown: dict[str, Any] = {"destination": self.destination} if with_destination else {}
        shown |= {
            "received_at": self.received_at(),
            "method": self.method,
            "path": self.path,
            "query": orjson.Fragment(self.query),
            "headers": orjson.Fragment(self.headers),
            "body": orjson.Fragment(self.body),
            "violations": self.violations,
        }
        return orjson.dumps(shown)


@dataclass(slots=True)
class Tally:
    """Running counts of one destination since the last `clear`.

    `accepted_events` are those of requests answered 2xx: what a sender may count as handed over.
    """

    requests: int = 0
    events: int = 0
    accepted_events: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)

    def add(self, received: Received) -> None:
        """Counts one request."""
        self.requests += 1
        self.events += received.events
        if received.answer.startswith("2"):
            self.accepted_events += received.events
        self.answers[received.answer] += 1
        self.violations.update(found.rule for found in received.violations)


class Memory:
    """The last `kept_events` events and at most about `kept_bytes` bytes of requests."""

    def __init__(self, kept_events: int = KEPT_EVENTS, kept_bytes: int = KEPT_BYTES) -> None:
        self.kept_events = kept_events
        self._kept_bytes = kept_bytes
        self.clear()

    def clear(self) -> None:
        """Forgets everything, tallies included."""
        self._requests: deque[Received] = deque()
        self._weight = 0
        self._size = 0
        self.forgotten = 0
        self.tallies: dict[Destination, Tally] = {destination: Tally() for destination in DESTINATIONS}

    def remember(self, received: Received) -> None:
        """Counts and keeps a request, and forgets the oldest beyond the limits."""
        self.tallies[received.destination].add(received)
        self._requests.append(received)
        self._weight += received.weight()
        self._size += received.size()
        while self._requests and (self._weight > self.kept_events or self._size > self._kept_bytes):
            oldest = self._requests.popleft()
            self._weight -= oldest.weight()
            self._size -= oldest.size()
            self.forgotten += oldest.weight()

    def requests(self, destination: Destination | None = None) -> list[Received]:
        """What is remembered, oldest first."""
        return [one for one in self._requests if destination is None or one.destination == destination]
