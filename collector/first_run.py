"""What `sluis up` lays down on its first run: a commented configuration, the folders, the master key."""

from datetime import datetime
from pathlib import Path
from typing import Final

from collector.configuration import Settings
from collector.store.keyring import KeyRing, Master

TEMPLATE: Final = """\
# Sluis, written by `sluis up`. Every setting: docs/configuration.md. `SLUIS_SECTION__KEY` in the environment wins.
# {port}, {sandbox_port} and {var} stand for the values of this file, so that ports are said once.

[[site]]
id = "demo"
origins = ["http://127.0.0.1:{port}", "http://localhost:{port}"]
establishment = "BE"        # EEA, UK or CH: opt-in for every visitor, wherever they are
consent_source = "page"     # event fields carry the visitor's act; "recorded": only POST /v1/consent grants
audience = "general"        # or "mixed", "children"
default_country = "BE"      # for phone numbers without a country

[destination.ga4]
kind = "ga4"
measurement_id = "G-SANDBOX1"
api_secret = "sandbox-secret"    # a real one comes from SLUIS_DESTINATION__GA4__API_SECRET
identity = "keyed"               # "companion" where gtag runs on the page too
endpoint = "http://127.0.0.1:{sandbox_port}/mp/collect"    # remove this line to talk to Google

[destination.meta]
kind = "meta_capi"
dataset_id = "1234567890"
access_token = "sandbox-token"   # a real one comes from SLUIS_DESTINATION__META__ACCESS_TOKEN
endpoint = "http://127.0.0.1:{sandbox_port}"    # remove this line to talk to Meta

[listen]
host = "127.0.0.1"
port = 8080
console_port = 8081
sandbox_port = 8082
demo = true                 # the shop under /demo/
"""


def write_configuration(file: Path) -> bool:
    """Write the commented file unless there is one; True if it was written. Mode 0600: it may get secrets."""
    if file.exists():
        return False
    file.touch(mode=0o600)
    file.write_text(TEMPLATE, encoding="utf-8")
    return True


def lay_down(settings: Settings, now: datetime) -> None:
    """Folders, master and the roots that are due; raises KeyRingError with a sentence."""
    for folder in ("valkey", "run", "log", "janitor"):
        (settings.var / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.keys.master is None and not settings.keys.master_file.exists():
        settings.keys.master_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Master.create(settings.keys.master_file)
    settings.keys.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    KeyRing.open(settings.keys.dir, Master.load(settings.keys)).create_due(now)
