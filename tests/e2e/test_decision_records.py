"""Why was this sent, or not? Asked of real processes, and of the files that they leave."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import canary
from tests.support.patience import eventually
from tests.support.shopper import ADS, a_visitor, accepted, choice, purchase, refused
from tests.support.stack import Stack, ask

pytestmark = pytest.mark.e2e
EVENT = "order-canary-20261125-Ymir"
EMAIL, CLIENT_ID, USER_ID = (canary.VALUES[what][0] for what in ("email", "client_id", "user_id"))


def event_of(number: int, **changes: Any) -> dict[str, Any]:
    """A purchase of the canary: its event id and every identifier cannot be mistaken for anything else."""
    event = purchase(**{"event_id": f"{EVENT}-{number}", "client_id": CLIENT_ID, "user_id": USER_ID} | changes)
    event["user"]["email"] = EMAIL
    return event


def why(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    done = stack.sluis("consent", "why", "-", "--json", text=event["event_id"])
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def ends(stack: Stack, event: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Destination to the newest outcome and reason on file."""
    return {one["destination"]: (one["outcome"], one.get("reason")) for one in why(stack, event)["destinations"]}


def sentences(stack: Stack, event: dict[str, Any]) -> list[str]:
    done = stack.sluis("consent", "why", event["event_id"])
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A `sluis up` of its own that keeps a record of what is permitted too."""
    stack = Stack(tmp_path_factory.mktemp("decisions"), {"SLUIS_DECISIONS__LEVEL": "all"})
    try:
        yield stack.start()
    finally:
        stack.kill()


def test_a_refusal_a_hand_over_and_a_withdrawal_each_say_why_and_give_nobody_away(everything: Stack) -> None:
    stack = everything
    no, yes, late = (
        event_of(number, consent=said) for number, said in enumerate((choice(ago_s=90), *[accepted()] * 2))
    )
    stack.post(no)
    stack.post(yes)
    stack.settled()
    stack.fault("meta", status=503, headers={"Retry-After": "3"})
    stack.post(late)
    eventually(lambda: stack.balance()["destinations"]["meta"]["due"] == 1)
    assert ask("DELETE", f"{stack.shop}/v1/consent", {"client_id": CLIENT_ID})[0] == 200
    stack.settled()

    both = ("ga4", "meta")
    eventually(lambda: ends(stack, no) == dict.fromkeys(both, ("skipped", "purpose_not_granted")))
    eventually(lambda: ends(stack, yes) == dict.fromkeys(both, ("handed_over", None)))
    eventually(lambda: ends(stack, late) == {"ga4": ("handed_over", None), "meta": ("dropped", "withdrawn")})
    assert [one["outcome"] for one in why(stack, yes)["records"]] == ["queued", "queued", "handed_over", "handed_over"]
    said = "not sent: the visitor said no, or was not asked about it (purpose_not_granted); decided at the door on 20"
    assert [line.startswith(f"{name}: {said}") for name, line in zip(both, sentences(stack, no), strict=True)] == [
        True
    ] * 2
    said = "meta: not sent: a later act of the visitor says no (withdrawn); decided before it was handed over, on 20"
    assert [line.startswith(said) for line in sorted(sentences(stack, late))] == [False, True]

    folder = stack.folder / "var" / "decisions"
    assert {file.parent.name for file in folder.glob("*/*")} == {"serve", "deliver"}
    wanted = {**canary.needles(), "event_id": (EVENT.lower().encode(),)}
    assert canary.found_below(folder, wanted) == {}
    planted = folder / "serve" / "planted"
    planted.write_text(f"{EVENT}-0 {EMAIL}")
    assert canary.found_below(folder, wanted) == {"serve/planted": {"event_id", "email"}}
    planted.unlink()


def test_what_is_noted_in_the_last_second_is_on_file_when_everything_has_stopped(everything: Stack) -> None:
    last = event_of(4, client_id=a_visitor(), user_id=None, consent=refused())
    everything.post(last)
    assert everything.stop() == 0
    assert set(ends(everything, last).values()) == {("skipped", "purpose_not_granted")}


def test_at_the_level_of_refusals_a_permitted_event_leaves_no_record_and_why_says_so(stack: Stack) -> None:
    event = purchase(consent=accepted())
    stack.post(event)
    stack.settled()
    assert sentences(stack, event)[0].startswith(
        "No refusal is on file; at level refusals permitted events leave no record, waiting ones neither."
    )
    assert list(Path(stack.folder / "var" / "decisions").glob("*/kept-*")) == []


def test_the_statistics_count_what_was_granted_and_who_said_so(stack: Stack) -> None:
    def counted() -> set[tuple[str, str, int, int]]:
        done = stack.sluis("consent", "stats", "--json", "--days", "1")
        rows = [one for one in json.loads(done.stdout)["rows"] if one["region"] == "IS" and one["recipient"] == "meta"]
        return {(one["purpose"], one["signal"], one["events"], one["granted"]) for one in rows}

    for consent in (accepted(), refused()):
        stack.post(purchase(consent=consent | {"region": "IS"}))
    eventually(lambda: counted() == {(purpose, "site", 2, 1) for purpose in ADS})
