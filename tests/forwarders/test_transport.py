"""The transport against real sockets on loopback: what it sends, what it refuses, how it fails."""

import asyncio
import datetime as dt
import io
import json
import socket
import ssl
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from forwarders.contract import Delivery
from forwarders.transport import (
    ANSWER_BYTES,
    PRINT,
    Cause,
    HttpTransport,
    TransportError,
    is_public,
    loopback_endpoints,
)
from tests.support.vendor import Vendor, answering, answering_and_closing, silent, vendor

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Trace-Id: t1\r\n\r\n{}"
SECRET = "s3cret-of-the-stream"
BODY = b'{"events":[{"name":"purchase"}]}'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Names(AbstractResolver):
    """A resolver that gives the addresses of a test."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def transport(port: int = 0, **options: Any) -> AsyncIterator[HttpTransport]:
    loopback = loopback_endpoints([f"http://127.0.0.1:{port}"])
    made = HttpTransport(connections=4, **{"loopback": loopback, **options})
    try:
        yield made
    finally:
        await made.close()


def delivery(port: int, *, host: str = "127.0.0.1", scheme: str = "http") -> Delivery:
    url = f"{scheme}://{host}:{port}/mp/collect?api_secret={SECRET}"
    return Delivery("POST", url, {"Content-Type": "application/json"}, BODY)


def soon() -> float:
    return time.monotonic() + 1.0


async def cause_of(sender: HttpTransport, sent: Delivery, write_by_s: float | None = None) -> Cause:
    with pytest.raises(TransportError) as caught:
        await sender.send(sent, soon() if write_by_s is None else write_by_s)
    return caught.value.cause


async def test_a_request_arrives_as_composed_and_its_answer_comes_back() -> None:
    async with vendor(answering(OK)) as server, transport(server.port) as sender:
        answer = await sender.send(delivery(server.port), soon())
    assert (answer.status, answer.body, answer.headers["x-trace-id"]) == (200, b"{}", "t1")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /mp/collect?api_secret=s3cret-of-the-stream HTTP/1.1\r\n")
    assert body == BODY


async def test_nothing_beyond_the_composed_request_is_told_about_us() -> None:
    async with vendor(answering(OK)) as server, transport(server.port) as sender:
        await sender.send(delivery(server.port), soon())
    names = {line.split(b":")[0].lower() for line in server.requests[0].split(b"\r\n\r\n")[0].split(b"\r\n")[1:]}
    assert names == {b"host", b"user-agent", b"accept", b"accept-encoding", b"content-type", b"content-length"}
    assert b"User-Agent: sluis\r\n" in server.requests[0]


async def test_a_connection_is_used_again_and_a_cookie_is_not_sent_back() -> None:
    with_cookie = OK.replace(b"X-Trace-Id: t1", b"Set-Cookie: visitor=1")
    async with vendor(answering(with_cookie)) as server, transport(server.port) as sender:
        for _ in range(3):
            await sender.send(delivery(server.port), soon())
    assert (server.connections, len(server.requests)) == (1, 3)
    assert b"cookie" not in server.requests[2].lower()


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with vendor(answering(OK)) as elsewhere:
        target = f"Location: http://127.0.0.1:{elsewhere.port}/\r\n".encode()
        moved = b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n" + target + b"\r\n"
        async with vendor(answering(moved)) as server:
            loopback = loopback_endpoints(f"http://127.0.0.1:{v.port}" for v in (server, elsewhere))
            async with transport(loopback=loopback) as sender:
                answer = await sender.send(delivery(server.port), soon())
    assert answer.status == 307
    assert elsewhere.requests == []


async def test_a_huge_answer_is_cut_and_its_connection_is_given_up() -> None:
    huge = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 2_000_000
    async with vendor(answering(huge)) as server, transport(server.port) as sender:
        answer = await sender.send(delivery(server.port), soon())
        await sender.send(delivery(server.port), soon())
    assert len(answer.body) == ANSWER_BYTES
    assert server.connections == 2


async def test_a_packed_answer_is_not_unpacked() -> None:
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with vendor(answering(packed)) as server, transport(server.port) as sender:
        answer = await sender.send(delivery(server.port), soon())
    assert answer.body == b"\x1f\x8b\x08\x00"


async def test_silence_is_a_timeout() -> None:
    async with vendor(silent) as server, transport(server.port, total_s=0.1) as sender:
        assert await cause_of(sender, delivery(server.port)) is Cause.TIMEOUT
    assert len(server.requests) == 1


async def test_a_connection_closed_without_an_answer_is_a_reset() -> None:
    async with vendor(answering_and_closing(b"")) as server, transport(server.port) as sender:
        assert await cause_of(sender, delivery(server.port)) is Cause.RESET


async def test_a_success_whose_body_is_lost_stays_a_success() -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    async with vendor(answering_and_closing(cut)) as server, transport(server.port) as sender:
        answer = await sender.send(delivery(server.port), soon())
    assert (answer.status, answer.body) == (200, b"{")


async def test_a_refusal_whose_body_is_lost_is_a_reset_because_the_body_says_what_it_means() -> None:
    cut = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{"
    async with vendor(answering_and_closing(cut)) as server, transport(server.port) as sender:
        assert await cause_of(sender, delivery(server.port)) is Cause.RESET


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_protocol_error(garbage: bytes) -> None:
    async with vendor(answering(garbage)) as server, transport(server.port) as sender:
        assert await cause_of(sender, delivery(server.port)) is Cause.PROTOCOL


async def test_a_closed_port_is_a_connect_error() -> None:
    async with vendor(silent) as server:
        port = server.port
    async with transport(port) as sender:
        assert await cause_of(sender, delivery(port)) is Cause.CONNECT


async def test_an_error_quotes_nothing_of_the_request() -> None:
    async with vendor(answering(b"garbage\r\n\r\n")) as server, transport(server.port) as sender:
        with pytest.raises(TransportError) as caught:
            await sender.send(delivery(server.port), soon())
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert SECRET not in shown
    assert "127.0.0.1" not in shown
    assert caught.value.__context__ is None


# ── Freshness: nothing starts to be written after write_by_s ─────────────────────────────────────


async def test_a_request_that_is_too_late_is_not_even_connected() -> None:
    async with vendor(answering(OK)) as server, transport(server.port) as sender:
        assert await cause_of(sender, delivery(server.port), time.monotonic()) is Cause.TIMEOUT
    assert server.connections == 0


@pytest.mark.parametrize("kept", [False, True])
async def test_a_delay_after_the_last_look_at_the_clock_still_stops_the_first_byte(kept: bool) -> None:
    """The clock jumps between the start of `send` and the write, as when the event loop stalls."""
    readings = iter([*([0.0, 0.0] if kept else []), 0.0, 1.5])
    async with (
        vendor(answering(OK)) as server,
        transport(server.port, clock=lambda: next(readings)) as sender,
    ):
        if kept:
            await sender.send(delivery(server.port), 1.0)
        before = len(server.requests)
        assert await cause_of(sender, delivery(server.port), 1.0) is Cause.TIMEOUT
        await asyncio.sleep(0.02)
    assert len(server.requests) == before
    assert server.connections == 1


async def test_a_connection_that_is_not_ready_in_time_is_a_timeout() -> None:
    """The listening queue is full: the kernel neither accepts nor refuses."""
    with socket.socket() as stuffed:
        stuffed.bind(("127.0.0.1", 0))
        stuffed.listen(0)
        port = stuffed.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        started = time.monotonic()
        async with transport(port) as sender:
            assert await cause_of(sender, delivery(port), started + 0.2) is Cause.TIMEOUT
        assert 0.15 < time.monotonic() - started < 1.0
        for filler in fillers:
            filler.close()


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_public_name_that_resolves_to_this_machine_is_refused() -> None:
    async with vendor(answering(OK)) as server, transport(server.port, resolver=Names("127.0.0.1")) as sender:
        sent = delivery(server.port, host="collect.example.com", scheme="https")
        assert await cause_of(sender, sent) is Cause.ADDRESS_REFUSED
    assert server.connections == 0


async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    async with transport(resolver=Names("93.184.215.14", "169.254.169.254")) as sender:
        sent = delivery(443, host="collect.example.com", scheme="https")
        assert await cause_of(sender, sent) is Cause.ADDRESS_REFUSED


async def test_the_configured_name_localhost_may_be_this_machine_and_nothing_else() -> None:
    async with vendor(answering(OK)) as server:
        loopback = loopback_endpoints([f"http://localhost:{server.port}/mp/collect"])
        async with transport(loopback=loopback) as sender:
            assert (await sender.send(delivery(server.port, host="localhost"), soon())).status == 200
        async with transport(loopback=loopback, resolver=Names("10.0.0.7")) as sender:
            sent = delivery(server.port, host="localhost")
            assert await cause_of(sender, sent) is Cause.ADDRESS_REFUSED


@pytest.mark.parametrize(
    "url",
    [
        "http://collect.example.com/mp/collect",
        "https://10.0.0.1/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "ftp://collect.example.com/",
        "stdout:",
    ],
)
async def test_only_https_to_public_addresses_may_leave(url: str) -> None:
    async with transport(1, resolver=Names("93.184.215.14")) as sender:
        assert await cause_of(sender, Delivery("POST", url, {}, BODY)) is Cause.ADDRESS_REFUSED


async def test_another_port_of_this_machine_is_refused() -> None:
    async with vendor(answering(OK)) as server, transport(server.port - 1) as sender:
        assert await cause_of(sender, delivery(server.port)) is Cause.ADDRESS_REFUSED


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2a00:1450:400e:80d::200e", True),
        ("64:ff9b::5db8:d70e", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.0.0.9", False),
        ("192.168.1.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
        ("2001:db8::1", False),
        ("fc00::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("fd00:ec2::254", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_only_configured_loopback_urls_are_exceptions() -> None:
    urls = ["http://127.0.0.1:8082/x", "http://[::1]:8082", "http://localhost", "https://graph.facebook.com"]
    assert loopback_endpoints([*urls, "http://10.0.0.1:80", "http://localhost.example.com"]) == {
        ("127.0.0.1", 8082),
        ("::1", 8082),
        ("localhost", 80),
    }


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────────


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "vendor.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@asynccontextmanager
async def https_vendor(file: Path) -> AsyncIterator[Vendor]:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file)
    async with vendor(answering(OK), tls=served) as server:
        yield server


async def test_a_certificate_nobody_vouches_for_is_refused_before_a_byte_is_sent(tmp_path: Path) -> None:
    async with https_vendor(certificate(tmp_path, "localhost")) as server:
        loopback = loopback_endpoints([f"https://localhost:{server.port}"])
        async with transport(loopback=loopback) as sender:
            sent = delivery(server.port, host="localhost", scheme="https")
            assert await cause_of(sender, sent) is Cause.TLS
    assert server.requests == []


@pytest.mark.parametrize(("name", "accepted"), [("localhost", True), ("other.example.com", False)])
async def test_a_certificate_must_carry_the_name(tmp_path: Path, name: str, accepted: bool) -> None:
    file = certificate(tmp_path, name)
    trusting = ssl.create_default_context(cafile=file)
    async with https_vendor(file) as server:
        loopback = loopback_endpoints([f"https://localhost:{server.port}"])
        async with transport(loopback=loopback, tls=trusting) as sender:
            sent = delivery(server.port, host="localhost", scheme="https")
            if accepted:
                assert (await sender.send(sent, soon())).status == 200
            else:
                assert await cause_of(sender, sent) is Cause.TLS


# ── PRINT ─────────────────────────────────────────────────────────────────────────────────────────


async def test_printing_writes_one_line_and_answers_200() -> None:
    printer = io.StringIO()
    async with transport(printer=printer) as sender:
        answer = await sender.send(Delivery(PRINT, "stdout:", {}, b'{"name":\n"x"}'), soon())
    assert answer.status == 200
    assert [json.loads(line) for line in printer.getvalue().splitlines()] == [{"name": "x"}]


async def test_printing_too_late_prints_nothing() -> None:
    printer = io.StringIO()
    async with transport(printer=printer) as sender:
        sent = Delivery(PRINT, "stdout:", {}, b"{}")
        assert await cause_of(sender, sent, time.monotonic() - 0.1) is Cause.TIMEOUT
    assert printer.getvalue() == ""


async def test_a_reader_that_went_away_is_a_reset() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    async with transport(printer=Gone()) as sender:
        assert await cause_of(sender, Delivery(PRINT, "stdout:", {}, b"{}")) is Cause.RESET
