"""`sluis consent show` and `withdraw`: on a real Valkey, under the references that the collector makes."""

import asyncio
import json
import os
import pty
import re
import subprocess
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from collector.__main__ import build
from collector.first_run import lay_down
from collector.intake.domains import DomainKeys
from collector.intake.visit import reference
from collector.settings import load
from collector.store import keyspace
from collector.store.connection import command, connect_readers
from collector.store.keyring import KeyRing, Master
from collector.store.ledger import Ledger
from collector.store.restoring import Restorer
from collector.store.rows import Row, others
from consent.model import ADS, NOTHING, Choice, Purpose, Purposes
from tests.collector.test_settings import META, MINIMAL, SECOND
from tests.support.stack import SLUIS

DAY_MS = 86_400_000
ANALYTICS = frozenset({Purpose.ANALYTICS_STORAGE})
WITHDRAWN = re.compile(r"^(\w+): withdrawn at [0-9T:.-]+Z, under (\d+ references?)\.$", re.MULTILINE)
WHO = {"choice_id": "chosen-1", "client_id": "123.456", "user_id": "jane"}


class Place:
    """A configuration of two sites, its keys, and what is in its store."""

    def __init__(self, folder: Path, store_url: str) -> None:
        self.file = folder / "sluis.toml"
        store = f'\n[store]\nurl = "{store_url}"\ntimeout_s = 0.5\n'
        self.file.write_text(MINIMAL + META + SECOND + "choice_max_age_days = 30\n" + store, encoding="utf-8")
        self.settings = load(self.file, {})
        lay_down(self.settings, datetime.now(UTC))
        self.keys = DomainKeys(KeyRing.open(self.settings.keys.dir, Master.load(self.settings.keys)))

    def sluis(self, *arguments: str, stdin: str | None = None) -> Result:
        points = entry_points(group="sluis.commands", name="consent")
        return CliRunner().invoke(
            build(tuple(points)), ["consent", *arguments, "--config", str(self.file)], input=stdin
        )

    def show(self, *arguments: str, stdin: str | None = None) -> list[dict[str, Any]]:
        done = self.sluis("show", "--json", *arguments, stdin=stdin)
        assert done.exit_code == 0, done.output
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def subject(self, field: str, value: str, site: str = "shop") -> bytes:
        return reference(self.keys.subject(site), field.removesuffix("_id"), value)

    def record(self, ago_ms: int = 0, site: str = "shop", **granted: Purposes) -> int:
        """One act under all of WHO; answers when it was decided."""
        decided_ms = time.time_ns() // 1_000_000 - ago_ms
        subjects = [self.subject(field, value, site) for field, value in WHO.items()]
        rows = [Row(one, Choice(decided_ms, granted), lowers=False, siblings=others(one, subjects)) for one in subjects]
        self.ask(lambda client: Ledger(client).record(rows))
        return decided_ms

    def choice(self, field: str, site: str = "shop") -> Choice | None:
        subject = self.subject(field, WHO[field], site)
        found: list[Choice | None] = self.ask(lambda client: Ledger(client).latest([subject]))
        return found[0]

    def ask(self, question: Callable[[Any], Awaitable[Any]]) -> Any:
        async def asked() -> Any:
            client = connect_readers(self.settings.store_url, 2.0, 1)
            try:
                return await question(client)
            finally:
                await client.aclose()

        return asyncio.run(asked())


@pytest.fixture
def place(tmp_path: Path, store_url: str) -> Place:
    """Keys of its own for every test, so that nobody else's choices are met."""
    return Place(tmp_path, store_url)


def moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_the_latest_choice_is_shown_with_its_dates_grants_and_links(place: Place) -> None:
    decided_ms = place.record(ago_ms=2 * DAY_MS, google=ADS | ANALYTICS, meta=NOTHING)
    (found,) = place.show("--client-id", "123.456", "--site", "shop")
    assert 2 * DAY_MS <= found["choice"].pop("age_ms") < 2 * DAY_MS + 60_000
    assert found == {
        "site": "shop",
        "identifier": "client_id",
        "choice": {
            "decided_at": moment(decided_ms),
            "expires_at": moment(decided_ms + 183 * DAY_MS),
            "expired": False,
            "granted": {"google": sorted(ADS | ANALYTICS), "meta": []},
            "linked": 2,
        },
    }


def test_each_site_has_its_own_references_and_its_own_age(place: Place) -> None:
    place.record(ago_ms=31 * DAY_MS, site="other", google=ANALYTICS)
    shop, other = place.show("--user-id", "jane")
    assert (shop["site"], shop["choice"]) == ("shop", None)
    assert (other["site"], other["choice"]["expired"]) == ("other", True)


def test_a_person_reads_the_same(place: Place) -> None:
    place.record(ago_ms=31 * DAY_MS, site="other", google=ANALYTICS, meta=NOTHING)
    done = place.sluis("show", "--user-id", "jane")
    first, second, *fields = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert (first, second) == ("shop user_id: no recorded choice", "other user_id")
    assert fields[0].endswith(", 31 d ago")
    assert [field.split(" ")[0] for field in fields] == ["decided", "expired", "granted", "granted", "linked"]
    assert fields[2:] == ["granted to google analytics_storage", "granted to meta nothing", "linked 2"]


def test_every_identifier_has_its_row_and_stdin_serves_as_well_as_options(place: Place) -> None:
    place.record(google=ANALYTICS)
    named = ["--choice-id", "chosen-1", "--client-id", "123.456", "--user-id", "nobody"]
    rows = place.show(*named, "--site", "shop")
    assert [(row["identifier"], row["choice"] is None) for row in rows] == [
        ("choice_id", False),
        ("client_id", False),
        ("user_id", True),
    ]
    (from_stdin, _) = place.show("-", stdin='{"client_id": "123.456"}')
    assert from_stdin["choice"]["granted"] == {"google": ["analytics_storage"]}


def test_a_number_on_stdin_is_the_user_id_that_events_write_as_a_number(place: Place) -> None:
    row = Row(place.subject("user_id", "42"), Choice(1_700_000_000_000, {"google": ANALYTICS}), lowers=False)
    place.ask(lambda client: Ledger(client).record([row]))
    (found,) = place.show("-", "--site", "shop", stdin='{"user_id": 42}')
    assert found["choice"]["granted"] == {"google": ["analytics_storage"]}


def test_a_row_that_cannot_be_read_is_shown_as_granting_nothing(place: Place) -> None:
    key = keyspace.choice(place.subject("client_id", "123.456"))
    place.ask(lambda client: command(client, "SET", key, b"soon|google=15"))
    (found,) = place.show("--client-id", "123.456", "--site", "shop")
    assert found["choice"] == {
        "decided_at": None,
        "age_ms": None,
        "expires_at": None,
        "expired": True,
        "granted": {},
        "linked": 0,
    }
    assert "cannot be read: nothing is granted" in place.sluis("show", "--client-id", "123.456").stdout


@pytest.mark.parametrize("command_name", ["show", "withdraw"])
@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        ([], None, "Name at least one of --choice-id, --client-id and --user-id, or give them on stdin with -."),
        (["-"], "{}", "Name at least one of"),
        (["--client-id", ""], None, "length >= 1 - at `$.client_id`."),
        (["--client-id", "x" * 257], None, "length <= 256 - at `$.client_id`."),
        (["--client-id", "a\udcff"], None, "they are not UTF-8."),
        (["--client-id", "1", "--site", "nowhere"], None, "There is no site 'nowhere'. Configured: shop, other."),
        (["123.456"], None, "Identifiers are options, or - for stdin."),
        (["-", "--client-id", "1"], '{"user_id": "2"}', "Give all identifiers as options, or all on stdin."),
        (["-"], '{"client-id": "1"}', "Object contains unknown field `client-id`."),
        (["-"], '{"client_id": 1}', "Expected `str | null`, got `int` - at `$.client_id`."),
        (["-"], "123.456 jane", "What stands on stdin is not JSON."),
        (["-"], '["123.456"]', "must be one JSON object"),
        (["-"], '{"client_id": "a\\u0000"}', "without NUL characters."),
    ],
)
def test_what_names_nobody_is_a_sentence_that_quotes_nothing(
    place: Place, command_name: str, arguments: list[str], stdin: str | None, sentence: str
) -> None:
    done = place.sluis(command_name, *arguments, stdin=stdin)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "123.456" not in done.stderr


@pytest.mark.parametrize("command_name", ["show", "withdraw"])
def test_keys_that_cannot_be_used_are_a_sentence(place: Place, command_name: str) -> None:
    for file in place.settings.keys.dir.glob("subject*"):
        file.unlink()
    done = place.sluis(command_name, "--client-id", "1")
    assert (done.exit_code, "There is no subject key in" in done.stderr) == (2, True)
    place.settings.keys.master_file.unlink()
    done = place.sluis(command_name, "--client-id", "1")
    assert (done.exit_code, "There is no master key at" in done.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [["show"], ["withdraw", "--yes"]])
def test_a_store_that_is_away_is_exit_code_3_and_never_a_yes(tmp_path: Path, arguments: list[str]) -> None:
    place = Place(tmp_path, f"unix://{tmp_path}/none.sock")
    done = place.sluis(*arguments, "--client-id", "123.456")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "no answer from the store" in done.stderr
    assert "123.456" not in done.stderr
    if "withdraw" in arguments:
        assert "at shop, other: do it again" in done.stderr


def test_a_withdrawal_empties_the_choice_and_those_it_is_linked_to(place: Place) -> None:
    place.record(ago_ms=1000, google=ADS, meta=ADS)
    began_ms = time.time_ns() // 1_000_000
    done = place.sluis("withdraw", "--client-id", "123.456", "--site", "shop", "--yes", "--json")
    assert done.exit_code == 0
    (said,) = json.loads(done.stdout)
    assert (said["site"], said["identifiers"]) == ("shop", 3)
    for field in WHO:
        choice = place.choice(field)
        assert choice is not None
        assert choice.granted == {"google": NOTHING, "meta": NOTHING}
        assert choice.decided_ms >= began_ms
        assert moment(choice.decided_ms) == said["withdrawn_at"]


def test_a_withdrawal_holds_against_a_choice_dated_ahead(place: Place) -> None:
    place.record(ago_ms=-2 * 60_000, google=ADS)
    place.sluis("withdraw", "--client-id", "123.456", "--yes")
    choice = place.choice("client_id")
    assert choice is not None
    assert not any(choice.granted.values())


def test_without_a_site_it_is_withdrawn_at_every_site_and_with_one_only_there(place: Place) -> None:
    for site in ("shop", "other"):
        place.record(ago_ms=1000, site=site, google=ADS)
    done = place.sluis("withdraw", "-", "--site", "other", "--yes", stdin='{"client_id": "123.456"}')
    assert WITHDRAWN.findall(done.stdout) == [("other", "3 references")]
    left = place.choice("client_id")
    assert left is not None
    assert left.granted == {"google": ADS}
    done = place.sluis("withdraw", "--user-id", "somebody else", "--yes")
    assert WITHDRAWN.findall(done.stdout) == [("shop", "1 reference"), ("other", "1 reference")]
    place.sluis("withdraw", "--client-id", "123.456", "--yes")
    gone = place.choice("user_id")
    assert gone is not None
    assert not any(gone.granted.values())


def test_who_has_to_be_told_is_said_with_what_they_had_and_until_when(place: Place) -> None:
    decided_ms = place.record(ago_ms=DAY_MS, google=ADS | ANALYTICS, meta=NOTHING)
    done = place.sluis("withdraw", "--client-id", "123.456", "--site", "shop", "--yes", "--json")
    (said,) = json.loads(done.stdout)
    assert said["notify"] == [
        {
            "recipient": "google",
            "purposes": sorted(ADS | ANALYTICS),
            "granted_at": moment(decided_ms),
            "until": said["withdrawn_at"],
        }
    ]
    kept = place.ask(lambda client: Ledger(client).get_receipt(said["receipt_id"]))
    assert json.loads(kept)["state"] == "withdrawn"
    place.record(google=ADS)
    people = place.sluis("withdraw", "--client-id", "123.456", "--site", "shop", "--yes").stdout
    assert "tell google" in people
    assert "tell meta" not in people


def test_a_withdrawal_holds_on_in_a_store_that_lost_everything(place: Place, store_url: str) -> None:
    place.record(ago_ms=1000, google=ADS)
    for _ in range(2):
        assert place.sluis("withdraw", "--client-id", "123.456", "--site", "shop", "--yes").exit_code == 0
    place.ask(lambda client: client.flushall())
    assert place.choice("client_id") is None
    now_ms = time.time_ns() // 1_000_000
    place.ask(lambda client: Restorer(client, place.settings.var / "withdrawals").restore(now_ms))
    for field in WHO:
        choice = place.choice(field)
        assert choice is not None
        assert not any(choice.granted.values())
    assert len(list((place.settings.var / "withdrawals").iterdir())) == 1  # the next run goes on where the last ended


def test_what_cannot_be_written_down_is_not_withdrawn_and_says_so(place: Place) -> None:
    place.record(google=ADS)
    (place.settings.var / "withdrawals").write_text("in the way", encoding="utf-8")
    done = place.sluis("withdraw", "--client-id", "123.456", "--yes", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (2, [])
    assert "Not withdrawn, or not for certain, at shop, other: do it again. The file of withdrawals: " in done.stderr
    kept = place.choice("client_id")
    assert kept is not None
    assert kept.granted == {"google": ADS}


def test_without_a_terminal_it_does_nothing_unless_yes_is_said(place: Place) -> None:
    place.record(google=ADS)
    done = place.sluis("withdraw", "--client-id", "123.456", "--site", "shop")
    assert (done.exit_code, done.stderr) == (2, "There is no terminal to ask on: say --yes.\n")
    kept = place.choice("client_id")
    assert kept is not None
    assert kept.granted == {"google": ADS}


@pytest.mark.parametrize(("answer", "code", "granted"), [(b"n\n", 1, ADS), (b"\n", 1, ADS), (b"y\n", 0, NOTHING)])
def test_on_a_terminal_it_asks_first_and_names_nobody(
    place: Place, answer: bytes, code: int, granted: Purposes
) -> None:
    place.record(ago_ms=1000, google=granted or ADS, meta=granted or ADS)
    ours, theirs = pty.openpty()
    named = ["--client-id", "123.456", "--site", "shop", "--config", str(place.file)]
    with subprocess.Popen(
        [SLUIS, "consent", "withdraw", *named], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        os.write(ours, answer)
        out, said = running.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert running.returncode == code
    assert b"Withdraw everything under this identifier at shop? [y/N]:" in said
    assert b"123.456" not in out + said
    choice = place.choice("client_id")
    assert choice is not None
    assert choice.granted == {"google": granted, "meta": granted}
