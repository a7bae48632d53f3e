"""A small site with the SDK on every page, and a collector that records what it hears and answers as scripted."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from collector.web.sdk import CMP_SOURCE, SOURCE, squeezed

PAGE = """<!doctype html><html lang="nl"><title>{title}</title>
<script>window.sluisQueue = window.sluisQueue || [];{early}</script>
<script src="/sluis.js" defer{options}></script>{further}<p>page</p>"""
SCRIPTS = {"/sluis.js": SOURCE, "/sluis-cmp.js": CMP_SOURCE}


@dataclass(frozen=True)
class Told:
    """One request of the SDK; `mode` is the browser's own word: `cors` for fetch, `no-cors` for a beacon."""

    method: str
    path: str
    body: dict[str, Any]
    media_type: str
    mode: str
    at: float


@dataclass
class Site:
    """Where the pages are, what was told, and the answers to come: (status, headers) each, 202 after them."""

    url: str = ""
    told: list[Told] = field(default_factory=list)
    answers: dict[str, deque[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    said: str = "{}"
    early: str = ""
    options: str = ""
    further: str = ""

    def events(self) -> list[dict[str, Any]]:
        """Every event told so far, repeats included."""
        return [event for told in self.told if told.path == "/v1/events" for event in told.body["events"]]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events with one name."""
        return [event for event in self.events() if event["name"] == name]

    def acts(self, method: str = "POST") -> list[Told]:
        """What `/v1/consent` was told."""
        return [told for told in self.told if (told.path, told.method) == ("/v1/consent", method)]


class _Handler(BaseHTTPRequestHandler):
    site: ClassVar[Site]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in SCRIPTS:
            self._answer(200, "text/javascript", squeezed(SCRIPTS[path].read_text("utf-8")))
        elif path == "/plain":
            self._answer(200, "text/html", "<!doctype html><title>no SDK here</title>")
        else:
            site = self.site
            page = PAGE.format(title=path, early=site.early, options=site.options, further=site.further)
            self._answer(200, "text/html", page)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        media_type, mode = self.headers["Content-Type"], self.headers["Sec-Fetch-Mode"]
        self.site.told.append(Told(self.command, self.path, body, media_type, mode, time.monotonic()))
        waiting = self.site.answers.get(self.path)
        status, headers = waiting.popleft() if waiting else (202, {})
        self._answer(status, "application/json", self.site.said, headers)

    def do_DELETE(self) -> None:
        self.do_POST()

    def _answer(self, status: int, media_type: str, text: str, headers: dict[str, str] | None = None) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": f"{media_type}; charset=utf-8", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the parent's
        """Say nothing: the test looks at what was recorded."""


@contextmanager
def recording_site() -> Iterator[Site]:
    """A running site on a free port of this machine."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
