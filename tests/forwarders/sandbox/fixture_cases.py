"""Reads the fixtures: each case is a clean request, or one that is `like` a clean request with something changed.

`set` and `remove` name places with JSON pointers (RFC 6901). Long things are written short: `{"$repeat": x,
"$times": n}` is a text or a list of n times x, `{"$numbered": "p", "$times": n}` an object with keys p1 to pn.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOW_MS = 1_795_255_200_000  # 2026-11-21T10:00:00Z, the moment at which every fixture is received
FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Case:
    vendor: str
    name: str
    title: str
    why: str
    request: dict[str, Any]
    expect: frozenset[str]


def read_cases(vendor: str) -> list[Case]:
    clean = _read(vendor, "clean")
    bases = {case["name"]: case["request"] for case in clean if "name" in case}
    names = sorted(path.stem for path in (FIXTURES / vendor).glob("*.json"))
    return [_case(vendor, name, row, bases) for name in names for row in _read(vendor, name)]


def clean_request(vendor: str, name: str) -> dict[str, Any]:
    """A clean request by its name, for tests of the endpoints."""
    return next(copy.deepcopy(row["request"]) for row in _read(vendor, "clean") if row.get("name") == name)


def _read(vendor: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FIXTURES / vendor / f"{name}.json").read_text("utf-8"))["cases"]
    return rows


def _case(vendor: str, name: str, row: dict[str, Any], bases: dict[str, Any]) -> Case:
    request = row["request"]
    if "like" in request:
        changed = copy.deepcopy(bases[request["like"]])
        for pointer, value in request.get("set", {}).items():
            _change(changed, pointer, _expand(value))
        for pointer in request.get("remove", []):
            _remove(changed, pointer)
        request = changed
    return Case(vendor, name, row["title"], row["why"], request, frozenset(row["expect"]))


def _expand(value: Any) -> Any:
    if isinstance(value, dict) and "$repeat" in value:
        part, times = value["$repeat"], value["$times"]
        return part * times if isinstance(part, str) else [copy.deepcopy(part) for _ in range(times)]
    if isinstance(value, dict) and "$numbered" in value:
        return {f"{value['$numbered']}{number}": number for number in range(1, value["$times"] + 1)}
    if isinstance(value, dict):
        return {key: _expand(part) for key, part in value.items()}
    return value


def _find(root: Any, pointer: str) -> tuple[Any, Any]:
    *steps, last = pointer.removeprefix("/").split("/")
    for step in steps:
        root = root.setdefault(step, {}) if isinstance(root, dict) else root[int(step)]
    return root, int(last) if isinstance(root, list) else last


def _change(root: Any, pointer: str, value: Any) -> None:
    holder, key = _find(root, pointer)
    holder[key] = value


def _remove(root: Any, pointer: str) -> None:
    holder, key = _find(root, pointer)
    del holder[key]
