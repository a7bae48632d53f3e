"""Sealing of records: AES-256-GCM under a key that only this process and this day have.

1. Process key = HKDF(day root, salt): the salt is random per process and stands in the header, so no two
   processes share a key, and the nonce may be a counter.
2. Every clear field is authenticated: swap the site or the destination, and the record is forged.
3. Destroy the day's root and every copy of its records is unreadable, in backups too.
4. Without today's key nothing is sealed (KeyMissing): the collector answers 503 rather than store in clear.

Header: magic and version, day (yyyymmdd), salt, length and text of site and destination, then the counter (64
bits, big-endian) and the minute of receipt (minutes since the epoch). What follows is ciphertext and tag.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector.intake.domains import KeyMissing, Roots, domain_key

MAGIC = b"SL\x01"
SALT_BYTES = 16
_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_NONCE_HEAD = bytes(4)  # a GCM nonce has 96 bits; the counter fills the last 64
_FIXED = struct.Struct(f">3sI{SALT_BYTES}s")
_TAIL = struct.Struct(">QI")
_TAG_BYTES = 16
_MOST_DAYS = 3
_MOST_PREFIXES = 4096


class Cause(StrEnum):
    """Why a sealed record cannot be read."""

    KEY_DESTROYED = "key_destroyed"
    KEY_UNREADABLE = "key_unreadable"  # its day key is there and cannot be read: an operator must mend it
    FORGED = "forged"
    UNKNOWN_FORMAT = "unknown_format"


class Unreadable(Exception):
    """A sealed record that cannot be opened; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened record. `received_ms` is the start of the minute of receipt."""

    site: str
    destination: str
    received_ms: int
    plaintext: bytes

    def __repr__(self) -> str:
        return f"Opened({self.site!r}, {self.destination!r}, <redacted>)"


class Sealer:
    """Seals records of this process. `random_salt`: 16 fresh random bytes, never used by another Sealer."""

    def __init__(self, roots: Roots, random_salt: bytes) -> None:
        if len(random_salt) != SALT_BYTES:
            raise ValueError(f"the salt must have {SALT_BYTES} bytes")
        self._roots = roots
        self._salt = random_salt
        self._counter = 0
        self._ciphers: dict[int, AESGCM] = {}
        self._prefixes: dict[tuple[int, str, str], tuple[AESGCM, bytes]] = {}

    def seal(self, site: str, destination: str, received_ms: int, plaintext: bytes) -> bytes:
        """Header and ciphertext, under the key of the day of receipt (UTC); raises KeyMissing."""
        key = (received_ms // _DAY_MS, site, destination)
        cipher, prefix = self._prefixes.get(key) or self._prepare(*key)
        self._counter = counter = self._counter + 1
        tail = _TAIL.pack(counter, received_ms // _MINUTE_MS)
        header = prefix + tail
        return header + cipher.encrypt(_NONCE_HEAD + tail[:8], plaintext, header)

    def _prepare(self, day: int, site: str, destination: str) -> tuple[AESGCM, bytes]:
        stamp = _stamp(day)
        cipher = self._ciphers.get(day)
        if cipher is None:
            root = self._roots.root(f"day-{stamp}")
            if root is None:
                raise KeyMissing(f"there is no key for day {stamp}")
            self._forget()
            cipher = self._ciphers[day] = _process_cipher(root, self._salt)
        if len(self._prefixes) >= _MOST_PREFIXES:
            self._prefixes.clear()
        prefix = _FIXED.pack(MAGIC, stamp, self._salt) + _text(site) + _text(destination)
        self._prefixes[day, site, destination] = cipher, prefix
        return cipher, prefix

    def _forget(self) -> None:
        """Keep few days only: a key that was destroyed must not live on here."""
        while len(self._ciphers) >= _MOST_DAYS:
            del self._ciphers[min(self._ciphers)]
        self._prefixes = {key: made for key, made in self._prefixes.items() if key[0] in self._ciphers}


class Opener:
    """Opens records of any process. Keys derived before are kept, but only while their root exists.

    `is_unreadable` tells a root that somebody has to mend from one that was destroyed.
    """

    def __init__(
        self, roots: Roots, *, is_unreadable: Callable[[str], bool] = lambda _: False, most_keys: int = 256
    ) -> None:
        self._roots = roots
        self._is_unreadable = is_unreadable
        self._most_keys = most_keys
        self._ciphers: OrderedDict[bytes, tuple[bytes, AESGCM]] = OrderedDict()

    def open(self, sealed: bytes) -> Opened:
        """The record in clear; raises Unreadable."""
        header = _read_header(sealed)
        key_id = f"day-{header.stamp}"
        root = self._roots.root(key_id)
        if root is None:
            is_there = self._is_unreadable(key_id)
            raise Unreadable(Cause.KEY_UNREADABLE if is_there else Cause.KEY_DESTROYED)
        clear = sealed[: header.size]
        nonce = _NONCE_HEAD + clear[-_TAIL.size : -4]
        try:
            plaintext = self._cipher(root, header).decrypt(nonce, sealed[header.size :], clear)
        except InvalidTag:
            raise Unreadable(Cause.FORGED) from None
        return Opened(header.site, header.destination, header.minute * _MINUTE_MS, plaintext)

    def _cipher(self, root: bytes, header: "_Header") -> AESGCM:
        key = header.salt + header.stamp.to_bytes(4, "big")
        known = self._ciphers.get(key)
        if known is None or known[0] != root:
            known = self._ciphers[key] = root, _process_cipher(root, header.salt)
            if len(self._ciphers) > self._most_keys:
                self._ciphers.popitem(last=False)
        self._ciphers.move_to_end(key)
        return known[1]


@dataclass(frozen=True, slots=True)
class _Header:
    stamp: int
    salt: bytes
    site: str
    destination: str
    minute: int
    size: int


def _read_header(sealed: bytes) -> _Header:
    try:
        magic, stamp, salt = _FIXED.unpack_from(sealed)
        site, at = _read_text(sealed, _FIXED.size)
        destination, at = _read_text(sealed, at)
        _, minute = _TAIL.unpack_from(sealed, at)
    except (struct.error, UnicodeDecodeError, IndexError):
        raise Unreadable(Cause.UNKNOWN_FORMAT) from None
    if magic != MAGIC or len(sealed) < at + _TAIL.size + _TAG_BYTES:
        raise Unreadable(Cause.UNKNOWN_FORMAT)
    return _Header(stamp, salt, site, destination, minute, at + _TAIL.size)


def _process_cipher(root: bytes, salt: bytes) -> AESGCM:
    return AESGCM(domain_key(root, b"sealing", salt))


def _text(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded


def _read_text(sealed: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + sealed[at]
    return sealed[at + 1 : end].decode(), end


def _stamp(day: int) -> int:
    """The date of a day since the epoch as a number: 20654 is 20260720."""
    date = datetime.fromtimestamp(day * 86_400, UTC)
    return date.year * 10_000 + date.month * 100 + date.day
