"""Keys of their own for every site, destination and period, derived from random roots.

A key is HKDF-Expand (RFC 5869) of a root over length-prefixed labels, so no two domains share one. A root that is
missing is `KeyMissing`: nothing is made without it, and the caller answers 503.
"""

import hashlib
import hmac
from typing import Final, Protocol

_CACHED_KEYS: Final = 4096
_BLOCK: Final = 64  # of SHA-256
BRIEF_BYTES: Final = 10


class KeyMissing(Exception):
    """A root that should exist does not. Nothing can be pseudonymised or sealed without it."""


class Roots(Protocol):
    """Where random roots come from: the key ring, or throw-away keys in `sluis explain`."""

    def root(self, key_id: str) -> bytes | None:
        """32 random bytes, or None if there is no such root (any more)."""
        ...


def domain_key(root: bytes, *labels: str | bytes) -> bytes:
    """32 bytes for one domain: HKDF-Expand with SHA-256 over length-prefixed labels, so none can run over.

    A root is 32 uniform random bytes, so the extract step is left out (RFC 5869, section 3.3).
    """
    parts = [label.encode() if isinstance(label, str) else label for label in labels]
    info = b"sluis" + b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    return hmac.digest(root, info + b"\x01", "sha256")


class Mac:
    """HMAC-SHA-256 (RFC 2104) under one key, with both pads hashed beforehand: half the price of `hmac.digest`."""

    __slots__ = ("_brief", "_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(_BLOCK, b"\0")
        self._brief = hashlib.blake2b(digest_size=BRIEF_BYTES, key=key)
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(self, message: str) -> bytes:
        """32 bytes."""
        inner = self._inner.copy()
        inner.update(message.encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def brief(self, message: bytes) -> bytes:
        """10 bytes of keyed BLAKE2b (RFC 7693): enough to tell events apart, and half the price."""
        brief = self._brief.copy()
        brief.update(message)
        return brief.digest()


class DomainKeys:
    """Keys derived from roots, remembered because a derivation costs as much as a pseudonym."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._derived: dict[tuple[str, ...], Mac] = {}

    def subject(self, site: str) -> Mac:
        """The site's subject key, without period: a withdrawal must find what was said months ago."""
        names = ("subject", site)
        return self._derived.get(names) or self._derive(names, "subject")

    def domain(self, period: str, site: str, destination: str) -> Mac:
        """The key of one destination of one site in one period."""
        names = (period, site, destination)
        return self._derived.get(names) or self._derive(names, "destination")

    def has(self, key_id: str) -> bool:
        """Whether the root of a period exists."""
        return self._roots.root(key_id) is not None

    def forget_destroyed(self) -> None:
        """Drop what was derived from roots that are gone: destroyed means gone here too. To be called now and then."""
        gone = {key_id for key_id, *_ in self._derived if not self.has(key_id)}
        self._derived = {names: derived for names, derived in self._derived.items() if names[0] not in gone}

    def _derive(self, names: tuple[str, ...], use: str) -> Mac:
        """The key of a root (the first of the names) for one use; the other names say whose."""
        key_id, *whose = names
        root = self._roots.root(key_id)
        if root is None:
            raise KeyMissing(key_id)
        if len(self._derived) >= _CACHED_KEYS:
            self._derived.clear()
        derived = self._derived[names] = Mac(domain_key(root, use, *whose))
        return derived
