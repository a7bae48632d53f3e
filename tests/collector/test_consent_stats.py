"""`sluis consent stats`: rates per recipient and purpose, where, by whom, and what is lost to silence and to age."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
import typer
from typer.testing import CliRunner, Result

from collector.commands.consent_stats import Rates, grouped, last_days, report, stats
from collector.store.connection import connect_readers
from collector.store.consent_counts import GRANTED, Said, count_consent
from tests.collector.test_settings import META, MINIMAL, SECOND

SHOP = ("shop", "google", "analytics_storage")
COUNTS = {
    Said(*SHOP, "BE", "site", GRANTED): 6,
    Said(*SHOP, "BE", "site", "purpose_not_granted"): 2,
    Said(*SHOP, "BE", "", "expired_choice"): 1,
    Said(*SHOP, "", "", "choice_unknown"): 3,
    Said("shop", "meta", "ad_storage", "BE", "gpc", "gpc"): 4,
    Said("other", "google", "analytics_storage", "FR", "tcf", GRANTED): 1,
}


def ask(folder: Path, store_url: str, *words: str) -> Result:
    file = folder / "sluis.toml"
    file.write_text(f'{MINIMAL}{SECOND}{META}\n[store]\nurl = "{store_url}"\ntimeout_s = 1.0\n', encoding="utf-8")
    app = typer.Typer()
    app.command()(stats)
    return CliRunner().invoke(app, [*words, "--config", str(file)])


@pytest.fixture
def emptied(store_url: str) -> str:
    """A store without anything."""

    async def empty() -> None:
        client = connect_readers(store_url, 2.0)
        await client.flushall()
        await client.aclose()

    anyio.run(empty)
    return store_url


@pytest.fixture
def counted(emptied: str) -> str:
    """A store with the counts: as many today, and 29 and 30 days ago."""

    async def count() -> None:
        client = connect_readers(emptied, 2.0)
        for ago in (0, 29, 30):
            await count_consent(client, f"{datetime.now(UTC) - timedelta(days=ago):%Y%m%d}", COUNTS)
        await client.aclose()

    anyio.run(count)
    return emptied


def test_a_rate_is_what_was_granted_of_all_that_was_asked() -> None:
    (key, rates), *_ = [one for one in grouped(COUNTS, lambda said: said[:3]) if one[0] == SHOP]
    assert (key, rates) == (SHOP, Rates(events=12, granted=6, unknown=3, expired=1))
    assert rates.to_json() == {
        "events": 12,
        "granted": 6,
        "unknown": 3,
        "expired": 1,
        "granted_share": 0.5,
        "unknown_share": 0.25,
        "expired_share": 0.0833,
    }
    assert Rates().share("granted") == 0.0


def test_a_row_tells_regions_and_signals_apart_and_says_where_nobody_spoke() -> None:
    rows = {
        (one["region"], one["signal"]): one["granted_share"] for one in report(COUNTS)["rows"] if one["site"] == "shop"
    }
    assert rows == {("BE", "site"): 0.75, ("BE", "nobody"): 0.0, ("unknown", "nobody"): 0.0, ("BE", "gpc"): 0.0}


def test_every_reason_of_a_refusal_is_counted_per_site() -> None:
    reasons = {(one["site"], one["reason"]): one["answers"] for one in report(COUNTS)["reasons"]}
    assert reasons == {
        ("shop", "purpose_not_granted"): 2,
        ("shop", "expired_choice"): 1,
        ("shop", "choice_unknown"): 3,
        ("shop", "gpc"): 4,
    }


@pytest.mark.parametrize(("days", "times"), [("1", 1), ("29", 1), ("30", 2), ("31", 3)])
def test_the_days_that_are_asked_for_are_added_up(tmp_path: Path, counted: str, days: str, times: int) -> None:
    said = json.loads(ask(tmp_path, counted, "--json", "--days", days).output)
    assert said["days"] == int(days)
    totals = {(one["site"], one["recipient"]): one["events"] for one in said["totals"]}
    assert totals == {("shop", "google"): 12 * times, ("shop", "meta"): 4 * times, ("other", "google"): times}


def test_one_site_can_be_asked_for(tmp_path: Path, counted: str) -> None:
    said = json.loads(ask(tmp_path, counted, "--json", "--site", "other").output)
    assert {one["site"] for one in said["totals"] + said["rows"]} == {"other"}
    wrong = ask(tmp_path, counted, "--site", "nowhere")
    assert (wrong.exit_code, wrong.output) == (2, "There is no site 'nowhere': shop, other.\n")


def test_people_get_a_table_with_shares(tmp_path: Path, counted: str) -> None:
    lines = [line.split() for line in ask(tmp_path, counted, "--days", "1").output.splitlines()]
    assert ["shop", "google", "analytics_storage", "12", "50.0%", "25.0%", "8.3%"] in lines
    assert ["shop", "meta", "ad_storage", "4", "0", "0", "0"] in lines
    assert ["shop", "google", "analytics_storage", "unknown", "nobody", "3", "0", "100.0%", "0"] in lines


def test_without_events_it_says_so(tmp_path: Path, emptied: str) -> None:
    assert ask(tmp_path, emptied).output == "No event was decided upon in 30 days.\n"


def test_a_store_that_is_away_is_exit_code_3(tmp_path: Path) -> None:
    result = ask(tmp_path, f"unix://{tmp_path}/none.sock")
    assert result.exit_code == 3
    assert result.output.startswith("The store does not answer")


def test_days_are_those_of_the_store() -> None:
    assert last_days(datetime(2026, 3, 1, 0, 30, tzinfo=UTC), 3) == ["20260301", "20260228", "20260227"]
