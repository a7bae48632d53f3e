"""Fixtures of tests/fixtures/intake: lists of cases with a title and a why.

Two words make long values readable: {"$repeat": ["a", 41]} is "aaa..." and {"$nest": 9} an object nine levels deep.
"""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "fixtures" / "intake"


def cases(name: str) -> list[Any]:
    """One pytest parameter per case of a file."""
    loaded = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for case in loaded:
        assert {"title", "why"} <= set(case), case
    return [pytest.param(written_out(case), id=case["title"]) for case in loaded]


def written_out(value: Any) -> Any:
    """A value with $repeat and $nest written out."""
    if isinstance(value, list):
        return [written_out(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "$repeat" in value:
        part, times = value["$repeat"]
        return part * times if isinstance(part, str) else [part] * times
    if "$nest" in value:
        return nested(value["$nest"])
    return {name: written_out(one) for name, one in value.items()}


def nested(levels: int) -> Any:
    """`levels` objects in each other, a number in the innermost."""
    inner: Any = 1
    for _ in range(levels):
        inner = {"a": inner}
    return inner
