"""What a destination is: two pure functions, `compose` and `judge`, and the words they use.

compose(record, now_ms) -> Delivery | Skip     the exact request, or why there is none
judge(answer) -> Judgement                    what the vendor's answer means for the record

A destination knows its own vendor and nothing of streams, retries, consent or other destinations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from collector.intake.record import Record


class Skip(StrEnum):
    """Why a record gives no request. Settled as dropped with this reason."""

    TOO_OLD = "too_old"  # the vendor would refuse or misdate it
    TOO_LITTLE_USER_DATA = "too_little_user_data"  # Meta rejects events it can match with nobody
    NO_CLIENT_ID = "no_client_id"  # companion mode without the tag's own id joins nothing
    MISSING_VALUE = "missing_value"  # Meta refuses a Purchase without value and currency
    NAME_NOT_ALLOWED = "name_not_allowed"  # GA4 answers 2xx to a reserved event name and discards the event


class Overruled(StrEnum):
    """Why today's configuration stops a record that was admitted under an earlier one. Settled as dropped."""

    SITE_REMOVED = "site_removed"  # its site is no longer configured
    DESTINATION_REMOVED = "destination_removed"  # it is no longer configured, or its site no longer sends there
    CHILDREN = "children"  # its site is for children now and has no advertising destinations


@dataclass(frozen=True, slots=True, repr=False)
class Delivery:
    """One HTTP request. `body` is what goes over the wire; `notes` are repairs worth telling a person."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Delivery({self.method}, <redacted>)"


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer, cut to 64 KiB. Header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Verdict(StrEnum):
    """What an answer means. `handed_over` is the most that can be known (GA4 gives no receipt)."""

    HANDED_OVER = "handed_over"
    RETRY = "retry"  # the vendor may take the same bytes later
    REFUSED = "refused"  # the vendor will never take these bytes: a dead letter
    BROKEN = "broken"  # our set-up is at fault (token, permission): stop this destination, keep its events


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, the vendor's code for it (`cause`, safe as a label), and how long to wait (seconds)."""

    verdict: Verdict
    cause: str = ""
    retry_after_s: float | None = None


class Destination(Protocol):
    """One configured destination: read-only, so that a frozen dataclass is one."""

    @property
    def name(self) -> str:
        """The operator's name for this destination."""
        ...

    @property
    def kind(self) -> str:
        """Its row in consent/kinds.py."""
        ...

    def compose(self, record: Record, now_ms: int, /) -> Delivery | Skip:
        """The request for this record, or why there is none. Pure; never raises on a readable record."""
        ...

    def judge(self, answer: Answer, /) -> Judgement:
        """What the vendor's answer means. Pure; never raises, whatever the body holds."""
        ...
