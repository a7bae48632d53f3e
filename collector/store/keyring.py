"""The key ring: random roots of days and pseudonym periods, each wrapped by the master in a file of its own.

1. Roots are random, so destroying the file destroys the root, even for the holder of the master.
2. The janitor creates two days ahead; an existing root is never replaced. Other processes only read.
3. The directory is 0700 and its files 0600, or nothing is read. Wrapped roots are never in a data backup.
4. A root that was destroyed is forgotten by every process within a minute; a new one is found within a second.
5. Keys for a purpose are derived from a root with `domain_key`, never used as they are.
6. While running, a root that cannot be read is as good as missing: it is logged once, looked at again every second,
   and whoever needs it answers 503 or waits. At the start it is a sentence and no start.
"""

import base64
import binascii
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector.intake.domains import domain_key
from collector.store.key_periods import Kind, Period, due_keys, is_expired, period_of_key
from collector.store.master import KEY_BYTES, KeyRingError, Master, refuse_others, sync_directory
from collector.telemetry import logger

__all__ = [
    "EphemeralKeyRing",
    "KeyInfo",
    "KeyRing",
    "KeyRingError",
    "Master",
    "State",
]

log = logger(__name__)
_SUFFIX = ".key"
_VERSION = 1
_NONCE_BYTES = 12
_LOOK_AGAIN_S = 60.0  # for roots that were destroyed meanwhile
_LOOK_FOR_NEW_S = 1.0
_DRAFT_S = 3600.0
_DIRECTORY = "directory"  # stands for every key id where the directory itself cannot be read
_KeyIds = list[str]


class State(StrEnum):
    """Where a root stands in its life."""

    UPCOMING = "upcoming"
    LIVE = "live"
    ENDED = "ended"  # its period is over; what was made with it may still be read until it is destroyed


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be said of a root. `fingerprint` identifies it and gives nothing of it away.

    A file that cannot be unwrapped has no `created` and an empty fingerprint; it can be destroyed all the same.
    """

    id: str
    kind: Kind
    created: datetime | None
    state: State
    fingerprint: str


class KeyRing:
    """Wrapped roots in a directory. An absent directory is an empty ring: the janitor makes it."""

    def __init__(self, directory: Path, master: Master, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._wrapping = AESGCM(master.key)
        self._monotonic = monotonic
        self._roots: dict[str, bytes] = {}
        self._present: set[str] = set()
        self._unreadable: set[str] = set()
        self._look_again = float("-inf")
        self._look_for_new = float("-inf")

    @classmethod
    def open(cls, directory: Path, master: Master) -> "KeyRing":
        """Open after checking permissions and that the master fits; raises KeyRingError."""
        ring = cls(directory, master)
        with suppress(FileNotFoundError):
            refuse_others(directory, 0o700)
        for key_id in sorted(ring._ids(), reverse=True)[:1]:
            ring._load(key_id)
        return ring

    def root(self, key_id: str) -> bytes | None:
        """The root of a key id, or None (rule 6). Cheap: looks at the directory once a minute, or for an unknown id."""
        found = self._roots.get(key_id)
        now = self._monotonic()
        if found is not None and now < self._look_again:
            return found
        if now >= self._look_again or (key_id not in self._present and now >= self._look_for_new):
            self._look_again, self._look_for_new = now + _LOOK_AGAIN_S, now + _LOOK_FOR_NEW_S
            self._look()
        if key_id in self._present and key_id not in self._roots:
            try:
                self._load(key_id)
                self._unreadable.discard(key_id)
            except KeyRingError:
                self._present.discard(key_id)
                self._note_unreadable(key_id)
        return self._roots.get(key_id)

    def is_unreadable(self, key_id: str) -> bool:
        """Whether `root` answered None for a root that is there but cannot be read."""
        return key_id in self._unreadable or _DIRECTORY in self._unreadable

    def create_due(self, now: datetime) -> _KeyIds:
        """Make every root that must exist by now (UTC) and does not; answers the new ids. For the janitor."""
        if not self._directory.exists():
            self._directory.mkdir(mode=0o700, parents=True)
            sync_directory(self._directory.parent)
        refuse_others(self._directory, 0o700)
        present = self._ids()
        missing = [key_id for key_id in due_keys(now.astimezone(UTC).date()) if key_id not in present]
        made = [key_id for key_id in missing if self._create(key_id, now)]
        if made:
            sync_directory(self._directory)
            self._look_again = float("-inf")
        return made

    def destroy_expired(self, now: datetime, day_key_days: int) -> list[KeyInfo]:
        """Delete every root whose time is over, durably; answers what was destroyed. For the janitor.

        Drafts that a crash left behind go as well.
        """
        today = now.astimezone(UTC).date()
        for draft in self._directory.glob(".*"):
            if draft.stat().st_mtime < now.timestamp() - _DRAFT_S:
                draft.unlink(missing_ok=True)
        expired = [
            self._info(key_id, period, today)
            for key_id, period in self._periods()
            if is_expired(period, today, day_key_days)
        ]
        for info in expired:
            self._file(info.id).unlink(missing_ok=True)
            self._roots.pop(info.id, None)
            self._present.discard(info.id)
        if expired:
            sync_directory(self._directory)
        return expired

    def list(self, now: datetime | None = None) -> tuple[KeyInfo, ...]:
        """What is in the ring, by id."""
        today = (now or datetime.now(UTC)).astimezone(UTC).date()
        return tuple(self._info(key_id, period, today) for key_id, period in self._periods())

    def _look(self) -> None:
        try:
            self._present = self._ids()
            self._unreadable &= self._present  # the directory's own mark goes as well
        except KeyRingError:
            self._present = set()
            self._note_unreadable(_DIRECTORY)
        self._roots = {known: root for known, root in self._roots.items() if known in self._present}

    def _note_unreadable(self, key_id: str) -> None:
        if key_id not in self._unreadable:
            log.error("key_unreadable", key_id=key_id)
        self._unreadable.add(key_id)

    def _ids(self) -> set[str]:
        try:
            names = [file.name for file in self._directory.iterdir()]
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise KeyRingError(f"The key directory {self._directory} cannot be read: {error}.") from error
        ids = {name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)}
        return {key_id for key_id in ids if period_of_key(key_id)}

    def _periods(self) -> Iterable[tuple[str, Period]]:
        for key_id in sorted(self._ids()):
            if period := period_of_key(key_id):
                yield key_id, period

    def _file(self, key_id: str) -> Path:
        return self._directory / f"{key_id}{_SUFFIX}"

    def _load(self, key_id: str) -> datetime | None:
        """Unwrap a root into memory; answers when it was made, None if it is gone meanwhile."""
        file = self._file(key_id)
        try:
            refuse_others(file, 0o600)
            stored = json.loads(file.read_bytes())
            created_ms = int(stored["created_ms"])
            nonce, wrapped = (base64.b64decode(stored[name], validate=True) for name in ("nonce", "wrapped"))
            self._roots[key_id] = self._wrapping.decrypt(nonce, wrapped, _bound(key_id, created_ms))
        except FileNotFoundError:
            self._present.discard(key_id)
            return None
        except InvalidTag:
            raise KeyRingError(
                f"{file} cannot be unwrapped: the master is not the one it was made with, or the file was "
                "changed. Give Sluis the master of this key directory."
            ) from None
        except (OSError, KeyError, TypeError, ValueError, binascii.Error) as error:
            raise KeyRingError(f"{file} is not a wrapped root: {error!r}. Restore it or remove it.") from error
        return datetime.fromtimestamp(created_ms / 1000, UTC)

    def _create(self, key_id: str, now: datetime) -> bool:
        """Write a new wrapped root; False if somebody else made it first. Never replaces one."""
        created_ms = int(now.timestamp() * 1000)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        root = secrets.token_bytes(KEY_BYTES)
        wrapped = self._wrapping.encrypt(nonce, root, _bound(key_id, created_ms))
        body = {
            "version": _VERSION,
            "id": key_id,
            "created_ms": created_ms,
            "nonce": base64.b64encode(nonce).decode(),
            "wrapped": base64.b64encode(wrapped).decode(),
        }
        draft = self._directory / f".{key_id}.{secrets.token_hex(8)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(body, out)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, self._file(key_id))
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def _info(self, key_id: str, period: Period, today: date) -> KeyInfo:
        created, fingerprint = None, ""
        with suppress(KeyRingError):
            created = self._load(key_id)
            fingerprint = _fingerprint(self._roots[key_id]) if created else ""
        state = State.LIVE
        if today < period.begins:
            state = State.UPCOMING
        elif period.ends is not None and today >= period.ends:
            state = State.ENDED
        return KeyInfo(key_id, period.kind, created, state, fingerprint)


class EphemeralKeyRing:
    """Roots that exist in memory only, made on demand: for `sluis explain` and tests. Nothing outlives it."""

    def __init__(self) -> None:
        self._roots: dict[str, bytes] = {}

    def root(self, key_id: str) -> bytes | None:
        """The root of any well-formed key id."""
        if period_of_key(key_id) is None:
            return None
        return self._roots.setdefault(key_id, secrets.token_bytes(KEY_BYTES))


def _bound(key_id: str, created_ms: int) -> bytes:
    """What a wrapped root is bound to: it cannot be renamed, nor made to look younger."""
    return f"{key_id}|{created_ms}".encode()


def _fingerprint(root: bytes) -> str:
    return hashlib.sha256(domain_key(root, "fingerprint")).hexdigest()[:8]
