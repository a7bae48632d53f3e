"""deploy/compose.yaml, Dockerfile and Caddyfile keep what they say: who may reach what, and with which secrets."""

import re
from pathlib import Path
from typing import Any

import pytest

from collector.app import STOP_GRACE_S
from collector.configuration import LimitsSettings, Settings
from collector.first_run import TEMPLATE
from collector.settings import parse
from collector.store.keyspace import FILE_CLASSES
from forwarders.worker import GRACE_S
from tests.deploy.plain_yaml import NotPlainError, read

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = read((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OWN = ("serve", "deliver", "janitor", "console")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def reaches_outside(name: str) -> bool:
    return any(COMPOSE["networks"][network].get("internal") is not True for network in SERVICES[name]["networks"])


def test_only_deliver_and_the_door_have_a_way_out() -> None:
    assert [name for name in SERVICES if reaches_outside(name)] == ["proxy", "deliver"]


def test_the_door_reaches_serve_and_console_and_shows_the_console_to_this_host_only() -> None:
    shared = {name for name, one in SERVICES.items() if set(one["networks"]) & set(SERVICES["proxy"]["networks"])}
    assert shared == {"proxy", "serve", "console"}
    assert not [name for name, one in SERVICES.items() if "ports" in one and name != "proxy"]
    assert [port for port in SERVICES["proxy"]["ports"] if "8081" in port] == ["127.0.0.1:8081:8081"]


def test_vendor_secrets_go_to_deliver_alone_and_the_master_not_to_the_console() -> None:
    vendors = [name for name, one in SERVICES.items() if any("DESTINATION" in key for key in one.get("secrets", []))]
    assert vendors == ["deliver"]
    assert not [name for name, one in SERVICES.items() if "env_file" in one]
    assert [name for name, one in SERVICES.items() if "SLUIS_KEYS__MASTER" in one.get("secrets", [])] == [
        "serve",
        "deliver",
        "janitor",
    ]
    assert all("file" in one for one in COMPOSE["secrets"].values())


def test_only_the_janitor_can_write_keys_and_they_are_not_with_the_data() -> None:
    mounts = {name: [mount.split(":") for mount in one["volumes"]] for name, one in SERVICES.items()}
    keys = {name: mount for name, all_of in mounts.items() for mount in all_of if mount[0] == "keys"}
    assert {name for name, mount in keys.items() if mount[-1] != "ro"} == {"janitor"}
    assert set(keys) == {"serve", "deliver", "janitor"}
    assert [mount[0] for mount in mounts["valkey"]] == ["data"]


def test_what_the_processes_write_lies_on_a_volume() -> None:
    written = {one.path.partition("/")[0] for one in FILE_CLASSES if "/" in one.path} | {"janitor"}
    targets = {mount.split(":")[1] for mount in SERVICES["janitor"]["volumes"]}
    assert {f"/var/lib/sluis/{folder}" for folder in written} <= targets


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert name == "proxy" or int(service["user"].partition(":")[0]) > 0


@pytest.mark.parametrize("name", OWN)
def test_a_process_starts_when_what_it_needs_is_healthy_and_has_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    assert service["command"] == [name]
    assert int(service["stop_grace_period"].removesuffix("s")) > max(STOP_GRACE_S, GRACE_S)
    for needed, condition in service["depends_on"].items():
        assert condition == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[needed]
    assert "valkey" in service["depends_on"]


@pytest.mark.parametrize("name", OWN)
def test_the_environment_names_settings_that_exist(name: str) -> None:
    variables = dict(SERVICES[name]["environment"]) | dict.fromkeys(SERVICES[name].get("secrets", []), "secret")
    settings = parse(TEMPLATE, DEPLOY / "sluis.toml", variables)
    assert settings.store_url == "redis://valkey:6379/0"


def test_the_store_fsyncs_every_write_and_evicts_nothing() -> None:
    words = SERVICES["valkey"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"


def test_the_image_runs_as_a_fixed_user_and_holds_no_build_tools() -> None:
    build, run = DOCKERFILE.split("\nFROM ")[1:]
    assert "uv sync --frozen --no-dev" in build
    assert re.search(r"^USER 10001:10001$", run, re.MULTILINE)
    assert "pip uninstall" in run
    assert not re.search(r"apt-get|uv sync|pip install|COPY \.", run)
    assert 'ENTRYPOINT ["sluis"]' in run
    assert "/readyz" in run.partition("HEALTHCHECK")[2]


def test_the_image_settings_exist() -> None:
    variables = dict(re.findall(r"(SLUIS_\w+)=(\S+)", DOCKERFILE))
    settings = parse(TEMPLATE, DEPLOY / "sluis.toml", variables)
    assert settings.listen.host == "0.0.0.0"
    assert settings.var == Path("/var/lib/sluis")
    assert f"EXPOSE {Settings.model_fields['listen'].default.port}" in DOCKERFILE


def test_what_the_image_copies_is_let_through_to_the_builder() -> None:
    let_through = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    assert copied
    assert copied <= let_through
    assert all((ROOT / name).exists() for name in let_through)


def test_the_door_lets_the_collectors_own_body_limit_answer_first() -> None:
    found = re.search(r"max_size (\d+)KiB", (DEPLOY / "Caddyfile").read_text(encoding="utf-8"))
    assert found
    assert int(found[1]) * 1024 > LimitsSettings().body_bytes


@pytest.mark.parametrize("text", ["a: |\n  b", "a: 'b'", "a:\n", "- a: b\n  c: d\n", "a: !b c"])
def test_what_the_reader_does_not_know_it_refuses(text: str) -> None:
    with pytest.raises(NotPlainError):
        read(text)
