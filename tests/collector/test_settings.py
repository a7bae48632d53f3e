"""The configuration: what it accepts, what wins, and how it says no."""

import json
from pathlib import Path
from typing import Any

import pytest

from collector.configuration import Ga4Settings
from collector.first_run import TEMPLATE
from collector.settings import SettingsError, configured_file, environment, load, parse
from consent.model import ADS, Purpose
from consent.policy import ConsentSource

MINIMAL = """
[[site]]
id = "shop"
origins = ["https://shop.example"]
establishment = "BE"
consent_source = "recorded"
audience = "general"

[destination.ga4]
kind = "ga4"
measurement_id = "G-TEST1"
api_secret = "secret-of-the-file"
identity = "keyed"
"""
SECOND = """
[[site]]
id = "other"
origins = ["https://other.example"]
establishment = "BE"
consent_source = "recorded"
audience = "general"
"""
META = '\n[destination.meta]\nkind = "meta_capi"\ndataset_id = "1"\naccess_token = "t"\n'


def read(toml: str = MINIMAL, file: Path = Path("sluis.toml"), **env: str) -> Any:
    return parse(toml, file, env)


def fault(toml: str = MINIMAL, /, **env: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(toml, Path("sluis.toml"), env)
    return str(caught.value)


def test_the_least_that_must_be_said_is_enough() -> None:
    settings = read()
    assert settings.site[0].consent_source is ConsentSource.RECORDED
    assert settings.required_of("ga4") == {Purpose.ANALYTICS_STORAGE}
    assert settings.recipient_of("ga4") == "google"
    assert settings.store.mode == "fsync"


def test_the_file_that_up_writes_can_be_read() -> None:
    settings = read(TEMPLATE)
    assert [site.id for site in settings.site] == ["demo"]
    assert sorted(settings.destination) == ["ga4", "meta"]
    assert settings.required_of("meta") == ADS


@pytest.mark.parametrize("line", ["establishment", "consent_source", "audience", "origins", "id", "identity"])
def test_a_required_answer_that_is_missing_is_named(line: str) -> None:
    toml = "\n".join(text for text in MINIMAL.splitlines() if not text.startswith(line))
    said = fault(toml)
    assert said.startswith("sluis.toml cannot be used:\n")
    assert f".{line}: Field required" in said


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('id = "shop"', 'id = "Shop!"', "site.0.id: "),
        ('audience = "general"', 'audience = "everyone"', "site.0.audience: "),
        ('consent_source = "recorded"', 'consent_source = "banner"', "site.0.consent_source: "),
        ('measurement_id = "G-TEST1"', 'measurement_id = "UA-1"', "destination.ga4.ga4.measurement_id: "),
        ('identity = "keyed"', 'identity = "raw"', "destination.ga4.ga4.identity: "),
        ('kind = "ga4"', 'kind = "ga5"', "destination.ga4: "),
        ("[destination.ga4]", "[destination.'g|a4']", "destination: "),
        ("[destination.ga4]", "[listen]\nport = 0\n[destination.ga4]", "listen.port: "),
        ("[destination.ga4]", "[retention]\nday_key_days = 3\n[destination.ga4]", "retention.day_key_days: "),
        ("[destination.ga4]", '[store]\nmode = "relaxed"\n[destination.ga4]', "store.mode: "),
        (
            "[destination.ga4]",
            '[[site.notice]]\nversion = "v 3"\nrecipients = []\n[destination.ga4]',
            "site.0.notice.0.",
        ),
    ],
)
def test_a_value_that_cannot_be_is_said_with_its_place_and_never_with_a_secret(old: str, new: str, where: str) -> None:
    said = fault(MINIMAL.replace(old, new))
    assert f"\n  {where}" in said
    assert "secret-of-the-file" not in said


@pytest.mark.parametrize(
    ("extra", "where"),
    [("unknown = 1\n", "unknown: "), ("[sore]\nurl = 'x'\n", "sore: "), ("[store]\nulr = 'x'\n", "store.ulr: ")],
)
def test_an_unknown_key_is_refused_because_it_is_a_misspelt_one(extra: str, where: str) -> None:
    assert f"\n  {where}Extra inputs are not permitted" in fault(extra + MINIMAL)


def test_a_site_may_only_name_destinations_that_exist() -> None:
    said = fault(MINIMAL.replace('audience = "general"', 'audience = "general"\ndestinations = ["meta"]'))
    assert "site 'shop' names destination 'meta', which is not configured" in said


@pytest.mark.parametrize(
    "origin",
    [
        *("https://shop.example/", "https://shop.example/page", "https://Shop.example", "HTTPS://shop.example"),
        *("shop.example", "//shop.example", "https://", "https://shop.example:", "https://shop.example?x", "*", "null"),
        *("https://jane@shop.example", "https://shop.example:{prot}", "https://winkel\u00e9.example"),
    ],
)
def test_an_origin_no_browser_would_send_is_refused_with_what_to_write(origin: str) -> None:
    said = fault(MINIMAL.replace('"https://shop.example"', json.dumps(origin)))
    assert f"site.0.origins: Value error, {origin!r} is never an Origin; write scheme://host or " in said


@pytest.mark.parametrize(
    "origin", ["http://shop.example:8080", "http://[::1]:{port}", "http://127.0.0.1:{sandbox_port}", "app://shop"]
)
def test_an_origin_as_browsers_write_it_is_taken(origin: str) -> None:
    assert len(read(MINIMAL.replace('"https://shop.example"', json.dumps(origin))).site[0].origins) == 1


def test_two_sites_have_two_ids() -> None:
    said = fault(SECOND.replace("other", "shop") + MINIMAL)
    assert "site 'shop' is configured twice: give each site an id of its own" in said


@pytest.mark.parametrize(
    "line", ['origins = ["https://shop.example"]', 'origins = []\nhosts = ["Shop.example"]', "origins = []"]
)
def test_an_origin_or_a_host_belongs_to_one_site(line: str) -> None:
    toml = SECOND.replace('origins = ["https://other.example"]', line) + MINIMAL
    if line == "origins = []":
        assert len(read(toml).site) == 2
    else:
        assert "'shop.example' is a host of site 'other' and of site 'shop': leave it to one" in fault(toml)


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "127.0.0.1:6379", "redis:/x", "redis+tls://:secret@store"])
def test_a_store_with_another_scheme_is_a_sentence_without_the_secret(url: str) -> None:
    said = fault(SLUIS_STORE__URL=url)
    assert "store.url: Value error, must begin with one of redis://, rediss://, unix://" in said
    assert "secret@" not in said


def test_every_fault_has_a_line_of_its_own() -> None:
    said = fault(MINIMAL.replace('id = "shop"', 'id = "Shop!"').replace('"keyed"', '"raw"'))
    assert len(said.splitlines()) == 3


class TestEnvironment:
    """`SLUIS_SECTION__KEY` wins over the file."""

    def test_numbers_texts_and_secrets_are_taken(self) -> None:
        settings = read(SLUIS_LISTEN__PORT="9000", SLUIS_DESTINATION__GA4__API_SECRET="from-the-environment")
        assert settings.listen.port == 9000
        assert settings.destination["ga4"].api_secret.get_secret_value() == "from-the-environment"

    def test_a_section_that_the_file_has_not_is_made(self) -> None:
        assert read(SLUIS_STORE__URL="redis://127.0.0.1:1/0").store_url == "redis://127.0.0.1:1/0"

    def test_lists_are_written_as_in_toml(self) -> None:
        settings = read(SLUIS_DESTINATION__GA4__PURPOSES='["ad_storage", "ad_user_data"]')
        assert settings.required_of("ga4") == {
            Purpose.ANALYTICS_STORAGE,
            Purpose.AD_STORAGE,
            Purpose.AD_USER_DATA,
        }

    def test_a_list_that_is_none_is_said(self) -> None:
        assert "destination.ga4.ga4.purposes: " in fault(SLUIS_DESTINATION__GA4__PURPOSES='["ad_storage"')

    def test_a_value_that_cannot_be_is_said(self) -> None:
        assert "\n  listen.port: " in fault(SLUIS_LISTEN__PORT="many")

    def test_an_unknown_key_is_refused(self) -> None:
        assert "store.ulr: Extra inputs are not permitted" in fault(SLUIS_STORE__ULR="x")

    def test_what_stands_in_a_list_cannot_be_set_so(self) -> None:
        said = fault(SLUIS_SITE__0__ID="x")
        assert said == "SLUIS_SITE__0__ID does not name a setting that can be set so."

    def test_other_variables_are_no_settings(self) -> None:
        settings = read(SLUIS_CONFIG="x", SLUIS="y", PATH="z", OTHER__LISTEN__PORT="1")
        assert settings.listen.port == 8080

    def test_the_folder_can_be_named(self, tmp_path: Path) -> None:
        assert read(SLUIS_VAR=str(tmp_path)).var == tmp_path

    def test_the_environment_is_a_copy(self) -> None:
        environment()["PATH"] = "changed"
        assert environment()["PATH"] != "changed"


class TestPaths:
    """Relative to the folder of the file; placeholders say a port or a folder once."""

    def test_relative_paths_start_at_the_file(self, tmp_path: Path) -> None:
        settings = read(file=tmp_path / "sluis.toml")
        assert settings.var == tmp_path / "var"
        assert settings.keys.dir == tmp_path / "var" / "keys"
        assert settings.keys.master_file == tmp_path / "var" / "secrets" / "master"

    def test_absolute_paths_stay(self, tmp_path: Path) -> None:
        settings = read(
            f'var = "/data/sluis"\n{MINIMAL}[keys]\ndir = "/keys"\nmaster_file = "m"\n', tmp_path / "s.toml"
        )
        assert (settings.var, settings.keys.dir) == (Path("/data/sluis"), Path("/keys"))
        assert settings.keys.master_file == tmp_path / "m"

    def test_placeholders_stand_for_the_values_that_hold_in_the_end(self) -> None:
        settings = read(TEMPLATE, SLUIS_LISTEN__PORT="9000", SLUIS_LISTEN__SANDBOX_PORT="9002")
        assert settings.site[0].origins == ["http://127.0.0.1:9000", "http://localhost:9000"]
        ga4 = settings.destination["ga4"]
        assert isinstance(ga4, Ga4Settings)
        assert ga4.endpoint == "http://127.0.0.1:9002/mp/collect"

    def test_the_embedded_server_has_a_socket_under_var(self) -> None:
        assert read(SLUIS_VAR="/data").store_url == "unix:///data/valkey/valkey.sock"

    def test_a_socket_path_too_long_for_the_system_is_shortened_and_stays_the_same(self) -> None:
        long = "/" + "d" * 120
        url = read(SLUIS_VAR=long).store_url
        assert url == read(SLUIS_VAR=long).store_url != read(SLUIS_VAR=long + "x").store_url
        assert len(url.removeprefix("unix://")) < 100


class TestFile:
    """Which file, and what is wrong with it."""

    def test_the_option_wins_over_the_variable_and_that_over_the_folder(self) -> None:
        env = {"SLUIS_CONFIG": "b.toml"}
        assert configured_file(Path("a.toml"), env) == Path("a.toml")
        assert configured_file(None, env) == Path("b.toml")
        assert configured_file(None, {}) == Path("sluis.toml")

    def test_a_file_is_read(self, tmp_path: Path) -> None:
        file = tmp_path / "sluis.toml"
        file.write_text(MINIMAL, encoding="utf-8")
        assert load(file, {}).site[0].id == "shop"
        assert load(None, {"SLUIS_CONFIG": str(file), "SLUIS_LISTEN__PORT": "9"}).listen.port == 9

    def test_no_file_is_a_sentence_that_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"There is no configuration at .*none\.toml\. `sluis up` writes one"):
            load(tmp_path / "none.toml", {})

    def test_a_folder_instead_of_a_file_is_a_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
            load(tmp_path, {})

    def test_bytes_that_are_no_text_are_a_sentence(self, tmp_path: Path) -> None:
        file = tmp_path / "sluis.toml"
        file.write_bytes(b'var = "\xff"')
        with pytest.raises(SettingsError, match=r"sluis\.toml is not UTF-8 text"):
            load(file, {})

    def test_no_toml_is_a_sentence_with_its_place(self) -> None:
        assert fault("[[site]\n").startswith("sluis.toml is not valid TOML: ")
        assert "line 1" in fault("[[site]\n")


class TestSecrets:
    """Secrets are not shown, and identify no policy."""

    def test_no_repr_shows_one(self) -> None:
        settings = read(MINIMAL + META, SLUIS_KEYS__MASTER="master-secret")
        for shown in (repr(settings), str(settings), settings.model_dump_json()):
            assert "secret-of-the-file" not in shown
            assert "master-secret" not in shown

    def test_a_new_secret_is_no_new_policy_but_a_new_purpose_is(self) -> None:
        before = read().policy_hash
        assert read(SLUIS_DESTINATION__GA4__API_SECRET="another-one").policy_hash == before
        assert read(SLUIS_DESTINATION__GA4__PURPOSES='["ad_storage"]').policy_hash != before


def test_meta_may_measure_without_personalisation_only_where_that_is_said() -> None:
    assert read(MINIMAL + META).required_of("meta") == ADS
    measuring = read(MINIMAL + META + "measurement_only = true\n")
    assert measuring.required_of("meta") == ADS - {Purpose.AD_PERSONALIZATION}


@pytest.mark.parametrize("somebody_else", ["google", "operator"])
def test_a_recipient_is_never_somebody_else(somebody_else: str) -> None:
    said = fault(MINIMAL + META + f'recipient = "{somebody_else}"\n')
    assert f"destination 'meta' has recipient '{somebody_else}', which is somebody else" in said
    assert read(MINIMAL + META + 'recipient = "meta"\n').recipient_of("meta") == "meta"


def test_a_recipient_may_have_another_name() -> None:
    assert read(MINIMAL + META + 'recipient = "agency"\n').recipient_of("meta") == "agency"
