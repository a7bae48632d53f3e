import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake.device import coarse_device, is_declared_bot

AGENTS = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "vectors" / "user_agents.json").read_text(encoding="utf-8")
)
CHROME = AGENTS["devices"][0]["user_agent"]
FIELDS = {
    "category",
    "operating_system",
    "operating_system_version",
    "browser",
    "browser_version",
    "language",
}


@pytest.mark.parametrize("row", AGENTS["devices"], ids=lambda row: row["name"])
def test_a_user_agent_is_reduced_to_families_and_majors(row: dict[str, Any]) -> None:
    assert coarse_device(row["user_agent"], "") == row["device"]


@pytest.mark.parametrize("row", AGENTS["bots"], ids=lambda row: row["name"])
def test_only_agents_that_say_so_are_declared_bots(row: dict[str, Any]) -> None:
    assert is_declared_bot(row["user_agent"]) is row["declared_bot"]


@pytest.mark.parametrize(
    ("language", "primary"),
    [
        ("nl-BE", "nl"),
        ("NL", "nl"),
        ("fr_BE", "fr"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("zh-Hant-TW", "zh"),
        (" en-GB", "en"),
        ("gsw", "gsw"),
        ("", None),
        ("*", None),
        ("und", None),
        ("x-private", None),
        ("english", None),
        ("12", None),
    ],
)
def test_only_the_primary_language_tag_is_kept(language: str, primary: str | None) -> None:
    assert coarse_device("", language) == ({"language": primary} if primary else {})


def test_an_answer_belongs_to_the_caller_and_cannot_spoil_the_memory() -> None:
    coarse_device(CHROME, "nl-BE")["browser"] = "changed"
    assert coarse_device(CHROME, "")["browser"] == "Chrome"
    assert "language" not in coarse_device(CHROME, "")


def test_what_comes_after_256_characters_is_not_looked_at() -> None:
    assert is_declared_bot(" " * 246 + "Googlebot/")
    assert not is_declared_bot(" " * 256 + "Googlebot/")
    assert coarse_device(" " * 256 + CHROME, "") == {}


@given(user_agent=st.one_of(st.text(), st.text(alphabet="Android FBAN/Opera;TVbot0123456789٣")), language=st.text())
@settings(deadline=None, database=None, max_examples=300)
def test_any_text_gives_only_short_parts_of_the_documented_shape(user_agent: str, language: str) -> None:
    device = coarse_device(user_agent, language)
    assert set(device) <= FIELDS
    assert device.get("category", "desktop") in {"desktop", "mobile", "tablet"}
    for version in ("operating_system_version", "browser_version"):
        value = device.get(version, "1")
        assert value.isascii()
        assert value.isdigit()
        assert len(value) <= 4
    assert is_declared_bot(user_agent) in {True, False}
