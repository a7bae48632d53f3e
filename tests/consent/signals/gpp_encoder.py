"""Writes GPP strings bit by bit, as the specification says and not as our reader reads."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from tests.consent.signals.vectors import FOLDER

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PADDINGS = (6, 8, 24)
Values = Mapping[str, int | list[int]]
LAYOUTS: dict[str, Any] = {
    section["prefix"]: section
    for section in json.loads((FOLDER / "gpp_layouts.json").read_text(encoding="utf-8"))["sections"]
}


def characters(bits: str, padding: int = 6) -> str:
    """To a multiple of `padding` bits first, then to whole characters."""
    bits += "0" * (-len(bits) % padding)
    bits += "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def fibonacci(number: int) -> str:
    worths = [1, 2]
    while worths[-1] <= number:
        worths.append(worths[-1] + worths[-2])
    bits = ""
    for worth in reversed(worths):
        bits = ("1" if worth <= number else "0") + bits
        number -= worth if worth <= number else 0
    return bits.rstrip("0") + "1"


def header(items: Sequence[int | tuple[int, int]], *, kind: int = 3, version: int = 1, padding: int = 6) -> str:
    """Single ids, and groups as (first, last)."""
    bits, last = "", 0
    for item in items:
        first, end = item if isinstance(item, tuple) else (item, item)
        grouped = isinstance(item, tuple)
        bits += f"{grouped:b}{fibonacci(first - last)}{fibonacci(end - first) if grouped else ''}"
        last = end
    return characters(f"{kind:06b}{version:06b}{len(items):012b}{bits}", padding)


def section(prefix: str, values: Values | None = None, *, gpc: bool | None = None, **form: int) -> str:
    """A US section; items that `values` does not name are 0."""
    layout, padding = LAYOUTS[prefix], form.get("padding", 6)
    bits = f"{form.get('version', layout['version']):06b}"
    for name, length in layout["items"].items():
        value = (values or {}).get(name, [0] * length)
        bits += "".join(f"{one:02b}" for one in ([value] if isinstance(value, int) else value))
    return characters(bits, padding) + ("" if gpc is None else "." + characters(f"01{gpc:b}", padding))


def gpp(sections: Mapping[int, str], *, padding: int = 6) -> str:
    return "~".join([header(sorted(sections), padding=padding), *(text for _, text in sorted(sections.items()))])


def us(prefix: str, values: Values | None = None, *, gpc: bool | None = None, **form: int) -> str:
    """A GPP string with one US section."""
    return gpp({LAYOUTS[prefix]["id"]: section(prefix, values, gpc=gpc, **form)}, padding=form.get("padding", 6))


def expected(prefix: str, values: Values, *, gpc: bool | None) -> dict[str, Any]:
    """The section as the vectors would describe it."""
    layout = LAYOUTS[prefix]
    return {
        "Version": layout["version"],
        **{name: values[name] for name in layout["items"]},
        **({"Gpc": gpc} if layout["gpc"] else {}),
    }


def counted(prefix: str, start: int = 0) -> Values:
    """Values that differ from their neighbours: 0, 1, 2, 0 ..., so that a shift by one item shows."""
    number = count(start)
    lengths: Sequence[tuple[str, int]] = list(LAYOUTS[prefix]["items"].items())
    return {
        name: next(number) % 3 if length == 1 else [next(number) % 3 for _ in range(length)] for name, length in lengths
    }
