"""The master key: wraps every root, is never stored beside them, and alone reads nothing that was destroyed."""

import base64
import binascii
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from collector.configuration import KeysSettings

KEY_BYTES = 32


class KeyRingError(Exception):
    """The keys cannot be used. The message is a sentence that says what to do."""


@dataclass(frozen=True, slots=True, repr=False)
class Master:
    """32 random bytes. Never printed."""

    key: bytes

    @classmethod
    def load(cls, settings: KeysSettings) -> "Master":
        """From `keys.master` (environment) or the file `keys.master_file`; raises KeyRingError."""
        if settings.master is not None:
            return cls(_decoded(settings.master.get_secret_value(), "keys.master"))
        file = settings.master_file
        try:
            refuse_others(file, 0o600)
            text = file.read_text(encoding="ascii")
        except FileNotFoundError:
            raise KeyRingError(
                f"There is no master key at {file}. `sluis up` makes one; for other set-ups put 32 random bytes "
                "in base64 there (mode 600) or into SLUIS_KEYS__MASTER."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyRingError(f"The master key {file} cannot be read: {error}.") from error
        return cls(_decoded(text, str(file)))

    @classmethod
    def create(cls, file: Path) -> "Master":
        """Make a new master in `file` (mode 600); raises FileExistsError: a master is never replaced."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        master = cls(secrets.token_bytes(KEY_BYTES))
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(base64.b64encode(master.key) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        sync_directory(file.parent)
        return master

    def __repr__(self) -> str:
        return "Master(<redacted>)"


def refuse_others(path: Path, mode: int) -> None:
    """Raise KeyRingError if anybody but the owner may use `path`; FileNotFoundError if it is not there."""
    found = stat.S_IMODE(path.stat().st_mode)
    if found & 0o077:
        raise KeyRingError(
            f"{path} holds secrets and has mode {found:03o}: others may use it. Run: chmod {mode:o} {path}"
        )


def sync_directory(directory: Path) -> None:
    """Make names created or removed in a directory durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyRingError(f"The master key in {where} must be {KEY_BYTES} bytes in base64.")
    return key
