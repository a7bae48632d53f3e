"""A body as a whole: one admission per event, and a fault of ours is one event's, not the batch's."""

from typing import Any

import orjson
import pytest

from collector.intake.admit import Admission
from collector.intake.batch import BadBatch, TooManyEvents, admit_body
from collector.intake.domains import DomainKeys
from collector.intake.event import read_json
from collector.intake.outcome import Outcome
from collector.store.keyring import EphemeralKeyRing
from consent.model import EVERYTHING, Choice
from tests.collector.intake.shop import DENIED, GRANTED, Door, event, facts, site


class Breaks:
    """A key ring that fails in a way nobody foresaw, for visitors with a dated choice only."""

    def __init__(self) -> None:
        self._ring = EphemeralKeyRing()

    def root(self, key_id: str) -> bytes | None:
        if key_id.startswith("visitor-"):
            raise ZeroDivisionError("jane@example.com")
        return self._ring.root(key_id)


def admitted(body: Any, *, latest: Any = None, most: int = 20, keys: DomainKeys | None = None, at: str = "shop") -> Any:
    raw = read_json(orjson.dumps(body))
    return admit_body(raw, facts(), site(at), keys or DomainKeys(EphemeralKeyRing()), most, latest)


def test_what_nobody_foresaw_is_one_events_internal_error_and_names_no_value() -> None:
    bad = event(event_id="bad", consent=GRANTED | {"choice_id": "20261121.x"})
    made = admitted({"events": [event(), bad, event(event_id="e3")]}, keys=DomainKeys(Breaks()))
    assert [one.outcome for one in made.admissions] == ["accepted", "internal_error", "accepted"]
    failed: Admission = made.admissions[1]
    assert (failed.event_id, failed.reason, failed.records) == ("bad", "internal_error", [])
    assert [type(fault) for fault in made.faults] == [ZeroDivisionError]


def test_too_many_events_are_refused_before_one_is_read() -> None:
    assert len(admitted({"events": [5] * 20}).admissions) == 20
    with pytest.raises(TooManyEvents, match="holds 21 events; at most 20"):
        admitted({"events": [5] * 21})


@pytest.mark.parametrize("body", [[], 5, None, "x", {"events": {}}, {"events": []}, {"events": None}])
def test_what_is_neither_an_event_nor_a_batch_is_said(body: Any) -> None:
    with pytest.raises(BadBatch):
        admitted(body)


def test_the_ledger_is_wanted_only_where_it_could_open_something_for_somebody() -> None:
    silent = event(consent=None)
    assert len(admitted(silent).wants) == 1
    assert len(admitted(silent | {"user_id": "crm-42"}).wants) == 2
    assert not admitted(event()).wants
    assert not admitted(event(consent=DENIED)).wants
    assert not admitted(silent | {"client_id": None}).wants, "there is nobody to look up"
    assert not admitted({"name": "5"}).wants


def test_the_second_pass_uses_the_choice_of_each_visitor() -> None:
    keys = DomainKeys(EphemeralKeyRing())
    body = {"events": [event(consent=None), event(consent=None, client_id="9.9", event_id="e2")]}
    (first, second) = [one.subjects[0] for one in admitted(body, keys=keys).admissions]
    choice = Choice(facts().received_ms - 1000, {"google": EVERYTHING})
    made = admitted(body, keys=keys, latest={first: choice, second: None})
    assert [one.outcome for one in made.admissions] == [Outcome.ACCEPTED, Outcome.REFUSED]
    assert made.admissions[0].destinations == {"ga4": "queued", "meta": "skipped:purpose_not_granted"}
    assert made.admissions[0].act is None, "reading a choice is not making one"


def test_events_of_one_visitor_share_what_was_worked_out_and_nothing_of_each_other() -> None:
    said = [
        event(properties={"value": 1}, page={"title": "one"}),
        event(event_id="e2", properties={"value": 2}, user={"email": "jane@example.com"}),
        event(event_id="e3"),
    ]
    together = Door().batch({"events": said})
    assert len({id(one.heard) for one in together}) == 1
    records = [one.records[0] for one in together]
    assert [(r.event_id, r.properties, r.page_title, bool(r.match_keys)) for r in records] == [
        ("e1", {"value": 1}, "one", False),
        ("e2", {"value": 2}, "", True),
        ("e3", {}, "", False),
    ]
    assert len({r.client_id for r in records}) == 1


def test_a_batch_gives_each_event_what_it_would_have_got_alone() -> None:
    ring = EphemeralKeyRing()
    said = [
        event(),
        event(event_id="e2", client_id="9.9"),
        event(event_id="e3", consent=DENIED),
        event(event_id="e4", context={"language": "fr"}),
        event(event_id="e5", session_id=7),
    ]
    together = Door(ring).batch({"events": said})
    alone = [Door(ring).one(one) for one in said]
    assert [one.records for one in together] == [one.records for one in alone]
    assert [one.destinations for one in together] == [one.destinations for one in alone]
    assert [one.digest for one in together] == [one.digest for one in alone]
    assert [(one.act, one.lowers, one.subjects) for one in together] == [
        (one.act, one.lowers, one.subjects) for one in alone
    ]


def test_a_batchs_choice_and_an_events_own_are_both_identifiers_and_the_events_says_the_period() -> None:
    keys = DomainKeys(EphemeralKeyRing())
    batch, own = GRANTED | {"choice_id": "20260601.batch"}, GRANTED | {"choice_id": "20261121.own"}
    both, first, second = (
        admitted({"consent": said, "events": [event(consent=its, client_id=None)]}, keys=keys).admissions[0]
        for said, its in ((batch, own), (batch, None), (None, own))
    )
    assert sorted(both.subjects) == sorted([*first.subjects, *second.subjects])
    assert both.records[0].subjects == both.subjects
    assert both.heard is not None
    assert (both.heard.choice_id, both.heard.choice_ids) == ("20261121.own", ("20261121.own", "20260601.batch"))
    assert both.digest == second.digest
