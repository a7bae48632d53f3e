"""Where a visitor is, as far as a trusted proxy or a local address file knows. It can only tighten what the page says.

1. An address is looked at only where the operator configured an address file, in memory, and goes no further than here.
2. Behind proxies the address is counted from the right of X-Forwarded-For: what stands further left a client can write.
3. A header's value counts as it is: what is no code of a region is nowhere known, which is the strictest.
4. An address that the file does not know gives no answer.
"""

from collections.abc import Mapping
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

Headers = Mapping[bytes, bytes]
_NO_HEADER: Final = ""
_LONGEST: Final = 16


class Unusable(Exception):
    """The address file cannot be used; the message says why and what to do."""


class AddressFile(Protocol):
    """What is needed of a reader of MaxMind's format."""

    def get(self, ip_address: str) -> Any:
        """The row of an address, or None."""
        ...


class Whereabouts:
    """Answers regions (ISO 3166-1 or -2) for a request."""

    def __init__(self, header: str = _NO_HEADER, addresses: AddressFile | None = None, proxies: int = 0) -> None:
        self._header = header.lower().encode()
        self._addresses = addresses
        self._proxies = proxies

    def regions(self, headers: Headers, peer: str | None) -> tuple[str, ...]:
        """What each source says; empty where none is configured or none knows."""
        if not self._header and self._addresses is None:
            return ()
        found = (self._by_header(headers), self._by_address(headers, peer))
        return tuple(region for region in found if region)

    def _by_header(self, headers: Headers) -> str:
        stated = headers.get(self._header, b"") if self._header else b""
        return stated.decode("latin-1").strip().upper()[:_LONGEST]

    def _by_address(self, headers: Headers, peer: str | None) -> str:
        address = self._address(headers, peer) if self._addresses is not None else None
        if self._addresses is None or address is None:
            return ""
        row = self._addresses.get(address)
        country = _code(row, "country") or _code(row, "registered_country")
        parts = row.get("subdivisions") if isinstance(row, dict) else None
        part = _code({"it": parts[0]}, "it") if isinstance(parts, list) and parts else ""
        return f"{country}-{part}" if country and part else country

    def _address(self, headers: Headers, peer: str | None) -> str | None:
        if self._proxies:
            hops = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
            peer = hops[-self._proxies].strip() if len(hops) >= self._proxies else None
        try:
            return None if peer is None else str(ip_address(peer))
        except ValueError:
            return None


def _code(row: Any, name: str) -> str:
    part = row.get(name) if isinstance(row, dict) else None
    code = part.get("iso_code") if isinstance(part, dict) else None
    return code if isinstance(code, str) else ""


def open_addresses(path: Path) -> AddressFile:
    """A file in MaxMind's format, mapped into memory; raises Unusable. The reader is loaded only where there is one."""
    maxminddb = import_module("maxminddb")
    try:
        file: AddressFile = maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise Unusable(f"region_file {path} cannot be read as an address file in MaxMind's format: {error}") from None
    return file
