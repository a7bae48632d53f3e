"""The only outbound socket of Sluis: one Delivery goes out, one Answer or one TransportError comes back.

Rules
1. TLS is verified, redirects are not followed, cookies are not kept, proxies of the environment are ignored.
2. A request goes to a public address over https, or to a loopback endpoint that the operator wrote into the
   configuration. The address that is checked is the address that is connected to (no DNS rebinding).
3. Nothing starts to be written after `write_by_s`: the consent behind it would be too old.
4. An error carries a closed label and nothing else: no URL (it holds GA4's secret), no header, no body.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol, TextIO

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from aiohttp.payload import BytesPayload
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from forwarders.contract import Answer, Delivery

PRINT = "PRINT"
TOTAL_S = 10.0
ANSWER_BYTES = 64 * 1024
DNS_CACHE_S = 60

Endpoint = tuple[str, int]
Clock = Callable[[], float]


class Cause(StrEnum):
    """Why there is no answer. Closed: metrics, health and dead letters carry these words."""

    TIMEOUT = "timeout"
    CONNECT = "connect"  # no address, refused, unreachable
    TLS = "tls"  # the certificate or the handshake
    RESET = "reset"  # the connection ended before the answer did
    PROTOCOL = "protocol"  # what came back is not HTTP
    ADDRESS_REFUSED = "address_refused"  # not https, or not a public address


class TransportError(Exception):
    """No answer. Whether the vendor has the request is unknown, unless the cause says otherwise."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class AddressRefused(OSError):
    """We do not connect to this address."""


class Transport(Protocol):
    """What the worker needs of a transport."""

    async def send(self, delivery: Delivery, write_by_s: float) -> Answer:
        """Send one request, unless it cannot start before `write_by_s`; raises TransportError."""
        ...


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet (IANA special-purpose address registries)."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and ip not in _PROTOCOL_ASSIGNMENTS
    if ip.ipv4_mapped is not None:
        return is_public(str(ip.ipv4_mapped))
    if ip in _NAT64:  # an IPv6-only network reaches IPv4 through it (RFC 6052): judge the inner address
        return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip in _GLOBAL_UNICAST and ip.is_global and ip not in _SIX_TO_FOUR


_PROTOCOL_ASSIGNMENTS = ipaddress.IPv4Network("192.0.0.0/24")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def loopback_endpoints(urls: Iterable[str]) -> frozenset[Endpoint]:
    """Host and port of the configured URLs that name this machine: the only exceptions to rule 2."""
    endpoints = ((URL(url).host or "", URL(url).port or 0) for url in urls)
    return frozenset(
        (host, port) for host, port in endpoints if host == "localhost" or (_is_address(host) and _is_loopback(host))
    )


class _CheckedResolver(AbstractResolver):
    """Resolves names and refuses a name when any of its addresses is not permitted for it."""

    def __init__(self, loopback: frozenset[Endpoint], resolver: AbstractResolver) -> None:
        self._loopback = loopback
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        permitted = _is_loopback if (host, port) in self._loopback else is_public
        if not all(permitted(entry["host"]) for entry in found):
            raise AddressRefused
        return found

    async def close(self) -> None:
        await self._resolver.close()


class _TimelyBody(BytesPayload):
    """A body that refuses to start too late.

    aiohttp holds the head back until the body starts, so this check stands right before the first byte of
    the request is written, on new and on kept connections. (A request without a body has only the limit on
    the connection; no destination has one.)
    """

    def __init__(self, body: bytes, write_by_s: float, clock: Clock) -> None:
        super().__init__(body)
        self._write_by_s = write_by_s
        self._clock = clock

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self._clock() > self._write_by_s:
            raise TimeoutError
        await super().write_with_length(writer, content_length)


class HttpTransport:
    """Connections of one destination, apart from those of all others. Made inside a running loop."""

    def __init__(
        self,
        *,
        connections: int,
        loopback: frozenset[Endpoint] = frozenset(),
        printer: TextIO | None = None,
        total_s: float = TOTAL_S,
        clock: Clock = time.monotonic,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._loopback = loopback
        self._printer = printer
        self._printing = asyncio.Lock()
        self._total_s = total_s
        self._clock = clock
        self._last: tuple[str, URL] = ("", URL())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                ttl_dns_cache=DNS_CACHE_S,
                resolver=_CheckedResolver(loopback, resolver or ThreadedResolver()),
                ssl=tls or True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),  # a vendor's cookie would link visitors to each other
            # An answer is at most 64 KiB because it is never unpacked: no bomb.
            headers={"User-Agent": "sluis", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, delivery: Delivery, write_by_s: float) -> Answer:
        """Send one request, unless it cannot start before `write_by_s`; raises TransportError."""
        try:
            if delivery.method == PRINT:
                return await self._print(delivery.body, write_by_s)
            return await self._exchange(delivery, write_by_s)
        except (aiohttp.ClientError, OSError) as error:
            cause = _cause_of(error)
        # Raised out here so that the new error does not carry the old one, which holds the URL.
        raise TransportError(cause)

    async def _exchange(self, delivery: Delivery, write_by_s: float) -> Answer:
        url = self._checked(delivery.url)
        left_s = write_by_s - self._clock()
        if left_s <= 0:
            raise TimeoutError
        async with self._session.request(
            delivery.method,
            url,
            data=_TimelyBody(delivery.body, write_by_s, self._clock) if delivery.body else None,
            headers=delivery.headers,
            allow_redirects=False,
            # A connection that is not ready by then is of no use (rule 3), so waiting for it ends there.
            timeout=aiohttp.ClientTimeout(total=self._total_s, connect=left_s),
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await _beginning(response))

    async def _print(self, body: bytes, write_by_s: float) -> Answer:
        """Write one line. In a thread: a reader that stops reading must stop this destination only."""
        async with asyncio.timeout(self._total_s), self._printing:
            await asyncio.to_thread(self._print_line, body, write_by_s)
        return Answer(200)

    def _print_line(self, body: bytes, write_by_s: float) -> None:
        if self._printer is None:
            raise AddressRefused
        if self._clock() > write_by_s:
            raise TimeoutError
        self._printer.write(" ".join(body.decode("utf-8", "replace").splitlines()) + "\n")
        self._printer.flush()

    def _checked(self, text: str) -> URL:
        """The URL byte for byte as composed, if rule 2 allows it. GA4's is always the same: remember it."""
        if self._last[0] == text:
            return self._last[1]
        url = URL(text, encoded=True)
        host, port = url.raw_host or "", url.port or 0
        if (host, port) not in self._loopback and (
            url.scheme != "https" or (_is_address(host) and not is_public(host))
        ):
            raise AddressRefused
        self._last = (text, url)
        return url


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """At most ANSWER_BYTES of the body. A connection with more to come is closed when the response is left.

    If the rest is lost, a 2xx stays a 2xx: the vendor has the event, and asking again would repeat it.
    """
    pieces: list[bytes] = []
    room = ANSWER_BYTES
    try:
        while room and (piece := await response.content.read(room)):
            pieces.append(piece)
            room -= len(piece)
    except (aiohttp.ClientError, OSError):
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise
    return b"".join(pieces)


_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Cause], ...] = (
    ((AddressRefused, aiohttp.InvalidURL), Cause.ADDRESS_REFUSED),
    ((aiohttp.ClientSSLError, ssl.SSLError), Cause.TLS),
    (aiohttp.ClientConnectorError, Cause.CONNECT),
    (TimeoutError, Cause.TIMEOUT),
    ((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError), Cause.RESET),
)


def _cause_of(error: Exception) -> Cause:
    """The label of an error. First match wins: aiohttp's connector errors are connection errors too."""
    if isinstance(error, aiohttp.ClientConnectorDNSError) and isinstance(error.os_error, AddressRefused):
        return Cause.ADDRESS_REFUSED
    return next((cause for kinds, cause in _CAUSES if isinstance(error, kinds)), Cause.PROTOCOL)
