"""`sluis explain`: what would become of an event, offline."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.syntax import Syntax

from collector.configuration import Settings
from collector.first_run import TEMPLATE
from collector.intake.domains import DomainKeys
from collector.intake.site import Site
from collector.options import FAILED, Config, Json, stop
from collector.settings import SettingsError, configured_file, environment, load, parse
from collector.store.keyring import EphemeralKeyRing
from collector.web.sites import Sites
from forwarders import explain as explaining
from forwarders.registry import build


def explain(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Events as JSON, or one a line; - reads stdin.")],
    config: Config = None,
    json: Json = False,
    site: Annotated[str | None, typer.Option(help="Which site; the only one if absent.")] = None,
    now: Annotated[int | None, typer.Option(help="Pretend it is this epoch millisecond.")] = None,
) -> None:
    """Show what would become of events and exactly what each destination would get. Sends nothing.

    Exit code 1 if a body was neither an event nor a batch.
    """
    settings = _settings_or_defaults(config)
    chosen = _site(settings, site)
    keys = DomainKeys(EphemeralKeyRing())
    destinations = build(settings)
    now_ms = now or time.time_ns() // 1_000_000
    console, all_read = Console(), True
    for raw in explaining.read_inputs(_text(file)):
        for explanation in explaining.explain(raw, settings, chosen, destinations, keys, now_ms):
            all_read &= not explaining.is_unreadable(explanation)
            if json:
                typer.echo(orjson.dumps(explanation).decode())
            else:
                _show(console, explanation)
    if not all_read:
        raise typer.Exit(FAILED)


def _settings_or_defaults(config: Path | None) -> Settings:
    """The configuration, or the defaults of `sluis up` where there is none and none was named."""
    env = environment()
    file = configured_file(config, env)
    if config is None and not file.exists():
        return parse(TEMPLATE, file, env)
    return load(config, env)


def _site(settings: Settings, wanted: str | None) -> Site:
    sites = Sites(settings).all
    if wanted is None and len(sites) == 1:
        return sites[0]
    for site in sites:
        if site.id == wanted:
            return site
    raise SettingsError(f"Name one site with --site: {', '.join(site.id for site in sites)}.")


def _text(file: str) -> str:
    try:
        # Bytes, because in some locales a stdin of text hides what is no UTF-8 instead of refusing it.
        return (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).decode()
    except OSError as error:
        stop(f"{file} cannot be read: {error}.")
    except UnicodeDecodeError:
        stop(f"{file} is not UTF-8 text.")


def _show(console: Console, explanation: dict[str, Any]) -> None:
    reason = f" ({explanation['reason']})" if explanation["reason"] else ""
    console.print(f"[bold]{explanation['outcome']}[/bold]{reason}", highlight=False)
    decision = explanation["decision"]
    if decision is not None:
        console.print(f"  regime {decision['regime']}", highlight=False)
        for recipient, granted in decision["granted"].items():
            console.print(f"  granted to {recipient}: {', '.join(granted) or 'nothing'}", highlight=False)
            answers = decision["answers"][recipient].items()
            denied = [f"{purpose} ({one['reason']})" for purpose, one in answers if one["signal"] and one["reason"]]
            if denied:
                console.print(f"  denied to {recipient}: {', '.join(denied)}", highlight=False)
    for name, fate in explanation["destinations"].items():
        console.print(f"  [bold]{name}[/bold] {fate['outcome']} {fate['reason'] or ''}", highlight=False)
        if fate["request"]:
            text = orjson.dumps(fate["request"], option=orjson.OPT_INDENT_2).decode()
            console.print(Syntax(text, "json", background_color="default", word_wrap=True))
        for note in fate.get("notes", ()):
            console.print(f"    note: {note}", highlight=False)
