"""Facts: what the request says besides its body. Made by web/ingest.py, seen by intake and consent only."""

import msgspec


class Facts(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """Header values as text, empty if absent. `received_ms` is our clock, epoch milliseconds."""

    received_ms: int
    user_agent: str = ""
    language: str = ""
    referer: str = ""
    origin: str = ""
    sec_gpc: str | None = None
    sec_purpose: str = ""
    regions: tuple[str, ...] = ()
    """Where proxy and address file place the visitor, worked out from an address that goes no further."""

    def __repr__(self) -> str:
        return "Facts(<redacted>)"
