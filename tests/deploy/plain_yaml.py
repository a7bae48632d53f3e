"""Reads the small part of YAML that deploy/compose.yaml is written in, and refuses the rest.

Blocks of `key: value` and `- item`, `[a, b]` and `{}` on one line, quoted and plain text, `&name`, `*name` and
`<<: *name` on mappings. No numbers, no booleans but true and false: what is neither is text.
"""

import re
from dataclasses import dataclass, field
from typing import Any

_KEY = re.compile(r"(?P<key>[A-Za-z_<][\w.<-]*):(?: +(?P<value>.*))?")
_COMMENT = re.compile(r"(^|\s)#.*$")
_QUOTED = re.compile(r'"([^"\\]*)"')


class NotPlainError(Exception):
    """A line this reader does not know."""


@dataclass
class _Reader:
    lines: list[tuple[int, str]]
    anchors: dict[str, Any] = field(default_factory=dict)

    def block(self, indent: int) -> Any:
        if self.lines[0][1].startswith("- "):
            return self._items(indent)
        return self._mapping(indent)

    def _items(self, indent: int) -> list[Any]:
        items = []
        while self.lines and self.lines[0][0] == indent and self.lines[0][1].startswith("- "):
            items.append(_value(self.lines.pop(0)[1][2:].strip()))
        return items

    def _mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.lines and self.lines[0][0] == indent:
            match = _KEY.fullmatch(self.lines.pop(0)[1])
            if match is None:
                raise NotPlainError(indent)
            key, said = match["key"], (match["value"] or "").strip()
            if key == "<<":
                found = {**self.anchors[said.removeprefix("*")], **found}
            elif said.startswith("&") or not said:
                found[key] = self._below(indent)
                self.anchors[said.removeprefix("&")] = found[key]
            else:
                assert key not in found, key
                found[key] = _value(said)
        return found

    def _below(self, indent: int) -> Any:
        if not self.lines or self.lines[0][0] <= indent:
            raise NotPlainError("an empty block")
        return self.block(self.lines[0][0])


def read(text: str) -> dict[str, Any]:
    """A document as a mapping; raises NotPlainError."""
    bare = [_COMMENT.sub("", line).rstrip() for line in text.splitlines()]
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in bare if line]
    reader = _Reader(lines)
    found: dict[str, Any] = reader.block(0)
    if reader.lines:
        raise NotPlainError(reader.lines[0])
    return found


def _value(said: str) -> Any:
    if said == "{}":
        return {}
    if said.startswith("[") and said.endswith("]"):
        return [_value(one.strip()) for one in re.findall(r'"[^"]*"|[^,\s][^,]*', said[1:-1])]
    if quoted := _QUOTED.fullmatch(said):
        return quoted[1]
    if said[:1] in "\"'[{&*|>!%@`":
        raise NotPlainError(said)
    return {"true": True, "false": False}.get(said, said)
