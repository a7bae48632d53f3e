"""The page that shows a person what the sandbox received; rows are made here, markup lives in the template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from jinja2 import Environment, PackageLoader

from forwarders.sandbox.memory import DESTINATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forwarders.sandbox.memory import Destination, Memory, Received
    from forwarders.sandbox.violation import Violation

ROWS: Final = 20
SHOWN_CHARACTERS: Final = 20_000
VENDOR_NAMES: Final = {"ga4": "GA4", "meta": "Meta"}
_MANY: Final = 3


@dataclass(frozen=True, slots=True)
class Selection:
    """What the person asked to see; `number` is the page's, from 1."""

    destination: Destination | None
    number: int
    paused: bool

    def address(self, **changes: Any) -> str:
        """The page's address with some of its choices changed."""
        chosen = {"destination": self.destination, "page": self.number, "paused": self.paused, **changes}
        parts = [f"destination={chosen['destination']}"] if chosen["destination"] else []
        parts += [f"page={chosen['page']}"] if chosen["page"] > 1 else []
        parts += ["paused=1"] if chosen["paused"] else []
        return "/?" + "&".join(parts) if parts else "/"


@dataclass(frozen=True, slots=True)
class Row:
    """One request as the page shows it."""

    time: str
    date: str
    vendor: str
    request_line: str
    events: int
    answer: str
    taken: bool
    level: str
    violations: tuple[Violation, ...]
    headers: str
    body: str


class Page:
    """Renders the inspector; the template escapes everything."""

    def __init__(self) -> None:
        environment = Environment(
            loader=PackageLoader("forwarders.sandbox"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._template = environment.get_template("inspector.html")

    def render(
        self,
        memory: Memory,
        selection: Selection,
        faults: Sequence[dict[str, Any]],
        base_url: str,
        *,
        checks: bool,
    ) -> str:
        """The whole page, newest request first."""
        newest = memory.requests(selection.destination)[::-1]
        start = (selection.number - 1) * ROWS
        return self._template.render(
            rows=[as_row(one) for one in newest[start : start + ROWS]],
            older=len(newest) > start + ROWS,
            selection=selection,
            tallies=memory.tallies,
            vendors=[(name, VENDOR_NAMES[name]) for name in DESTINATIONS],
            broken={name: sum(memory.tallies[name].violations.values()) for name in DESTINATIONS},
            forgotten=memory.forgotten,
            kept=memory.kept_events,
            faults=[orjson.dumps({key: v for key, v in one.items() if v}).decode() for one in faults],
            base_url=base_url.rstrip("/"),
            checks=checks,
        )


def as_row(received: Received) -> Row:
    """A remembered request in the words of the page."""
    query = "&".join(f"{key}={value}" for key, value in orjson.loads(received.query).items())
    date, _, clock = received.received_at().removesuffix("Z").partition("T")
    return Row(
        time=clock,
        date=date,
        vendor=VENDOR_NAMES[received.destination],
        request_line=f"{received.method} {received.path}" + (f"?{query}" if query else ""),
        events=received.events,
        answer=received.answer,
        taken=received.answer.startswith("2"),
        level=_level(len(received.violations)),
        violations=received.violations,
        headers=_pretty(received.headers),
        body=_pretty(received.body),
    )


def _level(violations: int) -> str:
    if not violations:
        return "clean"
    return "some" if violations < _MANY else "many"


def _pretty(raw: bytes) -> str:
    shown = _indented(raw)
    if len(shown) <= SHOWN_CHARACTERS:
        return shown
    return f"{shown[:SHOWN_CHARACTERS]}\n… {len(shown) - SHOWN_CHARACTERS} more characters: GET /api/received"


def _indented(raw: bytes) -> str:
    value = orjson.loads(raw)
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONEncodeError:  # it parses deeper than it writes
        return raw.decode()
