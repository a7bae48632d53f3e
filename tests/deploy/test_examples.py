"""deploy/examples: both configurations can be used, and the extended one names every setting there is."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from collector.check import problems
from collector.configuration import NoticeSettings, Settings, SiteSettings
from collector.settings import SettingsError, parse
from docs.configuration_page import destinations

FOLDER = Path(__file__).parents[2] / "deploy" / "examples"
SETTING = re.compile(r"^(# )?([a-z_]+) = ", re.MULTILINE)
HEADER = re.compile(r"^\[+([a-z0-9_.]+)\]+", re.MULTILINE)


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def models() -> dict[str, type[BaseModel]]:
    """Header in the extended example to the model of its section."""
    named = {"site": SiteSettings, "site.notice": NoticeSettings}
    sections: Any = {name: field.annotation for name, field in Settings.model_fields.items()}
    kinds = dict(zip(("destination.ga4", "destination.meta", "destination.trace"), destinations(), strict=True))
    return {
        **named,
        **kinds,
        **{name: sections[name] for name in ("store", "keys", "retention", "decisions", "limits", "listen")},
    }


def sections(text: str) -> dict[str, str]:
    parts = HEADER.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", ["minimal.toml", "extended.toml"])
def test_an_example_can_be_used_as_it_stands_but_for_the_master(name: str, tmp_path: Path) -> None:
    file = tmp_path / "sluis.toml"
    settings = parse(text_of(name), file, {})
    found = list(problems(settings, file))
    assert len(found) == 1
    assert found[0].startswith("There is no master key")


def test_the_minimal_example_has_nothing_that_could_be_left_out() -> None:
    raw = tomllib.loads(text_of("minimal.toml"))
    optional = [("site", name) for name in raw["site"][0] if name != "hosts"]
    for section, name in [*optional, *(("destination", name) for name in raw["destination"]["ga4"])]:
        fewer = re.sub(rf"^{name} = .*$", "", text_of("minimal.toml"), flags=re.MULTILINE)
        with pytest.raises(SettingsError):
            parse(fewer, Path("sluis.toml"), {})
        assert section in raw


def test_the_extended_example_names_every_setting_in_its_section() -> None:
    parts = sections(text_of("extended.toml"))
    assert set(parts) == set(models())
    for header, model in models().items():
        named = {name for _, name in SETTING.findall(parts[header])}
        assert named == set(model.model_fields) - {"notice"}, header
    assert set(Settings.model_fields) == {header.partition(".")[0] for header in parts} | {"var"}
    assert text_of("extended.toml").startswith("#")
    assert "\nvar = " in text_of("extended.toml")


def test_every_setting_of_the_extended_example_is_explained_beside_it() -> None:
    settings = [line for line in text_of("extended.toml").splitlines() if SETTING.match(line)]
    assert [line for line in settings if not re.search(r" # ?\S.{3,}$", line.removeprefix("# "))] == []


def test_the_settings_in_comments_could_be_used() -> None:
    without_marks = re.sub(r"^# ([a-z_]+ = )", r"\1", text_of("extended.toml"), flags=re.MULTILINE)
    assert without_marks.count("\nrecipient = ") == len(destinations())
    settings = parse(without_marks, Path("sluis.toml"), {})
    assert settings.recipient_of("trace") == "operator"


@pytest.mark.parametrize("header", ["store", "keys", "retention", "decisions", "limits", "listen"])
def test_the_extended_example_states_the_defaults(header: str) -> None:
    said = tomllib.loads(text_of("extended.toml"))[header]
    model: Any = models()[header]
    defaults = {name: field.default for name, field in model.model_fields.items()}
    differs = {name for name, value in said.items() if str(value) != str(defaults[name])}
    assert differs == ({"url"} if header == "store" else set())
