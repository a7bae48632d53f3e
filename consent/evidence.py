"""What a decision rests on: for each signal its version, its date and the string itself.

The string is here only to be digested under a key by whoever keeps the evidence; it is never kept or logged as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consent.model import Source
from consent.signals import additional_consent, gpp, tcf
from consent.signals.additional_consent import AdditionalConsent
from consent.signals.fields import text_of
from consent.signals.gpp import GppString
from consent.signals.site import read_moment
from consent.signals.tcf import TcString


@dataclass(frozen=True, slots=True)
class Evidence:
    """One signal as it was stated. `at_ms` is the date it states itself, epoch milliseconds."""

    signal: str
    version: str
    at_ms: int | None
    text: str

    def __repr__(self) -> str:
        return f"Evidence({self.signal!r}, {self.version!r}, <redacted>)"


def gather(said: Mapping[str, Any], sec_gpc: str | None) -> tuple[Evidence, ...]:
    """The evidence of a statement and of the request's Sec-GPC, in the order in which signals are explained."""
    return tuple(_gather(said, sec_gpc))


def _gather(said: Mapping[str, Any], sec_gpc: str | None) -> Iterator[Evidence]:
    if said:
        version = said.get("notice_version")
        yield Evidence(
            Source.SITE, "" if version is None else str(version)[:64], read_moment(said.get("decided_at")), ""
        )
    if (text := text_of(said.get("tc_string"))) is not None:
        yield _tcf(text)
    if (text := text_of(said.get("additional_consent"))) is not None:
        found = additional_consent.decode(text)
        version = str(found.version) if isinstance(found, AdditionalConsent) else "unreadable"
        yield Evidence("additional_consent", version, None, text)
    if (text := text_of(said.get("gpp_string"))) is not None:
        yield _gpp(text)
    for field in (Source.US_PRIVACY.value, "gcs", "gcd"):
        if (text := text_of(said.get(field))) is not None:
            yield Evidence(field, text[:2] if field == "gcs" else text[:1], None, text)
    if sec_gpc is not None or said.get("gpc") is not None:
        yield Evidence(Source.GPC, "", None, str(sec_gpc if sec_gpc is not None else said.get("gpc"))[:16])


def _tcf(text: str) -> Evidence:
    found = tcf.decode(text)
    if not isinstance(found, TcString):
        return Evidence(Source.TCF, "unreadable", None, text)
    return Evidence(Source.TCF, f"2, policy {found.tcf_policy_version}", found.last_updated_ms, text)


def _gpp(text: str) -> Evidence:
    found = gpp.decode(text)
    if not isinstance(found, GppString):
        return Evidence(Source.GPP, "unreadable", None, text)
    sections = ",".join(str(number) for number in found.section_ids)
    return Evidence(Source.GPP, f"1, sections {sections}", None, text)
