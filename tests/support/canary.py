"""A visitor whose every datum is unmistakable, and a search for them through all bytes of a folder.

The search looks for each value as it was posted, in other letter case, percent-encoded and in base64, and for
the plain SHA-256, SHA-1 and MD5 of what identifies somebody (hex, base64 and raw bytes): an unkeyed hash of an
e-mail address is an e-mail address to anybody with a list of them.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

EMAIL = "Quendolyn.Canary+7F3A@Example.com"
PHONE = "+32 2 555 90 41"
CLIENT_ID = "9081726354.4536271809"
VALUES: Mapping[str, tuple[str, ...]] = {
    "email": (EMAIL, "quendolyn.canary@example.com"),
    "phone": (PHONE, "+3225559041", "3225559041"),
    "client_id": (CLIENT_ID,),
    "user_id": ("crm-canary-77aa41",),
    "choice_id": ("20261101.canaryYmirQ3",),
    "session_id": ("canary-session-5521",),
    "name": ("Zephyrine", "Quillfeather"),
    "street": ("Obsidian Alley 9",),
    "ip": ("203.0.113.77", "2001:db8::ca:9a41"),
}
IDENTIFYING = ("email", "phone", "client_id", "user_id", "ip")
_HASHES = ("sha256", "sha1", "md5")
Needles = Mapping[str, tuple[bytes, ...]]


def needles() -> Needles:
    """What to look for, by what it would give away."""
    found = {what: tuple(form for value in values for form in _as_written(value)) for what, values in VALUES.items()}
    hashes = {
        f"{algorithm} of {what}": tuple(form for value in VALUES[what] for form in _as_hash(algorithm, value))
        for what in IDENTIFYING
        for algorithm in _HASHES
    }
    return found | hashes


def _as_written(value: str) -> Iterator[bytes]:
    yield value.lower().encode()
    yield quote(value, safe="").lower().encode()
    yield b64encode(value.encode()).lower()


def _as_hash(algorithm: str, value: str) -> Iterator[bytes]:
    for text in (value, value.lower()):
        digest = hashlib.new(algorithm, text.encode(), usedforsecurity=False).digest()
        yield digest.hex().encode()
        yield b64encode(digest).lower()
        yield digest.lower()


def found_in(data: bytes, wanted: Needles) -> set[str]:
    """What the bytes give away, in whatever letter case."""
    lowered = data.lower()
    return {what for what, forms in wanted.items() if any(form in lowered for form in forms)}


def found_below(folder: Path, wanted: Needles) -> dict[str, set[str]]:
    """File to what it gives away; file names count as content. Files that are clean are absent."""
    found = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        given_away = found_in(name.encode() + b"\n" + (file.read_bytes() if file.is_file() else b""), wanted)
        if given_away:
            found[name] = given_away
    return found
