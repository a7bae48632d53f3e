"""When to try again: back-off and circuit breaker, as pure state machines.

Rules
1. Time (`now_s`, monotonic seconds) and chance (a number in [0, 1)) are arguments.
2. There is no count of attempts that kills a record: an outage costs time, never events. Only the age of the
   record ends its retries (forwarders/worker.py).
3. An open breaker claims nothing. When its cool-down is over, exactly one record goes out as a probe.
4. `parked` is an open breaker whose fault is ours (token, permission): people must act, so probes are rare.
"""

from dataclasses import dataclass
from enum import StrEnum

BASE_S = 1.0
CAP_S = 15 * 60.0
LONGEST_RETRY_AFTER_S = 3600.0

FAILURES_TO_OPEN = 10
COOL_DOWN_S = 5.0
LONGEST_COOL_DOWN_S = 60.0
PARKED_COOL_DOWN_S = 300.0
PARKED_RETRY_S = 60.0


def backoff_s(attempts: int, chance: float, retry_after_s: float | None = None) -> float:
    """Seconds until the next attempt of a record that had `attempts` (0 or more) before this one.

    Exponential with full jitter and a cap (AWS Architecture Blog, "Exponential Backoff And Jitter"), on top
    of what the vendor asked for in Retry-After (RFC 9110, section 10.2.3), which is honoured up to an hour.
    """
    return honoured_s(retry_after_s) + chance * min(CAP_S, BASE_S * 2.0 ** min(attempts, 20))


def honoured_s(retry_after_s: float | None) -> float:
    """Retry-After as we honour it: an hour at most; absent, negative or not a number is nothing."""
    if retry_after_s is None or not retry_after_s > 0:
        return 0.0
    return min(retry_after_s, LONGEST_RETRY_AFTER_S)


class State(StrEnum):
    """What a destination does now. Closed: health, metrics and the console carry these words."""

    RUNNING = "running"
    OPEN = "open"
    PARKED = "parked"


@dataclass(slots=True)
class Breaker:
    """The breaker of one destination. Methods that change its state say whether that is news."""

    state: State = State.RUNNING
    cause: str = ""
    until_s: float = 0.0
    _failures: int = 0
    _openings: int = 0
    _probing: bool = False

    def room(self, now_s: float, free: int) -> int:
        """How many of `free` places may be filled: all, one for a probe, or none."""
        if self.state is State.RUNNING:
            return free
        return min(free, 1) if self._probe_is_due(now_s) else 0

    def admits(self, now_s: float) -> bool:
        """Whether a request may go out now. While not running, a yes is the one probe."""
        if self.state is State.RUNNING:
            return True
        if not self._probe_is_due(now_s):
            return False
        self._probing = True
        return True

    def answered(self) -> bool:
        """The vendor took or refused a request, so it works. True if it did not before."""
        news = self.state is not State.RUNNING
        self.state, self.cause = State.RUNNING, ""
        self._failures = self._openings = 0
        self._probing = False
        return news

    def failed(self, now_s: float, chance: float, cause: str, retry_after_s: float | None = None) -> bool:
        """No answer, or one that means "later". True if the breaker opens with it."""
        self._failures += 1
        if self.state is State.RUNNING:
            if self._failures < FAILURES_TO_OPEN:
                return False
            self.state, self.cause = State.OPEN, cause
            self._cool_down(now_s, chance, retry_after_s)
            return True
        if self._probing:
            self._cool_down(now_s, chance, retry_after_s)
        return False

    def broken(self, now_s: float, chance: float, cause: str) -> bool:
        """Our set-up is at fault: park. True if that, or its cause, is new."""
        news = self.state is not State.PARKED or self.cause != cause
        self.state, self.cause = State.PARKED, cause
        self._cool_down(now_s, chance, None)
        return news

    def _probe_is_due(self, now_s: float) -> bool:
        return not self._probing and now_s >= self.until_s

    def _cool_down(self, now_s: float, chance: float, retry_after_s: float | None) -> None:
        """Start (again) to wait: longer each time, with jitter so that many processes do not probe as one."""
        longest = min(LONGEST_COOL_DOWN_S, COOL_DOWN_S * 2.0 ** min(self._openings, 10))
        if self.state is State.PARKED:
            longest = PARKED_COOL_DOWN_S
        self.until_s = now_s + max(longest * (0.5 + chance / 2), honoured_s(retry_after_s))
        self._openings += 1
        self._probing = False
