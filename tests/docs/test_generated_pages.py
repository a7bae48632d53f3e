"""The pages that are made from the code are the code's: fresh, and complete."""

import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from collector.__main__ import build
from collector.configuration import Settings
from collector.intake.outcome import Filtered, Outcome, Skipped
from collector.store import sealing
from consent.kinds import KINDS
from consent.model import Reason
from docs.cli_page import points
from docs.configuration_page import destinations
from docs.generate import FOLDER, PAGES, made
from docs.markdown import meanings, sentence, table
from forwarders import transport
from forwarders.contract import Overruled, Skip, Verdict

ROOT = Path(__file__).parents[2]
ROW = re.MULTILINE | re.IGNORECASE
LISTS: list[type[Enum]] = [
    Outcome,
    Filtered,
    Skipped,
    Reason,
    Skip,
    Overruled,
    Verdict,
    sealing.Cause,
    transport.Cause,
]


def written(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    return written("configuration.md").partition(f" `{title}`\n")[2].partition("\n#")[0]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_the_code_makes_of_it_now(name: str) -> None:
    assert written(name) == made(name), "run `make docs`"


@pytest.mark.parametrize("words", LISTS, ids=lambda words: f"{words.__module__}.{words.__name__}")
def test_every_word_of_a_closed_list_has_a_row(words: type[Enum]) -> None:
    rows = re.findall(r"^\| `([^`]+)` \| .{10,} \|$", written("outcomes.md"), re.MULTILINE)
    assert {one.value for one in words} <= set(rows)


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in ("site", "destination", "var")])
def test_every_setting_of_a_section_has_a_row_with_its_variable(name: str) -> None:
    model: Any = Settings.model_fields[name].annotation
    for field in model.model_fields:
        assert re.search(rf"^\| `{field}` \|.*`SLUIS_{name}__{field}` \|$", section(f"[{name}]"), ROW)


@pytest.mark.parametrize("model", destinations(), ids=lambda model: model.__name__)
def test_every_setting_of_a_destination_has_a_row(model: type[BaseModel]) -> None:
    kind = str(model.model_fields["kind"].annotation).split("'")[1]
    text = section(f'kind = "{kind}"') + section("[destination.NAME]")
    assert [field for field in model.model_fields if f"| `{field}` |" not in text] == []


def test_every_kind_has_its_section_and_its_row_of_needs() -> None:
    text = written("configuration.md")
    for kind, row in KINDS.items():
        assert f'### `kind = "{kind}"`' in text
        assert f"| `{kind}` | `{row.recipient}` |" in text


def test_every_command_and_every_option_has_its_place() -> None:
    app: Any = typer.main.get_command(build(points()))
    text = written("cli.md")
    for name, command in app.commands.items():
        for title, one in {name: command, **{f"{name} {sub}": sub_ for sub, sub_ in _inner(command).items()}}.items():
            part = re.split(rf"^## `sluis {title}(?: [^`]*)?`$", text, flags=re.MULTILINE)[1].partition("\n## ")[0]
            assert one.help
            assert [
                flag for option in one.params for flag in option.opts if f"`{flag}`" not in part and flag[0] == "-"
            ] == []


def _inner(command: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(command, "commands", {})
    return found


def test_a_word_without_a_sentence_stops_the_page() -> None:
    class Silent(Enum):
        WORD = "word"

    with pytest.raises(KeyError):
        meanings(Silent)


def test_a_comment_becomes_a_sentence_and_a_bar_does_not_break_a_table() -> None:
    assert sentence("without decided_at; ask again") == "Without `decided_at`; ask again."
    assert table(("A",), [("a|b",)]) == "| A |\n| --- |\n| a\\|b |\n"


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
