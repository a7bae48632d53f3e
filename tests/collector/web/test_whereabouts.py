"""Where a visitor is: what a proxy's header and an address file may say, and that they only tighten."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from collector.web.whereabouts import Unusable, Whereabouts, open_addresses
from tests.collector.intake.shop import CONFIG
from tests.collector.web.whole import collector

OPT_OUT = CONFIG.replace(
    'establishment = "BE"\nconsent_source = "page"\naudience = "general"',
    'establishment = "US"\nelsewhere = "opt_out"\nconsent_source = "page"\naudience = "general"',
    1,
)
SILENT = {"name": "page_view", "client_id": "1.2", "consent": {"region": "US-CA"}}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documentation addresses (RFC 5737, RFC 3849) in Ghent, California, and somewhere without a name."""
    file = tmp_path_factory.mktemp("addresses") / "regions.mmdb"
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True)
    writer.insert_network(IPSet(["192.0.2.0/24"]), {"country": {"iso_code": "BE"}})
    california = {"country": {"iso_code": "US"}, "subdivisions": [{"iso_code": "CA"}]}
    writer.insert_network(IPSet(["198.51.100.0/24", "2001:db8::/32"]), california)
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"registered_country": {"iso_code": "FR"}})
    writer.to_db_file(str(file))
    return file


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "regions"),
    [
        ("192.0.2.9", None, 0, ("BE",)),
        ("198.51.100.1", None, 0, ("US-CA",)),
        ("2001:db8::1", None, 0, ("US-CA",)),
        ("203.0.113.5", None, 0, ("FR",)),
        ("10.0.0.1", None, 0, ()),
        ("no address", None, 0, ()),
        (None, None, 0, ()),
        ("10.0.0.1", b"192.0.2.9", 1, ("BE",)),
        ("10.0.0.1", b"198.51.100.1, 192.0.2.9", 1, ("BE",)),  # what stands further left a client can write
        ("10.0.0.1", b"198.51.100.1, 192.0.2.9, 10.0.0.2", 2, ("BE",)),
        ("192.0.2.9", b"198.51.100.1", 2, ()),  # fewer proxies than there should be: nobody knows
        ("192.0.2.9", b"198.51.100.1", 0, ("BE",)),  # without a proxy the header is anybody's
    ],
)
def test_an_address_is_looked_up_as_counted_from_the_right(
    addresses: Path, peer: str | None, forwarded: bytes | None, proxies: int, regions: tuple[str, ...]
) -> None:
    where = Whereabouts(addresses=open_addresses(addresses), proxies=proxies)
    headers = {} if forwarded is None else {b"x-forwarded-for": forwarded}
    assert where.regions(headers, peer) == regions


def test_a_header_and_a_file_both_answer(addresses: Path) -> None:
    where = Whereabouts("CF-IPCountry", open_addresses(addresses))
    assert where.regions({b"cf-ipcountry": b" us "}, "192.0.2.9") == ("US", "BE")
    assert where.regions({b"cf-ipcountry": b"T1"}, "10.0.0.1") == ("T1",)


@pytest.mark.parametrize("content", [b"", b"not an address file", None])
def test_a_file_that_cannot_be_used_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "regions.mmdb"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Unusable, match="cannot be read as an address file"):
        open_addresses(file)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("country", "outcome"), [(None, "accepted"), ("US", "accepted"), ("BE", "refused"), ("XX", "refused")]
)
async def test_where_silence_is_yes_a_proxy_can_still_say_that_the_visitor_is_in_europe(
    country: str | None, outcome: str
) -> None:
    toml = OPT_OUT + '\n[listen]\nregion_header = "x-country"\n'
    async with collector(toml) as made:
        assert (await made.result(SILENT, x_country=country))["outcome"] == outcome


@pytest.mark.anyio
@pytest.mark.parametrize(("forwarded", "outcome"), [("198.51.100.1", "accepted"), ("192.0.2.9", "refused")])
async def test_an_address_decides_and_stays_nowhere(addresses: Path, forwarded: str, outcome: str) -> None:
    toml = OPT_OUT + "\n[listen]\ntrusted_proxies = 1\n"
    async with collector(toml, addresses=open_addresses(addresses)) as made:
        result: dict[str, Any] = await made.result(SILENT, x_forwarded_for=forwarded)
        assert result["outcome"] == outcome
        for name in ("ga4", "meta"):
            for record in await made.records(name):
                assert forwarded not in str(msgspec.to_builtins(record))
