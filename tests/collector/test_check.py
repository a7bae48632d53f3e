"""`sluis check`: each problem once, as a sentence that says what to do."""

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis
from typer.testing import CliRunner

from collector.__main__ import build
from collector.check import problems, remarks, store_problems, tradeoffs
from collector.configuration import Settings
from collector.settings import parse
from collector.store.keyring import Master
from tests.collector.test_settings import META, MINIMAL

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which everything is as it should be."""
    file = tmp_path / "sluis.toml"
    file.touch(mode=0o600)
    Master.create(tmp_path / "var" / "secrets" / "master")
    return tmp_path


def configured(folder: Path, toml: str = MINIMAL + META, **env: str) -> Settings:
    file = folder / "sluis.toml"
    file.write_text(toml, encoding="utf-8")
    return parse(toml, file, env)


def found(folder: Path, toml: str = MINIMAL + META, **env: str) -> list[str]:
    return list(problems(configured(folder, toml, **env), folder / "sluis.toml"))


def test_a_good_configuration_has_none(folder: Path) -> None:
    assert found(folder) == []


def test_a_file_with_secrets_that_others_can_read(folder: Path) -> None:
    (folder / "sluis.toml").chmod(0o644)
    (said,) = found(folder)
    assert "has mode 644: others can read it. Run: chmod 600 " in said


def test_a_site_without_a_destination(folder: Path) -> None:
    (said,) = found(folder, MINIMAL.partition("[destination")[0])
    assert said == "Site 'shop' has no destination: nothing would ever be accepted."


def test_a_destination_without_purposes(folder: Path) -> None:
    settings = configured(folder)

    class Careless(Settings):
        def required_of(self, name: str) -> Any:
            return frozenset() if name == "ga4" else super().required_of(name)

    careless = Careless.model_construct(**{name: getattr(settings, name) for name in Settings.model_fields})
    (said,) = problems(careless, folder / "sluis.toml")
    assert said.startswith("Destination 'ga4' requires no purpose")


def test_advertising_for_children(folder: Path) -> None:
    (said,) = found(folder, (MINIMAL + META).replace('"general"', '"children"'))
    assert "destination 'meta' would never get anything" in said
    assert "List the site's destinations without it." in said


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"BE"', '"Belgium"', "establishment must be the ISO country code"),
        ('audience = "general"', 'audience = "general"\nchoice_max_age_days = 396', "between 1 and 395"),
        ('audience = "general"', 'audience = "general"\nelsewhere = "opt_out"', "needs opt-in for every visitor"),
    ],
)
def test_a_policy_that_breaks_a_rule(folder: Path, old: str, new: str, sentence: str) -> None:
    (said,) = found(folder, MINIMAL.replace(old, new))
    assert sentence in said
    assert said.startswith("site 'shop': ")


def test_no_master_key(folder: Path) -> None:
    (folder / "var" / "secrets" / "master").unlink()
    (said,) = found(folder)
    assert said.startswith("There is no master key at ")


def test_a_master_key_that_others_can_read(folder: Path) -> None:
    (folder / "var" / "secrets" / "master").chmod(0o640)
    (said,) = found(folder)
    assert "others may use it. Run: chmod 600 " in said


def test_a_master_key_of_a_wrong_size(folder: Path) -> None:
    (said,) = found(folder, SLUIS_KEYS__MASTER="c2hvcnQ=")
    assert "must be 32 bytes in base64" in said
    assert "c2hvcnQ" not in said


def test_every_problem_is_told_at_once(folder: Path) -> None:
    (folder / "sluis.toml").chmod(0o644)
    (folder / "var" / "secrets" / "master").unlink()
    assert len(found(folder, (MINIMAL + META).replace('"general"', '"children"'))) == 3


@pytest.mark.parametrize(
    ("days", "says"),
    [(365, "Set the platform to 183 days"), (90, "set choice_max_age_days = 90"), (183, None), (None, None)],
)
def test_how_long_the_platform_keeps_a_choice_is_compared(folder: Path, days: int | None, says: str | None) -> None:
    line = "" if days is None else f"platform_days = {days}\n"
    toml = MINIMAL.replace('audience = "general"\n', f'audience = "general"\n{line}') + META
    said = [one for one in remarks(configured(folder, toml)) if "consent platform" in one]
    assert len(said) == (says is not None)
    assert all(says in one for one in said if says)


def test_what_works_and_deserves_to_be_known_is_remarked(folder: Path) -> None:
    said = list(remarks(configured(folder)))
    assert [line.partition(":")[0] for line in said] == ["ga4", "meta"]
    assert "will not join with gtag's" in said[0]
    other = (MINIMAL + META).replace('"keyed"', '"companion"\nendpoint = "http://127.0.0.1:9/mp/collect"')
    said = list(remarks(configured(folder, other + "browser_pixel = true\n")))
    assert [line.partition(" ")[0] for line in said] == ["ga4:", "ga4:"]
    assert "de-duplicates purchases only" in said[0]
    assert "not to the vendor" in said[1]


def test_every_switch_has_its_gain_beside_what_it_discloses(folder: Path) -> None:
    rows = tradeoffs(configured(folder, MINIMAL + META + "measurement_only = true\n"))
    assert {row["setting"]: row["value"] for row in rows} == {
        "destination.ga4.identity": "keyed",
        "destination.meta.measurement_only": True,
        "destination.meta.browser_pixel": False,
    }
    for row in rows:
        assert row["gain"]
        assert row["discloses"]


async def test_a_store_that_keeps_the_promise_has_no_problem(folder: Path, store_url: str) -> None:
    assert await store_problems(configured(folder, SLUIS_STORE__URL=store_url)) == []


@pytest.mark.parametrize(
    ("setting", "value", "good"),
    [
        ("appendfsync", "everysec", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendonly", "no", "yes"),
    ],
)
async def test_a_store_that_would_break_it_is_said_once(
    folder: Path, store_url: str, client: redis.Redis, setting: str, value: str, good: str
) -> None:
    await client.config_set(setting, value)
    try:
        (said,) = await store_problems(configured(folder, SLUIS_STORE__URL=store_url))
        assert said.startswith(f"The store has {setting} {value}: ")
        assert said.endswith(f"Set {setting} {good}.")
    finally:
        await client.config_set(setting, good)


async def test_a_store_that_does_not_answer_is_a_sentence(folder: Path) -> None:
    (said,) = await store_problems(configured(folder, SLUIS_STORE__URL=f"unix://{folder}/none.sock"))
    assert said.startswith("The store does not answer: ")
    assert said.endswith(".")
    assert not said.endswith("..")


class TestCommand:
    """`sluis check` itself, without a store."""

    def run(self, folder: Path, *options: str) -> tuple[int, str]:
        from_entry_points = [point for point in entry_points(group="sluis.commands") if point.name == "check"]
        done = CliRunner().invoke(build(from_entry_points), ["check", "--config", str(folder / "sluis.toml"), *options])
        return done.exit_code, done.stdout

    def test_it_answers_json_and_exit_code_0(self, folder: Path) -> None:
        configured(folder)
        code, out = self.run(folder, "--offline", "--json")
        answer = json.loads(out)
        assert (code, answer["ok"], answer["problems"]) == (0, True, [])
        assert len(answer["remarks"]) == 2

    def test_a_problem_is_exit_code_1(self, folder: Path) -> None:
        configured(folder)
        (folder / "sluis.toml").chmod(0o644)
        code, out = self.run(folder, "--offline", "--json")
        answer = json.loads(out)
        assert (code, answer["ok"], len(answer["problems"])) == (1, False, 1)
        code, out = self.run(folder, "--offline")
        assert code == 1
        assert out.count("MUST BE MENDED: ") == 1
        assert out.endswith("1 to mend.\n")

    def test_for_people_it_says_that_it_may_serve(self, folder: Path) -> None:
        configured(folder)
        code, out = self.run(folder, "--offline")
        assert code == 0
        assert out.count("note: ") == 2
        assert out.endswith("This configuration may serve.\n")

    def test_tradeoffs_are_a_table_or_json(self, folder: Path) -> None:
        configured(folder)
        assert len(json.loads(self.run(folder, "--tradeoffs", "--json")[1])) == 3
        assert "Discloses" in self.run(folder, "--tradeoffs")[1]
