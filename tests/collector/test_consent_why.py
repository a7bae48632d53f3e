"""`sluis consent why`: one sentence per destination, and what silence means."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
import typer
from typer.testing import CliRunner, Result

from collector.commands.consent_why import ABSENT, UNRECORDED, meanings, why
from collector.first_run import lay_down
from collector.intake.domains import DomainKeys
from collector.intake.outcome import Skipped
from collector.running_section import DecisionsSettings
from collector.settings import parse
from collector.store.decision_log import DecisionLog
from collector.store.keyring import KeyRing, Master
from consent.model import Reason
from forwarders.contract import Overruled, Skip
from tests.collector.test_settings import META, MINIMAL

TWO = MINIMAL + META
BLOG = '[[site]]\nid = "blog"\norigins = ["https://blog.example"]\nestablishment = "BE"\nconsent_source = "page"\n'
BLOG += 'audience = "general"\ndestinations = ["meta"]\n'
NOON_MS = int(datetime(2026, 11, 25, 10, 31, 20, tzinfo=UTC).timestamp() * 1000)
Fates = dict[str, str]


class Office:
    """A configuration with its keys, decision records, and somebody who asks."""

    def __init__(self, folder: Path, toml: str = TWO) -> None:
        self.file = folder / "sluis.toml"
        self.configure(toml)
        settings = parse(toml, self.file, {})
        lay_down(settings, datetime.now(UTC))
        self.keys = DomainKeys(KeyRing.open(settings.keys.dir, Master.load(settings.keys)))
        self.folder = settings.var / "decisions"

    def configure(self, toml: str) -> None:
        self.file.write_text(toml, encoding="utf-8")

    def level(self, level: str) -> None:
        self.configure(f'{TWO}\n[decisions]\nlevel = "{level}"\n')

    def record(self, *notes: tuple[str, Fates, int], site: str = "shop", process: str = "serve") -> None:
        """(event id, fates, minutes after half past ten)"""
        anyio.run(self._record, notes, site, process)

    async def _record(self, notes: Sequence[tuple[str, Fates, int]], site: str, process: str) -> None:
        log = DecisionLog(self.folder, process, DecisionsSettings(level="all"), self.keys)
        for event_id, fates, minutes in notes:
            log.note(site, event_id, fates, "ab12", NOON_MS + minutes * 60_000, [b"J" * 16])
        log.close()
        await log.run()

    def ask(self, *words: str, text: str | None = None) -> Result:
        app = typer.Typer()
        app.command()(why)
        return CliRunner().invoke(app, [*words, "--config", str(self.file)], input=text)

    def told(self, event_id: str) -> list[str]:
        """The lines of the answer."""
        result = self.ask(event_id)
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    def json(self, event_id: str) -> Any:
        return json.loads(self.ask(event_id, "--json").output)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_refusal_at_the_door_says_what_the_reason_means_when_and_under_which_policy(office: Office) -> None:
    office.record(("order-1", {"meta": "skipped:purpose_not_granted"}, 0))
    first, *_ = office.told("order-1")
    assert first == (
        "meta: not sent: the visitor said no, or was not asked about it (purpose_not_granted); "
        "decided at the door on 2026-11-25 10:31 UTC under policy ab12."
    )


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        ("dropped:withdrawn", "not sent: a later act of the visitor says no (withdrawn); decided before it was"),
        ("dropped:missing_value", "not sent: Meta refuses a Purchase without value and currency (missing_value)"),
        ("dropped:destination_removed", "not sent: it is no longer configured, or its site no longer sends there ("),
        ("handed_over", "sent: the vendor answered that it took it, on 2026-11-25 10:31 UTC under policy ab12."),
        ("dead:http_400", "not taken: permitted, but the vendor refused it, or it could not be sent (http_400), on"),
        ("queued", "permitted at the door on 2026-11-25 10:31 UTC under policy ab12; it waits, or its end is not"),
        ("skipped:not_a_word_of_today", "not sent: docs/outcomes.md says what it means (not_a_word_of_today);"),
    ],
)
def test_each_end_has_its_sentence(office: Office, fate: str, said: str) -> None:
    office.record(("order-1", {"meta": fate}, 0))
    assert office.told("order-1")[0].startswith(f"meta: {said}")


def test_of_several_records_the_newest_of_each_destination_speaks_and_the_newest_of_all_comes_first(
    office: Office,
) -> None:
    office.record(("order-1", {"ga4": "handed_over"}, 2), process="deliver")
    office.record(
        ("order-1", {"meta": "skipped:gpc"}, 0),
        ("order-1", {"ga4": "queued", "meta": "queued"}, 1),
        ("order-1", {"meta": "dropped:withdrawn"}, 5),
    )
    office.level("all")
    meta, ga4 = office.told("order-1")
    assert meta.startswith("meta: not sent: a later act of the visitor says no (withdrawn)")
    assert ga4.startswith("ga4: sent")
    assert len(office.json("order-1")["records"]) == 5


def test_within_a_minute_delivery_comes_after_the_door_and_a_grant_after_a_refusal(office: Office) -> None:
    office.record(("order-1", {"ga4": "handed_over"}, 0), ("order-2", {"ga4": "queued"}, 0))
    office.record(("order-1", {"ga4": "queued"}, 0), ("order-2", {"ga4": "skipped:gpc"}, 0), process="z")
    assert office.told("order-1")[0].startswith("ga4: sent")
    assert office.told("order-2")[0].startswith("ga4: permitted")


def test_a_destination_without_a_record_has_a_sentence_too(office: Office) -> None:
    office.record(("order-1", {"meta": "skipped:gpc"}, 0))
    meta, ga4, note = office.told("order-1")
    assert meta.startswith("meta: not sent")
    assert ga4 == (
        "ga4: no refusal is on file; at level refusals permitted events leave no record, waiting ones neither."
    )
    assert note == "Had it come again later and been permitted, no record would say so at level refusals."


@pytest.mark.parametrize("level", ["refusals", "sample", "all", "off"])
def test_without_any_record_the_answer_says_what_that_means_at_this_level(office: Office, level: str) -> None:
    office.level(level)
    (line,) = office.told("order-of-nobody")
    assert line.lower().startswith(UNRECORDED[level].lower())
    assert line.endswith(ABSENT.get(level, ABSENT["refusals"]))


def test_what_is_missing_is_said_because_silence_proves_nothing_then(office: Office) -> None:
    office.record(("order-1", {"meta": "skipped:gpc"}, 0), ("order-2", {"meta": "skipped:gpc"}, 0))
    (file,) = office.folder.glob("serve/refused-*")
    file.write_bytes(file.read_bytes()[:-5])
    assert "In the files read 0 records are missing and 1 lines torn: silence proves nothing." in office.told("order-2")
    office.record(("order-3", {"meta": "skipped:gpc"}, 0))
    answer = office.json("order-2")
    assert (answer["records_lost"], answer["lines_torn"], answer["destinations"]) == (1, 0, [])


def test_the_answer_for_programs_has_everything_and_not_the_event_id(office: Office) -> None:
    office.record(("order-1", {"meta": "skipped:gpc"}, 0))
    answer = office.json("order-1")
    assert answer["level"] == "refusals"
    assert answer["records"] == [
        {
            "site": "shop",
            "destination": "meta",
            "outcome": "skipped",
            "reason": "gpc",
            "meaning": "Global Privacy Control denies advertising for every recipient",
            "at": "2026-11-25T10:31Z",
            "policy_hash": "ab12",
        }
    ]
    assert [(one["destination"], one["outcome"]) for one in answer["destinations"]] == [
        ("meta", "skipped"),
        ("ga4", None),
    ]
    assert "order-1" not in json.dumps(answer)
    assert answer["records_lost"] == 0


def test_an_event_id_is_read_from_stdin(office: Office) -> None:
    office.record(("order 1", {"meta": "skipped:gpc"}, 0))
    result = office.ask("-", text="order 1\n")
    assert result.output.startswith("meta: not sent")


@pytest.mark.parametrize("text", ["", "\n", "x" * 257])
def test_what_cannot_be_an_event_id_is_refused_with_a_sentence(office: Office, text: str) -> None:
    result = office.ask("-", text=text)
    assert (result.exit_code, result.output) == (2, "An event id has 1 to 256 characters.\n")


def test_the_same_id_on_two_sites_is_two_events_and_each_says_its_site(tmp_path: Path) -> None:
    office = Office(tmp_path, TWO + BLOG)
    office.record(("order-1", {"meta": "skipped:gpc"}, 0), site="blog")
    office.record(("order-1", {"ga4": "skipped:choice_unknown"}, 1), process="other")
    starts = [line.partition(":")[0] for line in office.told("order-1")[:3]]
    assert starts == ["ga4 (site shop)", "meta (site blog)", "meta (site shop)"]


def test_without_keys_nothing_can_be_looked_up_and_a_sentence_says_so(office: Office) -> None:
    for file in (office.file.parent / "var" / "keys").iterdir():
        file.unlink()
    result = office.ask("order-1")
    assert result.exit_code == 2
    assert "There is no subject key" in result.output


def test_every_reason_that_a_record_may_carry_has_its_meaning() -> None:
    words = {str(one.value) for members in (Reason, Skipped, Skip, Overruled) for one in members}
    assert words - meanings().keys() == set()
