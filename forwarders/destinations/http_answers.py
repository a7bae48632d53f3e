"""What an HTTP status means where the vendor says nothing more precise (RFC 9110, sections 10.2.3 and 15).

A 2xx is never sent again. What may pass by itself is tried later; a refusal of credentials is about our
set-up, not about the event; a redirect is not followed, for it could lead anywhere.
"""

from email.utils import parsedate_to_datetime

from forwarders.contract import Answer, Judgement, Verdict

HANDED_OVER = Judgement(Verdict.HANDED_OVER)

_LATER = frozenset({408, 429})
_SET_UP = frozenset({401, 403, 407})
_SUCCESS = range(200, 300)
_FINAL = range(200, 500)  # 5xx and what is no final status say nothing of the event
_MAX_DIGITS = 9


def by_status(answer: Answer) -> Judgement:
    """The judgement by status alone; `cause` is `http_NNN`."""
    status = answer.status
    if status in _SUCCESS:
        return HANDED_OVER
    cause = f"http_{status}"
    if status in _LATER or status not in _FINAL:
        return Judgement(Verdict.RETRY, cause, retry_after_s(answer))
    return Judgement(Verdict.BROKEN if status in _SET_UP else Verdict.REFUSED, cause)


def retry_after_s(answer: Answer) -> float | None:
    """Seconds the answer asks us to wait. A date counts from the answer's own Date, so no clock is needed."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:_MAX_DIGITS])
    try:
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError, IndexError):  # absent, or not a date
        return None
    return max(0.0, wait.total_seconds())
