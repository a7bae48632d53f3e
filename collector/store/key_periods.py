"""Key ids and their periods. Pure: dates in, ids out.

| id | root for | lives |
|---|---|---|
| `subject` | the ledger's references | as long as the ledger: long-lived, one |
| `day-YYYYMMDD` | sealing of records received that day (UTC) | retention.day_key_days |
| `visitor-YYYYMMDD` | pseudonyms of visitors whose 90-day period started that day | 90 days and 8 more |
| `quarter-YYYYQn` | pseudonyms of visitors without a choice_id | the quarter and 8 days more |

A visitor's period starts at the date in the choice_id plus k times 90 days, so on any day each of the last 90
starting dates is somebody's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

VISITOR_DAYS = 90
GRACE_DAYS = 8
AHEAD_DAYS = 2
SUBJECT = "subject"

_DATED = re.compile(r"(day|visitor)-(\d{4})(\d{2})(\d{2})", re.ASCII)
_QUARTER = re.compile(r"quarter-(\d{4})Q([1-4])", re.ASCII)


class Kind(StrEnum):
    """What a root is for."""

    SUBJECT = "subject"
    DAY = "day"
    VISITOR = "visitor"
    QUARTER = "quarter"


@dataclass(frozen=True, slots=True)
class Period:
    """What an id says: its kind, its first day, and the first day it is no longer in use (None: no end)."""

    kind: Kind
    begins: date
    ends: date | None


def period_of_key(key_id: str) -> Period | None:
    """The period of a key id, or None if it is no id of ours."""
    if key_id == SUBJECT:
        return Period(Kind.SUBJECT, date.min, None)
    try:
        if dated := _DATED.fullmatch(key_id):
            begins = date(int(dated[2]), int(dated[3]), int(dated[4]))
            days = 1 if dated[1] == "day" else VISITOR_DAYS
            return Period(Kind(dated[1]), begins, begins + timedelta(days=days))
        if quarter := _QUARTER.fullmatch(key_id):
            begins = date(int(quarter[1]), int(quarter[2]) * 3 - 2, 1)
            return Period(Kind.QUARTER, begins, _next_quarter(begins))
    except (ValueError, OverflowError):
        return None
    return None


def due_keys(today: date) -> Iterator[str]:
    """The ids that must exist on a day, two days ahead included."""
    yield SUBJECT
    for ahead in range(AHEAD_DAYS + 1):
        yield f"day-{today + timedelta(days=ahead):%Y%m%d}"
    for offset in range(1 - VISITOR_DAYS, AHEAD_DAYS + 1):
        yield f"visitor-{today + timedelta(days=offset):%Y%m%d}"
    quarters = {_quarter_id(today), _quarter_id(today + timedelta(days=AHEAD_DAYS))}
    yield from sorted(quarters)


def is_expired(period: Period, today: date, day_key_days: int) -> bool:
    """Whether the root must be gone on a day."""
    if period.ends is None:
        return False
    if period.kind is Kind.DAY:
        return today > period.begins + timedelta(days=day_key_days)
    return today > period.ends + timedelta(days=GRACE_DAYS)


def _quarter_id(day: date) -> str:
    return f"quarter-{day.year:04d}Q{(day.month + 2) // 3}"


def _next_quarter(begins: date) -> date:
    return date(begins.year + (begins.month + 2) // 12, (begins.month + 2) % 12 + 1, 1)
