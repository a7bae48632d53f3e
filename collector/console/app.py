"""The console: one overview page of balance, destinations and the oldest pending record.

It sees counters only, never a record. It listens on loopback unless told otherwise; people
reach it through their own tunnel or proxy. It answers to loopback names and to `console_host`: a foreign page whose
name is pointed at 127.0.0.1 (DNS rebinding) would otherwise be of the same origin and could read it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from collector.configuration import Settings
from collector.store.balance import Balance, BalanceCopy, read_balance
from collector.store.buffer import StoreUnavailable
from collector.store.connection import Client

FOLDER: Final = Path(__file__).parent
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One destination as the page shows it."""

    name: str
    kind: str
    recipient: str
    accepted: int
    handed_over: int
    dropped: list[tuple[str, int]]
    dead: list[tuple[str, int]]
    waiting: int
    oldest: str
    unaccounted: int


class Console:
    """Routes of the console."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._templates = Jinja2Templates(FOLDER / "templates")

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/", self.overview),
                Route("/api/balance", self.balance),
                Route("/healthz", self.alive),
                Route("/favicon.ico", lambda _request: Response(status_code=204)),
                Mount("/static", StaticFiles(directory=FOLDER / "static")),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_names(self._settings.listen.console_host))],
        )

    async def overview(self, request: Request) -> Response:
        """The page; without the store it shows the janitor's last copy and says so."""
        if request.url.query:
            return RedirectResponse("/")
        balance, is_copy = await self._balance()
        page = {
            "lines": _lines(balance, self._settings) if balance else [],
            "door": _door(balance) if balance else [],
            "unaccounted": balance.unaccounted if balance else None,
            "is_copy": is_copy,
            "sites": [site.id for site in self._settings.site],
        }
        response: HTMLResponse = self._templates.TemplateResponse(request, "overview.html", page)
        response.headers.update(
            {
                "content-security-policy": POLICY,
                "cache-control": "no-store",
                "referrer-policy": "no-referrer",
                "x-content-type-options": "nosniff",
            }
        )
        return response

    async def balance(self, _request: Request) -> Response:
        """The balance as JSON; 503 while the store is away."""
        try:
            balance = await read_balance(self._client, self._settings.destination)
        except StoreUnavailable:
            return Response(orjson.dumps({"error": {"code": "store_unavailable"}}), 503, media_type="application/json")
        return Response(orjson.dumps(balance.to_json()), media_type="application/json")

    async def alive(self, _request: Request) -> Response:
        """200 as long as the event loop turns."""
        return Response(orjson.dumps({"status": "alive"}), media_type="application/json")

    async def _balance(self) -> tuple[Balance | None, bool]:
        try:
            return await read_balance(self._client, self._settings.destination), False
        except StoreUnavailable:
            return BalanceCopy.load(self._settings.var / "janitor" / "balance.json"), True


def _names(console_host: str) -> list[str]:
    """The host names it answers to; whoever listens on every address is reached by names nobody knows here."""
    if console_host in ("0.0.0.0", "::"):
        return ["*"]
    return [*LOOPBACK, f"[{console_host}]" if ":" in console_host else console_host]


def _lines(balance: Balance, settings: Settings) -> list[Line]:
    names = [*settings.destination, *(name for name in balance.destinations if name not in settings.destination)]
    return [_line(name, balance, settings) for name in names]


def _line(name: str, balance: Balance, settings: Settings) -> Line:
    one = balance.destinations.get(name)
    said = settings.destination.get(name)
    sites: Any = [] if one is None else one.sites.values()
    return Line(
        name=name,
        kind="removed" if said is None else said.kind,
        recipient="" if said is None else settings.recipient_of(name),
        accepted=0 if one is None else one.accepted,
        handed_over=0 if one is None else one.handed_over,
        dropped=_sums(site.dropped for site in sites),
        dead=_sums(site.dead for site in sites),
        waiting=0 if one is None else one.waiting,
        oldest=duration(None if one is None else one.oldest_pending_ms),
        unaccounted=0 if one is None else one.unaccounted,
    )


def _sums(counts: Any) -> list[tuple[str, int]]:
    total: dict[str, int] = {}
    for site in counts:
        for reason, count in site.items():
            total[reason] = total.get(reason, 0) + count
    return sorted(total.items())


def _door(balance: Balance) -> list[tuple[str, int]]:
    return [(outcome, sum(sites.values())) for outcome, sites in sorted(balance.door.items())]


def duration(milliseconds: int | None) -> str:
    """An age for people: 850 ms, 12 s, 5 min, 3 h, 2 d; a dash for none."""
    if milliseconds is None:
        return "–"  # noqa: RUF001 -- a dash is meant
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if milliseconds >= size:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds} ms"
