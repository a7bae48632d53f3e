"""Prints each record as one JSON line: the simplest destination, and the proof that the seam is right.

It shows the pseudonymous content of a record. Ledger references, match keys, click ids and the user agent are left
out: kind "stdout" has no row for them in consent/kinds.py, and a terminal keeps what it is shown.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import orjson

from collector.configuration import StdoutSettings
from collector.intake.record import Record
from forwarders.contract import Answer, Delivery, Judgement, Skip
from forwarders.destinations.http_answers import HANDED_OVER

METHOD = "PRINT"
URL = "stdout:"

_NO_HEADERS = MappingProxyType[str, str]({})
_SHOWN = (
    "site destination event_id name occurred_ms received_ms granted client_id user_id session_id engagement_ms "
    "page_url page_referrer page_title language country device properties".split()
)


@dataclass(frozen=True)
class Stdout:
    """Standard output of the delivering process."""

    kind: ClassVar[str] = "stdout"

    name: str

    @classmethod
    def from_settings(cls, name: str, _settings: StdoutSettings) -> "Stdout":
        """The destination of one `[destination.NAME]`."""
        return cls(name)

    def compose(self, record: Record, _now_ms: int, /) -> Delivery | Skip:
        """One line without its line break. What is empty is left out."""
        shown = {field: value for field in _SHOWN if (value := getattr(record, field))}
        # A record read back from bytes may hold what JSON has no form for; it is shown as Python would.
        body = orjson.dumps(shown, default=repr, option=orjson.OPT_NON_STR_KEYS)
        return Delivery(METHOD, URL, _NO_HEADERS, body)

    def judge(self, _answer: Answer, /) -> Judgement:
        """Printed is handed over."""
        return HANDED_OVER
