"""`make load`: a minute of realistic sessions against a running `sluis up`, and what became of them.

Exit code 0: as it should be. 1: a request without an answer, a 5xx that was not meant (503 with Retry-After is),
an event that reached a destination without consent, or a balance that does not add up. 2: it could not be run.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from collector.settings import configured_file, environment
from loadtests.aim import OWN, refusal
from loadtests.tally import Tally

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
STOP_SECONDS: Final = 30


class CannotLoad(Exception):
    """The run did not come about; the message says why."""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="http://127.0.0.1:8080", help="the collector")
    parser.add_argument("--origin", default="", help="origin of the shop's pages; the host itself if absent")
    parser.add_argument("--users", type=int, default=50, help="visitors at the same time")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--config", type=Path, help="configuration for the balance; SLUIS_CONFIG or ./sluis.toml")
    parser.add_argument(OWN, action="store_true", dest="own", help="aim at a host that is not this machine")
    chosen = parser.parse_args(arguments)
    chosen.host = chosen.host.rstrip("/")
    return chosen


def run(chosen: argparse.Namespace, terminal: Console) -> tuple[Tally, list[dict[str, Any]]]:
    """Play it; what was answered, and Locust's own statistics per route. Raises CannotLoad."""
    with TemporaryDirectory(prefix="sluis-load-") as folder:
        tally, statistics = Path(folder) / "tally.json", Path(folder) / "statistics.json"
        command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--json"]
        command += ["--skip-log", "--only-summary", "--host", chosen.host, "--tally", str(tally)]
        command += ["--users", str(chosen.users), "--spawn-rate", str(max(chosen.users // 2, 1))]
        command += ["--run-time", f"{chosen.seconds}s", "--exit-code-on-error", "0", "--stop-timeout", "5s"]
        command += [*(["--origin", chosen.origin] if chosen.origin else []), *([OWN] if chosen.own else [])]
        with statistics.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE) as locust:
            _watch(locust, chosen.seconds, terminal)
            complaint = locust.stderr.read().decode(errors="replace") if locust.stderr else ""
        if not tally.exists():
            raise CannotLoad(f"Locust did not run: {complaint[-2000:]}")
        return Tally.from_json(tally.read_bytes()), orjson.loads(statistics.read_bytes())


def _watch(locust: subprocess.Popen[bytes], seconds: int, terminal: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with Progress(*columns, console=terminal) as progress:
        task = progress.add_task("visitors walk through the shop", total=seconds)
        while locust.poll() is None:
            if time.monotonic() - began > seconds + STOP_SECONDS:
                locust.kill()
            progress.update(task, completed=min(time.monotonic() - began, seconds))
            time.sleep(0.2)


def unaccounted(config: Path | None) -> int | None:
    """What the balance cannot account for; None where no configuration or no store is at hand."""
    file = configured_file(config, environment())
    if not file.exists():
        return None
    command = [sys.executable, "-m", "collector", "balance", "--json", "--config", str(file)]
    said = subprocess.run(command, capture_output=True, check=False)
    return int(orjson.loads(said.stdout)["unaccounted"]) if said.stdout else None


def show(tally: Tally, statistics: Sequence[Mapping[str, Any]], terminal: Console) -> None:
    """The run for a person."""
    routes = Table("Route", "Requests", "Per second", "p50", "p95", "p99", "slowest", box=None)
    for route in statistics:
        routes.add_row(str(route["name"]), *figures(route))
    terminal.print(routes)
    terminal.print(f"\n{tally.requests:,} requests, {tally.events:,} events", highlight=False)
    for title, counts in (
        ("outcome", tally.outcomes),
        ("queued", tally.queued),
        ("refused", tally.refusals),
        ("skipped", tally.skipped),
        ("FAULT", tally.faults),
    ):
        for what, count in counts.most_common():
            terminal.print(f"  {title:8} {what:48} {count:>9,}", highlight=False, markup=False)


def figures(route: Mapping[str, Any]) -> list[str]:
    """Requests, rate, and percentiles in milliseconds, of one entry of Locust's JSON."""
    times = {int(float(millis)): count for millis, count in route["response_times"].items()}
    seconds = max(route["last_request_timestamp"] - route["start_time"], 1e-9)
    percentiles = [f"{at(times, share)} ms" for share in (0.50, 0.95, 0.99)]
    return [
        f"{route['num_requests']:,}",
        f"{route['num_requests'] / seconds:,.0f}",
        *percentiles,
        f"{route['max_response_time']:.0f} ms",
    ]


def at(times: Mapping[int, int], share: float) -> int:
    """The time in a histogram (milliseconds to count) that at least `share` of all did not exceed."""
    wanted, passed = share * sum(times.values()), 0
    for millis, count in sorted(times.items()):
        passed += count
        if passed >= wanted:
            return millis
    return 0


def _ready(host: str) -> str | None:
    """Why the collector cannot take a load now; `host` is an http origin, as `refusal` has checked."""
    parts = urlsplit(host)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=5)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except OSError as away:
        return f"Nothing answers at {host} ({away}). Start it with `make run`."
    finally:
        connection.close()
    return None if status == 200 else f"{host} is not ready: /readyz says {status}."


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    terminal, chosen = Console(), options(arguments)
    why = refusal(chosen.host, owned=chosen.own) or _ready(chosen.host)
    if why is not None:
        terminal.print(why, markup=False)
        return 2
    try:
        tally, statistics = run(chosen, terminal)
    except CannotLoad as fault:
        terminal.print(str(fault), markup=False)
        return 2
    show(tally, statistics, terminal)
    difference = unaccounted(chosen.config)
    said = "not asked: no configuration or no store here" if difference is None else str(difference)
    terminal.print(f"unaccounted: {said}", style="bold", highlight=False)
    return 1 if tally.faults or difference or not tally.events else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
