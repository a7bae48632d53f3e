"""Rows of tests/fixtures/vectors as pytest parameters, each named by its id or its text."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "fixtures" / "vectors"


def rows(file: str, part: str) -> list[Any]:
    """One parameter per row of one list of a file."""
    loaded = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))[part]
    return [pytest.param(row, id=row["id"] if isinstance(row, dict) and "id" in row else None) for row in loaded]


def written(row: dict[str, Any], name: str) -> str:
    """A row's string; one that is too long for the file is built from its recipe."""
    if row[name] is not None:
        return str(row[name])
    build = row["build"]
    return str(build["prefix"] + build["repeat"] * build["times"])
