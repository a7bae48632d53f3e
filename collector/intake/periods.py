"""Which root a visitor's pseudonyms rest on.

A visitor with a `choice_id` (`yyyymmdd.random`) has periods of their own, 90 days each, counted from the day of
the choice, so that a turn of periods never renews everybody on one day. Others share the calendar quarter.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

PERIOD_DAYS = 90
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)


def quarter_of(now_ms: int) -> str:
    """Key id of the calendar quarter, such as quarter-2026Q4."""
    return _quarter(now_ms // _DAY_MS)


@lru_cache(maxsize=8)
def _quarter(day: int) -> str:
    today = _EPOCH + timedelta(days=day)
    return f"quarter-{today.year}Q{(today.month + 2) // 3}"


def period_of(choice_id: str | None, now_ms: int) -> str:
    """Key id of the visitor's current period, such as visitor-20261121; the quarter without a dated choice."""
    if choice_id is None:
        return quarter_of(now_ms)
    return _period(choice_id[:9], now_ms // _DAY_MS) or quarter_of(now_ms)


@lru_cache(maxsize=1024)
def _period(prefix: str, day: int) -> str | None:
    if len(prefix) != len("yyyymmdd.") or prefix[8] != "." or not prefix[:8].isascii():
        return None
    try:
        chosen = datetime.strptime(prefix[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    today = _EPOCH + timedelta(days=day)
    if chosen > today + timedelta(days=1):
        return None
    elapsed = max((today - chosen).days, 0)
    start = chosen + timedelta(days=elapsed - elapsed % PERIOD_DAYS)
    return f"visitor-{start:%Y%m%d}"
