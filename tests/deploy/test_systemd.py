"""deploy/systemd: the units load, and their sandboxes keep serve away from vendors and secrets away from serve."""

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from collector.app import STOP_GRACE_S
from collector.first_run import TEMPLATE
from collector.settings import parse
from forwarders.worker import GRACE_S

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
NAMES = ("serve", "deliver", "janitor", "console")
COMMAND = "/opt/sluis/bin/sluis"
WRITTEN = {
    "serve": ["sluis/decisions sluis/withdrawals"],
    "deliver": ["sluis/decisions"],
    "janitor": ["sluis sluis/keys sluis/janitor sluis/decisions sluis/withdrawals"],
    "console": [],
}
ANALYZE = shutil.which("systemd-analyze")


def unit(name: str) -> dict[str, list[str]]:
    """Directives of a unit, each with all its values."""
    found = defaultdict[str, list[str]](list)
    for line in (FOLDER / f"sluis-{name}.service").read_text(encoding="utf-8").splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found[key].append(value)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_runs_its_process_and_gives_it_time_to_stop(name: str) -> None:
    said = unit(name)
    assert said["ExecStart"] == [f"{COMMAND} {name}"]
    assert int(said["TimeoutStopSec"][0]) > max(STOP_GRACE_S, GRACE_S)
    assert said["Restart"] == ["always"]


def test_only_deliver_reaches_beyond_this_machine() -> None:
    closed = [name for name in NAMES if unit(name)["IPAddressDeny"] == ["any"]]
    assert closed == ["serve", "janitor", "console"]
    assert all(unit(name)["IPAddressAllow"] == ["localhost"] for name in closed)


def test_vendor_secrets_go_to_deliver_alone_and_the_master_not_to_the_console() -> None:
    given = {name: " ".join(unit(name)["LoadCredential"]) for name in NAMES}
    assert [name for name in NAMES if "SLUIS_DESTINATION__" in given[name]] == ["deliver"]
    assert [name for name in NAMES if "SLUIS_KEYS__MASTER:" in given[name]] == ["serve", "deliver", "janitor"]


@pytest.mark.parametrize("name", NAMES)
def test_every_unit_is_sandboxed_and_writes_to_its_own_folders_only(name: str) -> None:
    said = unit(name)
    assert said["User"] == ["sluis"]
    assert said["ProtectSystem"] == ["strict"]
    assert said["NoNewPrivileges"] == ["yes"]
    assert said["CapabilityBoundingSet"] == [""]
    assert said["StateDirectory"] == WRITTEN[name]
    assert said["ReadWritePaths"] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_names_settings_that_exist(name: str) -> None:
    words = " ".join(unit(name)["Environment"]).split()
    variables = dict(word.split("=", 1) for word in words)
    variables |= {one.partition(":")[0]: "secret" for one in unit(name)["LoadCredential"]}
    assert parse(TEMPLATE, FOLDER / "sluis.toml", variables).var == Path("/var/lib/sluis")


def test_the_target_wants_every_process() -> None:
    text = (FOLDER / "sluis.target").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"sluis-{name}.service" not in text] == []


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    for file in FOLDER.iterdir():
        text = file.read_text(encoding="utf-8").replace(COMMAND, shutil.which("true") or "/bin/true")
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    units = [str(file) for file in sorted(tmp_path.iterdir())]
    found = subprocess.run([ANALYZE or "", "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in found.stderr.splitlines() if "sluis" in line]
    assert (found.returncode, ours) == (0, [])
