"""Reads the configuration: `sluis.toml`, then `SLUIS_SECTION__KEY` from the secrets folder and the environment on top.

A file in the folder SLUIS_SECRETS whose name is such a variable is as good as the variable: container secrets, and
systemd's credentials, whose folder systemd itself names in CREDENTIALS_DIRECTORY.

The only reader of the environment in the product. Errors are sentences that name the setting.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from collector.configuration import Settings

PREFIX = "SLUIS_"
CONFIG_VARIABLE = "SLUIS_CONFIG"
SECRETS_VARIABLES = ("SLUIS_SECRETS", "CREDENTIALS_DIRECTORY")
DEFAULT_FILE = Path("sluis.toml")


class SettingsError(Exception):
    """The configuration cannot be used. The message is a sentence that says what to do."""


def environment() -> dict[str, str]:
    """The process environment, on top of the files of the secrets folder."""
    env = dict(os.environ)  # noqa: TID251 -- the one place
    folder = next((env[name] for name in SECRETS_VARIABLES if env.get(name)), None)
    return env if folder is None else secret_files(Path(folder)) | env


def secret_files(folder: Path) -> dict[str, str]:
    """Name to content of the files that are named like a variable; raises SettingsError."""
    try:
        files = [file for file in folder.iterdir() if file.name.startswith(PREFIX)]
        return {file.name: file.read_text(encoding="utf-8").strip() for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The secrets in {folder} cannot be read: {error}.") from error


def configured_file(option: Path | None, env: Mapping[str, str]) -> Path:
    """The file named by --config, by SLUIS_CONFIG, or sluis.toml in this folder."""
    return option or Path(env.get(CONFIG_VARIABLE) or DEFAULT_FILE)


def load(option: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Read and validate; raises SettingsError with one line per fault."""
    env = environment() if env is None else env
    file = configured_file(option, env)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"There is no configuration at {file}. `sluis up` writes one; --config names another."
        ) from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not UTF-8 text, as TOML must be.") from error
    return parse(text, file, env)


def parse(text: str, file: Path, env: Mapping[str, str]) -> Settings:
    """Settings from TOML text as if it stood in `file`; raises SettingsError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}.") from error
    for name, value in env.items():
        if name.startswith(PREFIX) and ("__" in name or name == f"{PREFIX}VAR"):
            _override(raw, name.removeprefix(PREFIX).lower().split("__"), value)
    folder = file.resolve().parent
    raw["var"] = str((folder / str(raw.get("var", "var"))).resolve())
    try:
        draft = Settings.model_validate(raw)
        return Settings.model_validate(_filled(raw, draft, folder))
    except ValidationError as error:
        faults = "\n".join(f"  {_where(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"{file} cannot be used:\n{faults}") from error


def _override(raw: dict[str, Any], path: list[str], value: str) -> None:
    section: Any = raw
    for key in path[:-1]:
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            raise SettingsError(f"{PREFIX}{'__'.join(path).upper()} does not name a setting that can be set so.")
    section[path[-1]] = _value(value)


def _value(text: str) -> Any:
    """Lists are written as in TOML; everything else is text that the model converts."""
    if not text.startswith("["):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _filled(raw: dict[str, Any], draft: Settings, folder: Path) -> dict[str, Any]:
    """Replace the placeholders, and make key paths absolute."""
    names = {
        "{var}": str(draft.var),
        "{port}": str(draft.listen.port),
        "{console_port}": str(draft.listen.console_port),
        "{sandbox_port}": str(draft.listen.sandbox_port),
    }
    filled: dict[str, Any] = _replace(raw, names)
    keys = dict(filled.get("keys", {}))
    for field in ("dir", "master_file"):
        stated = keys.get(field) or getattr(draft.keys, field)
        keys[field] = str(folder / _replace(str(stated), names))
    return {**filled, "keys": keys}


def _replace(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(name, text)
        return value
    if isinstance(value, dict):
        return {key: _replace(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace(item, names) for item in value]
    return value


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "configuration"
