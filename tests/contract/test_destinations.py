"""Every destination against its fixtures: the exact request, or the reason there is none, and every answer.

A fixture is a record and what must become of it; answers.json is the table of what a vendor's answers mean.
"""

import importlib
import json
import pkgutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collector.configuration import Settings
from collector.intake.record import Record
from consent.kinds import KINDS
from forwarders import destinations
from forwarders.contract import Answer, Delivery, Destination, Judgement, Skip, Verdict
from forwarders.registry import OWN, build

FIXTURES = Path(__file__).parents[1] / "fixtures" / "destinations"
ANSWERS = "answers.json"


def _read(path: Path) -> dict[str, Any]:
    fixture: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return fixture


def _name(value: Any) -> str | None:
    if isinstance(value, Path):
        return f"{value.parent.name}-{value.stem}"
    return value["title"].replace(" ", "_") if isinstance(value, dict) else None


COMPOSED = sorted(path for path in FIXTURES.glob("*/*.json") if path.name != ANSWERS)
JUDGED = [
    (path.parent.name, answer) for path in sorted(FIXTURES.glob(f"*/{ANSWERS}")) for answer in _read(path)["answers"]
]


def _destination(kind: str, section: dict[str, Any]) -> Destination:
    """The destination as the product makes it: from its section of the configuration, by the registry."""
    site = {
        "id": "shop",
        "origins": ["https://shop.example"],
        "establishment": "BE",
        "consent_source": "page",
        "audience": "general",
    }
    return build(Settings.model_validate({"site": [site], "destination": {kind: section}}), found=())[kind]


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def _record(kind: str, said: dict[str, Any]) -> Record:
    said = dict(said)
    occurred_ms = _milliseconds(said.pop("occurred"))
    about: dict[str, Any] = {
        "site": "shop",
        "destination": kind,
        "kind": kind,
        "recipient": KINDS[kind].recipient,
        "event_id": "e-1",
        "occurred_ms": occurred_ms,
        "received_ms": occurred_ms,
        "policy_hash": "p-1",
        "subjects": [b"ledger-reference"],
    }
    return Record(**(about | said))


@pytest.mark.parametrize("path", COMPOSED, ids=_name)
def test_a_record_becomes_exactly_this_request_or_none_for_this_reason(path: Path) -> None:
    fixture, kind = _read(path), path.parent.name
    before = _record(kind, fixture["record"])
    record = _record(kind, fixture["record"])
    composed = _destination(kind, fixture["settings"]).compose(record, _milliseconds(fixture["now"]))
    assert record == before, "compose changed its record"
    if "skip" in fixture["expect"]:
        assert composed == Skip(fixture["expect"]["skip"])
        return
    assert isinstance(composed, Delivery)
    expected = fixture["expect"]["request"]
    assert json.dumps(json.loads(composed.body)) == json.dumps(expected["body"]), "same keys in the same order"
    assert (composed.method, composed.url) == (expected["method"], expected["url"])
    assert dict(composed.headers) == expected["headers"]
    assert list(composed.notes) == fixture["expect"]["notes"]


@pytest.mark.parametrize(("kind", "row"), JUDGED, ids=_name)
def test_an_answer_means_exactly_this(kind: str, row: dict[str, Any]) -> None:
    settings = _read(FIXTURES / kind / ANSWERS)["settings"]
    judged = _destination(kind, settings).judge(Answer(row["status"], row["headers"], row["body"].encode()))
    expected = row["expect"]
    assert judged == Judgement(Verdict(expected["verdict"]), expected["cause"], expected["retry_after_s"])


def test_every_fixture_has_a_title_and_says_why() -> None:
    for path in [*COMPOSED, *FIXTURES.glob(f"*/{ANSWERS}")]:
        fixture = _read(path)
        assert fixture["title"].strip(), path
        assert fixture["why"].strip(), path


def test_kinds_registry_files_and_fixture_folders_name_the_same_destinations() -> None:
    folders = {path.name for path in FIXTURES.iterdir() if path.is_dir()}
    assert set(KINDS) == set(OWN) == folders == _kinds_with_a_file()


def _kinds_with_a_file() -> set[str]:
    """Files that define a class with compose and judge; its kind is the name of the file."""
    kinds = set()
    for module in pkgutil.iter_modules(destinations.__path__):
        name = f"{destinations.__name__}.{module.name}"
        for member in vars(importlib.import_module(name)).values():
            if isinstance(member, type) and hasattr(member, "compose") and member.__module__ == name:
                assert vars(member)["kind"] == module.name
                kinds.add(module.name)
    return kinds


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_fixtures_for_its_requests_and_its_answers(kind: str) -> None:
    assert [path for path in COMPOSED if path.parent.name == kind]
    assert [row for of, row in JUDGED if of == kind]


@pytest.mark.parametrize("kind", ["ga4", "meta_capi"])
def test_a_destination_shows_no_secret_of_its_configuration(kind: str) -> None:
    settings = _read(FIXTURES / kind / ANSWERS)["settings"]
    shown = repr(_destination(kind, settings))
    assert settings.get("api_secret", settings.get("access_token")) not in shown
    assert kind in shown
