"""The collector's own decision, with throw-away keys and the configuration of `sluis up`."""

import os
from pathlib import Path
from typing import Any

import orjson

from collector.first_run import TEMPLATE
from collector.intake.batch import admit_body
from collector.intake.domains import DomainKeys
from collector.intake.event import read_json
from collector.intake.facts import Facts
from collector.settings import parse
from collector.web.sites import Sites


class ThrowAway:
    def __init__(self) -> None:
        self._roots: dict[str, bytes] = {}

    def root(self, key_id: str) -> bytes:
        return self._roots.setdefault(key_id, os.urandom(32))


def decide(body: dict[str, Any], now_ms: int) -> list[Any]:
    """The admissions of one body, nothing being recorded in the ledger."""
    site = Sites(parse(TEMPLATE, Path("sluis.toml"), {})).all[0]
    facts = Facts(received_ms=now_ms, user_agent="Mozilla/5.0 (X11; Linux x86_64)", origin="http://127.0.0.1:8080")
    return admit_body(read_json(orjson.dumps(body)), facts, site, DomainKeys(ThrowAway()), 200, {}).admissions
