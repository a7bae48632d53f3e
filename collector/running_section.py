"""The sections of the configuration that say how it runs: store, keys, retention, decisions, limits, addresses."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from collector.sites_section import Section

_STORES = ("redis://", "rediss://", "unix://")


class StoreSettings(Section):
    """`[store]`: the Redis or Valkey that holds the streams."""

    url: str = Field(default="", description="redis://, rediss:// or unix://; empty = embedded under {var}.")
    mode: Literal["fsync"] = Field(default="fsync", description="A 2xx follows the fsynced write.")
    timeout_s: float = Field(default=2.0, gt=0, description="A write without an answer by then is unknown: 503.")
    queue_events: int = Field(default=20_000, ge=1, description="Events waiting for a commit before 503.")
    flush_events: int = Field(default=256, ge=1, le=1000, description="Events in one commit at most.")

    @field_validator("url")
    @classmethod
    def _has_a_scheme(cls, value: str) -> str:
        if value and not value.startswith(_STORES):
            raise ValueError(f"must begin with one of {', '.join(_STORES)}; leave it empty for the embedded store")
        return value


class KeysSettings(Section):
    """`[keys]`: wrapped random roots, apart from the data."""

    dir: Path = Field(default=Path("{var}/keys"), description="Directory of wrapped roots, mode 0700.")
    master: SecretStr | None = Field(default=None, description="Master key, 32 bytes in base64 (environment).")
    master_file: Path = Field(default=Path("{var}/secrets/master"), description="File with the master, mode 0600.")


class RetentionSettings(Section):
    """`[retention]`: end dates that the janitor enforces."""

    dead_letter_days: int = Field(default=7, ge=1, le=30, description="Dead letters are deleted after this.")
    dedupe_hours: int = Field(default=6, ge=1, le=72, description="Window in which an event id counts once.")
    day_key_days: int = Field(default=9, ge=8, le=40, description="Day keys are destroyed after this.")
    receipt_days: int = Field(default=1095, ge=395, description="Consent receipts are deleted after this.")


class DecisionsSettings(Section):
    """`[decisions]`: records of why each event was sent, or not; `sluis consent why` reads them."""

    level: Literal["refusals", "all", "sample", "off"] = Field(
        default="refusals",
        description="refusals: what was not sent. all: what was, too. sample: refusals and some of what was.",
    )
    sample_per_mille: int = Field(
        default=10, ge=1, le=1000, description="With sample: of a thousand permitted events, how many are kept."
    )
    refused_days: int = Field(
        default=30, ge=1, le=30, description="Records of what was not sent are deleted after this."
    )
    kept_days: int = Field(default=90, ge=1, le=90, description="Records of what was permitted are deleted after this.")

    @property
    def permitted_per_mille(self) -> int:
        """Of a thousand permitted events, how many are kept."""
        return {"all": 1000, "sample": self.sample_per_mille}.get(self.level, 0)


class LimitsSettings(Section):
    """`[limits]`: what one request may be."""

    body_bytes: int = Field(default=262_144, ge=1024, description="Largest request body.")
    batch_events: int = Field(default=200, ge=1, le=1000, description="Most events in one request.")


class ListenSettings(Section):
    """`[listen]`: addresses of the processes."""

    host: str = Field(default="127.0.0.1", description="Address of the public collector.")
    port: int = Field(default=8080, ge=1, le=65535, description="Port of the public collector.")
    console_host: str = Field(
        default="127.0.0.1",
        description="Address of the console. It asks nobody who they are; it answers to this and to loopback names.",
    )
    console_port: int = Field(default=8081, ge=1, le=65535, description="Port of the console.")
    sandbox_port: int = Field(default=8082, ge=1, le=65535, description="Sandbox, loopback only.")
    region_header: str = Field(
        default="",
        description="Header in which a trusted proxy says where a visitor is (ISO 3166); it may only tighten.",
    )
    region_file: Path | None = Field(
        default=None,
        description="Address file in MaxMind's format; addresses are looked up in memory and kept nowhere.",
    )
    trusted_proxies: int = Field(
        default=0, ge=0, le=8, description="Proxies in front: the address is that many from X-Forwarded-For's right."
    )
    demo: bool = Field(default=False, description="Serve the demo shop under /demo/ (set by `sluis up`).")
