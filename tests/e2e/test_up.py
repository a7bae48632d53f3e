"""`sluis up` as its user meets it: what it starts, what it refuses, and that nothing is lost or left behind."""

import fcntl
import os
import signal
import socket
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from collector.settings import load
from tests.support.patience import eventually
from tests.support.processes import is_alive
from tests.support.shopper import accepted, purchase
from tests.support.stack import STOP_S, Stack, ask

pytestmark = pytest.mark.e2e

COMMANDS = {"serve", "deliver", "janitor", "console", "sandbox"}
BOTH = Counter({f"{name} {fate}": 1 for name in ("ga4", "meta") for fate in ("accepted", "handed_over")})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A `sluis up` in an empty folder, which the tests of this file may hurt, stop and start."""
    mine = Stack(tmp_path_factory.mktemp("own"))
    try:
        yield mine
    finally:
        mine.kill()


@pytest.fixture
def up(folder: Stack) -> Stack:
    """It runs: started for the first test, and again after a test that stopped it."""
    if folder.process is None or folder.process.poll() is not None:
        folder.start()
    folder.mend()
    folder.settled()
    folder.clear()
    return folder


def store(up: Stack) -> redis.Redis:
    return redis.Redis.from_url(load(up.folder / "sluis.toml", up.environment).store_url, decode_responses=True)


def everything_ended(pids: dict[str, int]) -> bool:
    return not any(map(is_alive, pids.values()))


def nobody_holds(var: Path) -> bool:
    """Whether the lock, which every child inherits, is free."""
    with (var / "up.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def killed(up: Stack, name: str) -> int:
    """Kill a child as the kernel would; its process id."""
    pid = up.children()[name]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_alive(pid))
    return pid


def started_again(up: Stack, name: str, old: int) -> None:
    eventually(lambda: up.children().get(name, old) != old)
    eventually(up.is_ready)


def test_the_first_start_writes_a_configuration_that_only_its_owner_reads(up: Stack) -> None:
    file = up.folder / "sluis.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [site.id for site in load(file).site] == ["demo"]
    assert stat.S_IMODE((up.folder / "var").stat().st_mode) == 0o700
    assert up.sluis("check").returncode == 0


def test_it_prints_four_links_that_answer(up: Stack) -> None:
    links = [word for word in up.output.split() if word.startswith("http://")]
    assert [urlsplit(link).port for link in links] == [up.ports[0], up.ports[0], up.ports[1], up.ports[2]]
    shop, collector, console, sandbox = links
    assert {ask("GET", link)[0] for link in (shop, console, sandbox)} <= {200, 302, 307}
    assert ask("POST", collector, purchase())[0] == 202


def test_its_parts_are_processes_of_their_own_in_one_session(up: Stack) -> None:
    assert up.process is not None
    children = up.children()
    assert set(children) == COMMANDS | {"valkey-server"}
    sessions = {os.getsid(pid) for pid in children.values()}
    assert sessions == {os.getsid(up.process.pid)}
    for name in COMMANDS:
        assert f"sluis {name}" in up.command_lines()[children[name]]


def test_its_store_fsyncs_every_write_evicts_nothing_and_listens_on_no_port(up: Stack) -> None:
    with store(up) as client:
        found = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "port", "tls-port", "unixsocketperm")
    assert found == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "port": "0",
        "tls-port": "0",
        "unixsocketperm": "700",
    }


def test_a_second_start_on_the_same_folder_is_refused_with_a_sentence(up: Stack) -> None:
    assert up.process is not None
    before = up.children()
    second = Stack(up.folder).sluis("up")
    assert second.returncode == 2
    assert f"already runs on {up.folder / 'var'} (process {up.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    assert up.children() == before


@pytest.mark.parametrize(("number", "option"), list(enumerate(("--port", "--console-port", "--sandbox-port"))))
def test_a_taken_port_is_named_with_the_option_that_changes_it(tmp_path: Path, number: int, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        mine = Stack(tmp_path)
        mine.ports[number] = taken.getsockname()[1]
        told = mine.sluis("up")
        assert told.returncode == 2
        assert f"Port {mine.ports[number]} " in told.stderr
        assert f"Choose another with {option}." in told.stderr
        assert "Traceback" not in told.stderr
    assert nobody_holds(tmp_path / "var")


def test_a_killed_serve_is_started_again_and_serves(up: Stack) -> None:
    before = up.counts()
    started_again(up, "serve", killed(up, "serve"))
    assert up.post(purchase(consent=accepted()))[0] == 202
    up.settled()
    assert up.counts() - before == BOTH


def test_a_killed_deliver_loses_nothing(up: Stack) -> None:
    before = up.counts()
    for name in ("ga4", "meta"):
        up.fault(name, delay_ms=1000, times=30)
    events = [purchase() for _ in range(30)]
    assert up.post({"events": events, "consent": accepted()})[0] == 202
    eventually(lambda: up.tally("ga4")["requests"] and up.tally("meta")["requests"])
    old = killed(up, "deliver")
    up.mend()
    started_again(up, "deliver", old)
    balance = up.settled()
    assert up.counts() - before == Counter({fate: 30 * count for fate, count in BOTH.items()})
    assert balance["unaccounted"] == 0
    arrived = {event["event_id"] for request in up.received("meta") for event in request["body"]["data"]}
    assert arrived == {event["event_id"] for event in events}


def test_a_killed_store_comes_back_with_its_data_and_meanwhile_nothing_is_promised(up: Stack) -> None:
    for name in ("ga4", "meta"):
        up.fault(name, status=503, headers={"Retry-After": "3"})
    event = purchase(consent=accepted())
    assert up.post(event)[0] == 202
    eventually(lambda: all(one["due"] == 1 for one in up.balance()["destinations"].values()))
    before, epoch = up.counts(), up.balance()["epoch"]
    old = killed(up, "valkey-server")
    status, headers, _ = up.post(purchase(consent=accepted()))
    assert (status, headers["retry-after"].isdigit()) == (503, True)
    started_again(up, "valkey-server", old)
    assert up.post(event)[2]["results"][0]["outcome"] == "duplicate"
    assert up.settled()["epoch"] == epoch
    assert up.counts() - before == Counter({"ga4 handed_over": 1, "meta handed_over": 1})


def test_it_stops_cleanly_and_keeps_its_data(up: Stack) -> None:
    assert up.post(purchase(consent=accepted()))[0] == 202
    up.settled()
    before, epoch, pids = up.counts(), up.balance()["epoch"], up.children()
    assert up.stop(signal.SIGTERM) == 0
    assert everything_ended(pids)
    assert "Traceback" not in up.output
    up.start()
    assert (up.counts(), up.balance()["epoch"]) == (before, epoch)
    assert "wrote" not in up.output
    assert up.balance()["unaccounted"] == 0


def test_told_to_stop_while_it_starts_it_stops(tmp_path: Path) -> None:
    mine = Stack(tmp_path)
    process = mine.launch()
    eventually((tmp_path / "var" / "run").exists)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=STOP_S)
    assert process.returncode == 0, output
    assert "Sluis is up." not in output
    assert nobody_holds(tmp_path / "var")


def test_a_killed_supervisor_leaves_no_orphans_and_can_be_started_again(up: Stack) -> None:
    before, pids = up.counts(), up.children()
    up.kill()
    if sys.platform != "linux":  # nobody tells the children there; they hold the lock until somebody does
        for pid in pids.values():
            os.kill(pid, signal.SIGTERM)
    eventually(lambda: everything_ended(pids))
    assert nobody_holds(up.folder / "var")
    up.start()
    assert up.counts() == before


def test_ctrl_c_stops_everything(up: Stack) -> None:
    pids = up.children()
    assert up.stop(signal.SIGINT) == 0
    assert everything_ended(pids)
    assert up.output.rstrip().endswith("stopping …")
