"""Which destinations start, and the sentences of those that do not."""

from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import cast

import pytest

from collector.configuration import Settings
from consent.kinds import KINDS, Kind
from forwarders.destinations.ga4 import Ga4
from forwarders.destinations.stdout import Stdout
from forwarders.registry import GROUP, RegistryError, build

SITE = {
    "id": "shop",
    "origins": ["https://shop.example"],
    "establishment": "BE",
    "consent_source": "page",
    "audience": "general",
}
GA4 = {"kind": "ga4", "measurement_id": "G-TEST123", "api_secret": "s", "identity": "keyed"}


def _settings(**destinations: dict[str, str]) -> Settings:
    return Settings.model_validate({"site": [SITE], "destination": destinations})


def _entry(kind: str) -> EntryPoint:
    return EntryPoint(kind, f"{Stdout.__module__}:Stdout.from_settings", GROUP)


@dataclass(frozen=True)
class _Section:
    """A section of a kind the shipped configuration has no model for."""

    kind: str


def _with_foreign_section() -> Settings:
    return cast("Settings", SimpleNamespace(destination={"paper": _Section("printer")}))


def test_destinations_come_by_the_operators_name_in_the_order_of_the_file() -> None:
    built = build(_settings(web=GA4, screen={"kind": "stdout"}, web2=GA4))
    assert list(built) == ["web", "screen", "web2"]
    assert isinstance(built["web"], Ga4)
    assert isinstance(built["screen"], Stdout)
    assert [destination.name for destination in built.values()] == ["web", "screen", "web2"]


def test_an_own_kind_without_a_row_does_not_start() -> None:
    kinds = {kind: row for kind, row in KINDS.items() if kind != "stdout"}
    with pytest.raises(RegistryError, match=r"Kind 'stdout' has no row in consent/kinds\.py"):
        build(_settings(web=GA4), found=(), kinds=kinds)


def test_a_kind_that_needs_no_purpose_does_not_start() -> None:
    kinds = {**KINDS, "ga4": replace(KINDS["ga4"], floor=frozenset())}
    with pytest.raises(RegistryError, match="Kind 'ga4' needs no purpose"):
        build(_settings(web=GA4), found=(), kinds=kinds)


def test_a_foreign_kind_without_a_row_does_not_start() -> None:
    with pytest.raises(RegistryError, match="Kind 'webhook' has no row"):
        build(_settings(web=GA4), found=[_entry("webhook")])


def test_a_foreign_package_cannot_replace_a_kind_of_ours() -> None:
    with pytest.raises(RegistryError, match="Kind 'ga4' exists already"):
        build(_settings(web=GA4), found=[_entry("ga4")])


def test_a_foreign_kind_with_a_row_is_built_by_its_own_factory() -> None:
    kinds: dict[str, Kind] = {**KINDS, "printer": KINDS["stdout"]}
    built = build(_with_foreign_section(), found=[_entry("printer")], kinds=kinds)
    assert built["paper"] == Stdout("paper")


def test_a_configured_kind_without_code_is_named_in_a_sentence() -> None:
    with pytest.raises(RegistryError, match="Destination 'paper': no code is installed for kind 'printer'"):
        build(_with_foreign_section(), found=())
