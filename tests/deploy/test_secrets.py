"""Secrets arrive as files, are needed by `deliver` alone, and change nothing that processes must agree on."""

from pathlib import Path

import pytest

from collector.check import remarks
from collector.configuration import Ga4Settings
from collector.settings import SettingsError, parse, secret_files
from forwarders.registry import build

EXAMPLE = (Path(__file__).parents[2] / "deploy" / "examples" / "minimal.toml").read_text(encoding="utf-8")
VARIABLE = "SLUIS_DESTINATION__GA4__API_SECRET"


def test_a_file_named_like_a_variable_is_as_good_as_the_variable(tmp_path: Path) -> None:
    (tmp_path / VARIABLE).write_text("from a file\n", encoding="utf-8")
    (tmp_path / "something-else").write_bytes(b"\xff")
    settings = parse(EXAMPLE, Path("sluis.toml"), secret_files(tmp_path))
    ga4 = settings.destination["ga4"]
    assert isinstance(ga4, Ga4Settings)
    assert ga4.api_secret is not None
    assert ga4.api_secret.get_secret_value() == "from a file"
    assert settings.missing_secrets() == []


def test_a_secrets_folder_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        secret_files(tmp_path / "absent")


def test_serve_has_a_usable_configuration_without_the_vendors_secrets() -> None:
    without = parse(EXAMPLE, Path("sluis.toml"), {})
    assert list(build(without)) == ["ga4"]
    assert [one for one in remarks(without) if VARIABLE in one]


def test_processes_with_and_without_secrets_agree_on_the_policy(tmp_path: Path) -> None:
    file = tmp_path / "sluis.toml"
    without, with_one = parse(EXAMPLE, file, {}), parse(EXAMPLE, file, {VARIABLE: "a secret"})
    other = parse(EXAMPLE.replace("G-XXXXXXX", "G-OTHER"), file, {})
    assert without.policy_hash == with_one.policy_hash
    assert without.policy_hash != other.policy_hash
