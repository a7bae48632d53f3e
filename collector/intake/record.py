"""Record: what is left of an event for one destination, after consent, minimisation and pseudonymisation.

A record holds nothing its destination may not have. It is serialised with a schema version and travels
sealed (store/sealing.py); `deliver` never sees anything else of an event.
"""

from typing import Any

import msgspec

from consent.model import Regime

SCHEMA = 1


class UnreadableRecord(Exception):
    """The bytes are not a record of a schema this version reads. The message says which."""


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One event for one destination. Times are epoch milliseconds; absent text is empty."""

    schema: int = SCHEMA
    site: str
    destination: str
    kind: str
    recipient: str
    event_id: str
    name: str
    occurred_ms: int
    received_ms: int
    granted: list[str]
    """Purposes granted to the recipient when the event was admitted, sorted."""
    regime: Regime = Regime.OPT_IN
    policy_hash: str
    subjects: list[bytes] = msgspec.field(default_factory=list)
    """Ledger references (keyed digests) of every identifier the event carried."""
    client_id: str = ""
    """For GA4: the original id in companion mode, a pseudonym in keyed mode."""
    user_id: str = ""
    external_id: str = ""
    """Pseudonym for Meta in that destination's own domain."""
    session_id: str = ""
    engagement_ms: int = 0
    page_url: str = ""
    page_referrer: str = ""
    page_title: str = ""
    language: str = ""
    country: str = ""
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    match_keys: dict[str, Any] = msgspec.field(default_factory=dict)
    """Hashed contact data in the recipient's own recipe and shape (intake/match_keys.py): a disclosure."""
    device: dict[str, str] = msgspec.field(default_factory=dict)
    """Coarse device in GA4's shape (intake/device.py)."""
    user_agent: str = ""
    """Full string, only where the vendor requires it (Meta, website events)."""
    fbp: str = ""
    fbc: str = ""

    def another(self) -> "Record":
        """A copy that may be changed; lists and dicts are shared."""
        copy: Record = self.__copy__()  # type: ignore[attr-defined]  # every Struct has it
        return copy

    def __repr__(self) -> str:
        return f"Record({self.destination!r}, <redacted>)"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)
to_bytes = _encoder.encode


def from_bytes(data: bytes) -> Record:
    """Read a record back; raises UnreadableRecord for anything else, a newer schema included."""
    try:
        record = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise UnreadableRecord(f"not a record: {error}") from error
    if record.schema != SCHEMA:
        raise UnreadableRecord(f"record schema {record.schema}, this version reads {SCHEMA}")
    return record
