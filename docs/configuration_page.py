"""`docs/configuration.md`: every setting, from the descriptions, defaults and bounds of the model."""

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from collector.configuration import DestinationSettings, NoticeSettings, Settings, SiteSettings
from collector.settings import CONFIG_VARIABLE, PREFIX
from consent.kinds import KINDS
from docs.markdown import code, table

HEAD: Final = f"""\
# Configuration

One TOML file: the one named by `--config`, else by `{CONFIG_VARIABLE}`, else `sluis.toml` in the current folder.
`sluis up` writes a commented one on its first run; `deploy/examples/` holds a minimal one and one with every setting.
`sluis check` says what must be mended, `sluis check --tradeoffs` what each switch gains and discloses. There is no
hot reload: restart a process to give it a new configuration.

- **Environment.** A variable `{PREFIX}SECTION__KEY` wins over the file; a list is written as in TOML, `["a", "b"]`.
  The settings of a `[[site]]` have no variable: they stand in the file.
- **Secrets** (marked *secret*) come from the environment, from a file named like the variable in the folder
  `SLUIS_SECRETS` (systemd's credentials are found by themselves), or from the configuration file, which then must have
  mode 0600; never from the command line, and they are never printed.
- **Paths** are relative to the folder of the file. `{{var}}`, `{{port}}`, `{{console_port}}` and `{{sandbox_port}}`
  stand for the values of the configuration itself.
- An unknown setting is an error, not a warning.
"""

_DESTINATION: Final = f"{PREFIX}DESTINATION__NAME__"
_SHARED: Final = ("recipient", "purposes", "concurrency")
_SECTIONS: Final = ("store", "keys", "retention", "decisions", "limits", "listen")


def page(model: type[BaseModel] = Settings) -> str:
    """The whole page."""
    parts = [HEAD, "## Top level\n\n" + _fields({"var": model.model_fields["var"]}, PREFIX)]
    parts += [_section("[[site]]", SiteSettings, None), _section("[[site.notice]]", NoticeSettings, None)]
    parts += [_every_kind(), *(_one_kind(destination) for destination in destinations()), _needs()]
    for name in _SECTIONS:
        section = model.model_fields[name].annotation
        parts.append(_section(f"[{name}]", section, f"{PREFIX}{name.upper()}__"))
    return "\n".join(parts)


def destinations() -> tuple[type[BaseModel], ...]:
    """The sections of all kinds of destination."""
    union, *_ = get_args(DestinationSettings)
    return get_args(union)


def _section(title: str, section: Any, variables: str | None) -> str:
    return f"## `{title}`\n\n{_about(section)}\n\n" + _fields(section.model_fields, variables)


def _every_kind() -> str:
    """What all kinds share, said once."""
    shared = destinations()[0].model_fields
    return (
        "## `[destination.NAME]`\n\n"
        "A vendor to hand events over to. NAME is what answers, streams, metrics and commands call it. In a variable\n"
        "it stands in capitals, so a name that shall be set that way has no capitals, no `-` and no double `_`.\n\n"
        + _fields({name: shared[name] for name in ("kind", *_SHARED)}, _DESTINATION)
    )


def _one_kind(destination: type[BaseModel]) -> str:
    kind = _literals(destination.model_fields["kind"])[0]
    own = {name: field for name, field in destination.model_fields.items() if name not in ("kind", *_SHARED)}
    text = f'### `kind = "{kind}"`\n\n{_about(destination)}\n'
    return text + ("\n" + _fields(own, _DESTINATION) if own else "")


def _about(section: Any) -> str:
    about = (section.__doc__ or "").partition(": ")[2].strip() or (section.__doc__ or "").strip()
    return about[:1].upper() + about[1:]


def _fields(fields: Mapping[str, FieldInfo], variables: str | None) -> str:
    rows = [
        (
            code(name),
            _values(field) if name != "kind" else "one of the kinds below",
            _default(field),
            field.description or "Which vendor, and so which settings.",
            *([code(f"{variables}{name.upper()}")] if variables else ()),
        )
        for name, field in fields.items()
        if name != "notice"
    ]
    return table(("Setting", "Value", "Default", "Meaning", *(["Variable"] if variables else ())), rows)


def _values(field: FieldInfo) -> str:
    annotation = str(field.annotation)
    if choices := _literals(field):
        return " or ".join(code(f'"{choice}"') for choice in choices)
    if "SecretStr" in annotation:
        return "*secret*"
    for python, word in (("list", "list"), ("bool", "true or false"), ("Path", "path"), ("float", "number")):
        if python in annotation:
            return word
    bounds = " ".join(_bounds(field))
    return f"whole number {bounds}".strip() if "int" in annotation else f"text {bounds}".strip()


def _bounds(field: FieldInfo) -> Iterator[str]:
    said = {name: getattr(one, name) for one in field.metadata for name in ("ge", "gt", "le") if hasattr(one, name)}
    if "ge" in said and "le" in said:
        yield f"{said['ge']} to {said['le']}"
    elif "ge" in said:
        yield f"from {said['ge']}"


def _literals(field: FieldInfo) -> list[str]:
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(one.value) for one in annotation]
    return [choice for choice in get_args(annotation) if isinstance(choice, str)]


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "**required**"
    if field.default is None:
        return "none"
    if isinstance(field.default, bool):
        return code(str(field.default).lower())
    if isinstance(field.default, str | Enum | Path):
        return code(f'"{field.default}"')
    return code(str(field.default))


def _needs() -> str:
    rows = [
        (
            code(kind),
            code(row.recipient),
            ", ".join(code(purpose) for purpose in sorted(row.floor)),
            f"{row.max_age_ms // 3_600_000} hours",
        )
        for kind, row in KINDS.items()
    ]
    return (
        "### What each kind needs\n\n"
        "Configuration may add purposes to these, never remove one. An event older than the vendor takes is not sent.\n"
        "With `measurement_only`, `meta_capi` does without `ad_personalization` and marks the event `opt_out`.\n\n"
        + table(("Kind", "Recipient", "Purposes it always needs", "Oldest event"), rows)
    )
