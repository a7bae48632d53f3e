"""`sluis explain`: the real decision and the exact requests, offline."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import chdir
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from collector.__main__ import build
from collector.settings import SettingsError
from forwarders.explain import read_inputs
from tests.collector.intake.shop import CHROME, CONFIG, DENIED, GRANTED, NOW_MS, event

SECRETS = ("ga4-secret-of-the-test", "meta-token-of-the-test", "sandbox-secret", "sandbox-token")
FATE = {"outcome", "reason", "request"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.json"


def invoke(*arguments: str, text: str | bytes | None = None) -> Result:
    commands = [point for point in entry_points(group="sluis.commands") if point.name == "explain"]
    done = CliRunner().invoke(build(commands), ["explain", "--now", str(NOW_MS), *arguments], input=text)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def explained(text: str, *options: str, exit_code: int = 0) -> list[dict[str, Any]]:
    done = invoke("-", "--json", *options, text=text)
    assert done.exit_code == exit_code, done.output
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def one(said: Any, *options: str) -> dict[str, Any]:
    (explanation,) = explained(json.dumps(said), *options)
    return explanation


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path) -> Iterator[None]:
    """A folder without a configuration."""
    with chdir(tmp_path):
        yield


@pytest.fixture
def configuration(tmp_path: Path) -> str:
    file = tmp_path / "other.toml"
    file.write_text(CONFIG, encoding="utf-8")
    return str(file)


class TestShape:
    """One JSON object a line: outcome, reason, decision, destinations with the exact request."""

    def test_an_accepted_event_shows_its_decision_and_both_requests(self) -> None:
        said = one(event(_headers={"User-Agent": CHROME}, user={"email": "jane@example.com"}))
        assert list(said)[:2] == ["outcome", "reason"]
        assert (said["outcome"], said["reason"]) == ("accepted", None)
        assert set(said["decision"]) == {"regime", "granted", "answers", "signals", "policy_hash", "evidence"}
        assert said["decision"]["regime"] == "opt_in"
        assert "ad_storage" in said["decision"]["granted"]["meta"]
        assert [signal["source"] for signal in said["decision"]["signals"]] == ["site"]
        assert set(said["destinations"]) == {"ga4", "meta"}
        for fate in said["destinations"].values():
            assert set(fate) >= FATE
            assert (fate["outcome"], fate["reason"]) == ("queued", None)
            assert set(fate["request"]) == {"method", "url", "headers", "body"}
            assert fate["request"]["method"] == "POST"
        ga4, meta = (said["destinations"][name]["request"] for name in ("ga4", "meta"))
        assert ga4["url"].startswith("http://127.0.0.1:8082/mp/collect?")
        assert ga4["body"]["events"][0]["name"] == "page_view"
        assert "/v26.0/1234567890/events" in meta["url"]
        assert meta["body"]["data"][0]["event_name"] == "PageView"
        assert meta["body"]["data"][0]["user_data"]["client_user_agent"] == CHROME

    def test_a_refused_event_shows_why_and_no_request(self) -> None:
        said = one(event(consent=DENIED))
        assert (said["outcome"], said["reason"]) == ("refused", "purpose_not_granted")
        skipped = {"outcome": "skipped", "reason": "purpose_not_granted", "request": None}
        assert said["destinations"] == {"ga4": skipped, "meta": skipped}
        denied = said["decision"]["signals"][0]["denies"]["google"]
        assert "analytics_storage" in denied

    @pytest.mark.parametrize(
        ("said", "outcome", "reason"),
        [
            ({"name": ""}, "invalid", "name: must not be empty"),
            (event(_headers={"User-Agent": "Googlebot/2.1"}), "filtered", "declared_bot"),
            (event(_headers={"Sec-Purpose": "prefetch"}), "filtered", "prefetch"),
        ],
    )
    def test_an_event_that_is_not_decided_has_no_decision(
        self, said: dict[str, Any], outcome: str, reason: str
    ) -> None:
        shown = one(said)
        assert (shown["outcome"], shown["reason"], shown["decision"]) == (outcome, reason, None)
        assert shown["destinations"] == {}

    def test_a_vendors_own_rule_skips_after_the_decision(self) -> None:
        shown = one(event(name="purchase", properties={"currency": "EUR"}))
        assert shown["destinations"]["meta"] == {"outcome": "skipped", "reason": "missing_value", "request": None}
        assert shown["destinations"]["ga4"]["outcome"] == "queued"

    def test_google_alone(self) -> None:
        shown = one(event(consent=GRANTED | {"recipients": {"google": {}}}))
        assert shown["destinations"]["ga4"]["request"] is not None
        assert shown["destinations"]["meta"]["reason"] == "recipient_not_covered"


class TestInputs:
    """One event, a batch, a list, JSON lines; rubbish is one line's answer."""

    def test_json_lines_give_a_line_each_in_order(self) -> None:
        lines = [event(event_id="a"), event(event_id="b", consent=DENIED), {"name": ""}]
        shown = explained("\n\n".join(json.dumps(line) for line in lines) + "\n")
        assert [line["outcome"] for line in shown] == ["accepted", "refused", "invalid"]
        assert [line["event_id"] for line in shown[:2]] == ["a", "b"]

    def test_a_batch_and_a_list_give_a_line_per_event(self) -> None:
        batch = {"consent": GRANTED, "events": [{"name": "page_view"}, {"name": "bad name"}]}
        assert [line["outcome"] for line in explained(json.dumps(batch, indent=2))] == ["accepted", "invalid"]
        both = json.dumps([event(), batch])
        assert [line["outcome"] for line in explained(both)] == ["accepted", "accepted", "invalid"]

    def test_rubbish_lines_are_answered_and_the_others_too(self) -> None:
        lines = ["rubbish", json.dumps(event()), "[1]", "5", "{}", json.dumps({"events": []})]
        shown = explained("\n".join(lines) + "\n", exit_code=1)
        assert [line["outcome"] for line in shown] == [
            "invalid",
            "accepted",
            "invalid",
            "invalid",
            "invalid",
            "invalid",
        ]
        assert [line["reason"].partition(":")[0] for line in shown if line["reason"]] == [
            "not_json",
            "bad_batch",
            "bad_batch",
            "name",
            "bad_batch",
        ]
        assert len({tuple(line) for line in shown}) == 1, "every line has the same shape"

    @pytest.mark.parametrize("rubbish", ["rubbish", "5", '{"events": []}'])
    def test_what_holds_no_event_is_exit_code_1_for_people_too(self, rubbish: str) -> None:
        assert invoke("-", text=f"{rubbish}\n{json.dumps(event())}").exit_code == 1
        assert invoke("-", text=f"{json.dumps({'name': ''})}\n{json.dumps(event())}").exit_code == 0

    def test_bytes_that_are_no_text_are_a_sentence(self, file: Path) -> None:
        file.write_bytes(b'{"name": "\xff"}')
        for done in (invoke("-", text=b'{"name": "\xff"}'), invoke(str(file))):
            assert done.exit_code == 2
            assert done.stderr.endswith(" is not UTF-8 text.\n")

    def test_only_a_line_break_ends_a_line(self) -> None:
        # U+2028 and U+0085 are line ends to Python's splitlines and plain characters in JSON.
        said = json.dumps(event(page={"title": "a\u2028b\x85c"}), ensure_ascii=False)
        shown = explained(f"{said}\r\n{said}\r\n")
        assert [line["outcome"] for line in shown] == ["accepted", "accepted"]

    def test_no_input_gives_no_line(self) -> None:
        assert explained("") == []
        assert explained(" \n\n") == []

    def test_a_value_nested_too_deeply_to_be_written_again_is_an_answer(self) -> None:
        deep = '{"name": "page_view", "properties": ' + '{"a":' * 400 + "1" + "}" * 401
        (shown,) = explained(deep)
        assert shown["outcome"] == "invalid"
        assert "is nested deeper than 8" in shown["reason"]

    def test_what_is_read_is_what_was_written(self) -> None:
        text = json.dumps(event(), indent=3)
        assert [json.loads(raw) for raw in read_inputs(text)] == [event()]

    @pytest.mark.parametrize("headers", [5, [], "x", {"User-Agent": 5}, {"x\u2014y": "z"}, {"Sec-GPC": ["1"]}, None])
    def test_headers_that_are_none_break_nothing(self, headers: Any) -> None:
        assert one(event(_headers=headers))["outcome"] == "accepted"

    def test_headers_count_as_those_of_a_request(self) -> None:
        shown = one(event(_headers={"SEC-GPC": "1", "Accept-Language": "nl-BE", "Referer": "https://shop.example/x?y"}))
        assert shown["destinations"]["meta"]["reason"] == "gpc"
        body = shown["destinations"]["ga4"]["request"]["body"]
        assert body["device"]["language"] == "nl"
        assert body["events"][0]["params"]["page_location"] == "https://shop.example/x"

    def test_a_file_is_read_and_one_that_is_not_there_is_a_sentence(self, file: Path) -> None:
        file.write_text(json.dumps(event()), encoding="utf-8")
        assert json.loads(invoke(str(file), "--json").stdout)["outcome"] == "accepted"
        gone = invoke(str(file.with_name("none.json")), "--json")
        assert gone.exit_code == 2
        assert "cannot be read" in gone.stderr
        file.write_bytes(b"\xff\xfe")
        assert invoke(str(file)).exit_code == 2


class TestConfiguration:
    """The defaults of `sluis up` where there is no configuration; a named one must exist."""

    def test_without_a_configuration_the_defaults_are_used(self) -> None:
        assert set(one(event())["destinations"]) == {"ga4", "meta"}

    def test_one_in_the_folder_is_used(self, configuration: str) -> None:
        Path(configuration).rename("sluis.toml")
        assert set(one(event(), "--site", "club")["destinations"]) == {"companion", "pixel", "trace"}

    def test_a_named_one_must_exist(self) -> None:
        with pytest.raises(SettingsError, match=r"There is no configuration at none\.toml"):
            invoke("-", "--config", "none.toml", text="{}")

    @pytest.mark.parametrize("site", [[], ["--site", "other"]])
    def test_among_several_sites_one_must_be_named(self, configuration: str, site: list[str]) -> None:
        with pytest.raises(SettingsError, match="Name one site with --site: shop, blog, toys, twins, club"):
            invoke("-", "--config", configuration, *site, text="{}")

    def test_a_named_site_decides_by_its_own_rules(self, configuration: str) -> None:
        config = ("--config", configuration)
        assert one(event(), *config, "--site", "blog")["reason"] == "record_required"
        assert one(event(), *config, "--site", "shop")["outcome"] == "accepted"
        club = one(event(client_id="584335997.1746564151"), *config, "--site", "club")["destinations"]
        assert club["companion"]["request"]["body"]["client_id"] == "584335997.1746564151"
        assert club["trace"]["request"]["body"]["name"] == "page_view"


class TestSecrecy:
    """Secrets are stars, contact data is gone, nothing is sent."""

    def test_no_secret_is_shown_on_either_output(self, configuration: str) -> None:
        for options in ((), ("--config", configuration, "--site", "shop")):
            text = json.dumps(event(user={"email": "jane@example.com"}))
            machine = invoke("-", "--json", *options, text=text).stdout
            people = invoke("-", *options, text=text).stdout
            assert "api_secret=***" in machine
            for shown in (machine, people):
                for secret in (*SECRETS, "jane@example.com"):
                    assert secret not in shown
                assert "***" in shown

    def test_pseudonyms_rest_on_throw_away_keys(self) -> None:
        ids = [one(event())["destinations"]["ga4"]["request"]["body"]["client_id"] for _ in range(2)]
        assert ids[0] != ids[1]
        assert "123.456" not in ids

    def test_no_socket_is_opened(self) -> None:
        opened: list[str] = []

        def watch(name: str, _arguments: tuple[Any, ...]) -> None:
            if watching and name in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
                opened.append(name)

        watching = True
        sys.addaudithook(watch)
        one(event())
        assert opened == []
        with socket.socket() as probe, pytest.raises(OSError, match="refused"):
            probe.connect(("127.0.0.1", 1))
        watching = False
        assert opened == ["socket.connect"], "the watch works"


def test_for_people_every_stage_is_shown() -> None:
    shown = invoke("-", text=json.dumps(event()) + "\n" + json.dumps(event(consent=DENIED))).stdout
    for words in ("accepted", "regime opt_in", "granted to google: ad_personalization", "granted to meta: nothing"):
        assert words in shown, words
    assert "refused (purpose_not_granted)" in shown
    assert '"client_id"' in shown


def test_a_consent_policy_that_breaks_a_rule_is_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(CONFIG.replace('establishment = "BE"', 'establishment = "Belgium"'), encoding="utf-8")
    with pytest.raises(SettingsError, match="establishment must be the ISO country code"):
        invoke("-", "--config", str(broken), text="{}")
