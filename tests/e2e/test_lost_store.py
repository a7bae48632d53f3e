"""The store forgets everything: what a visitor took back does not come back with a tab that has the old choice."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from collector.settings import load
from tests.support.patience import eventually
from tests.support.shopper import a_visitor, accepted, purchase
from tests.support.stack import Stack, ask, flat

pytestmark = pytest.mark.e2e
DESTINATIONS = ("ga4", "meta")
ACCEPTED = Counter({f"{name} accepted": 1 for name in DESTINATIONS})
WITHDRAWN = Counter({f"{name} dropped:withdrawn": 1 for name in DESTINATIONS})
HANDED_OVER = Counter({f"{name} handed_over": 1 for name in DESTINATIONS})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of its own: nobody else's counters are lost with it."""
    made = Stack(tmp_path_factory.mktemp("lost")).start()
    yield made
    assert made.stop() == 0


def empty(stack: Stack) -> None:
    """FLUSHALL, as a mistake of an operator."""
    settings = load(stack.folder / "sluis.toml", stack.environment)
    with redis.Redis.from_url(settings.store_url) as client:
        client.flushall()


def a_withdrawal(stack: Stack) -> dict[str, Any]:
    """A visitor buys with everything granted, and withdraws; the purchase, as another tab would send it again."""
    bought = purchase(client_id=a_visitor(), consent=accepted())
    assert stack.post(bought)[0] == 202
    stack.settled()
    status, _, raw = ask("DELETE", f"{stack.shop}/v1/consent", {"client_id": bought["client_id"]})
    assert status == 200, raw
    assert [one["recipient"] for one in json.loads(raw)["notify"]] == ["google", "meta"]
    stack.clear()
    return {**bought, "event_id": f"again-{bought['event_id'][:8]}"}


def left(stack: Stack) -> int:
    """How many requests the vendors got since the last clear."""
    return sum(len(stack.received(name)) for name in DESTINATIONS)


def files(stack: Stack) -> list[Path]:
    return [path for path in (stack.folder / "var" / "withdrawals").glob("*/*") if path.is_file()]


def test_after_a_loss_the_stale_event_of_somebody_who_withdrew_goes_nowhere(stack: Stack) -> None:
    stale = a_withdrawal(stack)
    empty(stack)
    assert stack.post(stale)[2]["results"][0]["outcome"] == "accepted", "the ledger has forgotten"
    assert flat(stack.settled()) == ACCEPTED + WITHDRAWN
    assert left(stack) == 0


def test_nothing_leaves_before_withdrawals_are_restored(stack: Stack) -> None:
    stale = a_withdrawal(stack)
    janitor = stack.children()["janitor"]
    os.kill(janitor, signal.SIGSTOP)
    try:
        empty(stack)
        stack.post(stale)
        time.sleep(2.5)
        assert flat(stack.balance()) == ACCEPTED, "it waits"
        assert left(stack) == 0
    finally:
        os.kill(janitor, signal.SIGCONT)
    assert flat(stack.settled()) == ACCEPTED + WITHDRAWN
    assert left(stack) == 0


def test_somebody_who_accepts_after_a_loss_is_heard(stack: Stack) -> None:
    stale = a_withdrawal(stack)
    empty(stack)
    stack.post({**stale, "consent": accepted(ago_s=0.0)})
    assert flat(stack.settled()) == ACCEPTED + HANDED_OVER
    assert left(stack) == 2


def test_without_the_files_the_stale_event_would_leave(stack: Stack) -> None:
    """Negative control: there is nothing to restore from, and what was taken back comes back."""
    stale = a_withdrawal(stack)
    assert eventually(lambda: files(stack))
    for path in files(stack):
        path.unlink()
    empty(stack)
    stack.post(stale)
    assert flat(stack.settled()) == ACCEPTED + HANDED_OVER
    assert left(stack) == 2
