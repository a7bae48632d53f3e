"""The README's own commands, run as they stand, against a running `sluis up`."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.stack import SLUIS, Stack

pytestmark = pytest.mark.e2e

README = Path(__file__).parents[2] / "README.md"
ALL_GRANTED = '"granted"'


def commands(containing: str) -> str:
    """The one shell block of the README that contains a text."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if containing in block]
    return found


def run(script: str, stack: Stack) -> str:
    local = script.replace("http://127.0.0.1:8080", stack.shop).replace(".venv/bin/sluis", SLUIS)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", local],
        cwd=stack.folder,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_first_event_reaches_both_vendors_without_a_violation(stack: Stack) -> None:
    (result,) = json.loads(run(commands("curl -s"), stack))["results"]
    assert result["outcome"] == "accepted"
    assert result["destinations"] == {"ga4": "queued", "meta": "queued"}
    deadline = time.monotonic() + 10
    while not (stack.received("ga4") and stack.received("meta")) and time.monotonic() < deadline:
        time.sleep(0.1)
    (ga4,), (meta,) = stack.received("ga4"), stack.received("meta")
    assert (ga4["violations"], meta["violations"]) == ([], [])
    sent = json.dumps([ga4["body"], meta["body"]])
    assert "session=secret" not in sent
    assert "Jane.Doe" not in sent
    assert "123.456" not in sent


def test_the_same_event_with_a_refusal_goes_nowhere_and_says_why(stack: Stack) -> None:
    (result,) = json.loads(run(commands("curl -s").replace(ALL_GRANTED, '"denied"'), stack))["results"]
    assert (result["outcome"], result["reason"]) == ("refused", "purpose_not_granted")
    assert set(result["destinations"].values()) == {"skipped:purpose_not_granted"}
    time.sleep(1.5)  # the granted one arrives well within this
    assert stack.received("ga4") == stack.received("meta") == []


def test_balance_and_explain_answer_as_promised(stack: Stack) -> None:
    shown = run(commands("sluis balance"), stack)
    assert "unaccounted: 0" in shown
    assert "granted to google: analytics_storage" in shown
    assert "mp/collect" in shown
