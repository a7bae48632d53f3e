"""The one frozen model of the configuration. Each field says what it is for; the docs are made from it.

A relative path is relative to the folder of the file. `{var}`, `{port}`, `{console_port}` and `{sandbox_port}`
in an origin, an endpoint or a path stand for the values of this configuration, so that ports are said once.
"""

import hashlib
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from collector.running_section import (
    DecisionsSettings,
    KeysSettings,
    LimitsSettings,
    ListenSettings,
    RetentionSettings,
    StoreSettings,
)
from collector.sites_section import (
    LABEL,
    DestinationSettings,
    Ga4Settings,
    MetaSettings,
    NoticeSettings,
    Section,
    SiteSettings,
    StdoutSettings,
)
from consent.kinds import KINDS, required_purposes
from consent.model import Purposes, Recipient

__all__ = [
    "LABEL",
    "DecisionsSettings",
    "DestinationSettings",
    "Ga4Settings",
    "KeysSettings",
    "LimitsSettings",
    "ListenSettings",
    "MetaSettings",
    "NoticeSettings",
    "RetentionSettings",
    "Settings",
    "SiteSettings",
    "StdoutSettings",
    "StoreSettings",
]

SECRETS = ("api_secret", "access_token")  # of destinations
MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


class Settings(Section):
    """Everything an operator can say. `file` is where it was read from."""

    var: Path = Field(default=Path("var"), description="Folder of everything Sluis writes.")
    site: list[SiteSettings] = Field(min_length=1)
    destination: dict[str, DestinationSettings] = Field(default={})
    store: StoreSettings = StoreSettings()
    keys: KeysSettings = KeysSettings()
    retention: RetentionSettings = RetentionSettings()
    decisions: DecisionsSettings = DecisionsSettings()
    limits: LimitsSettings = LimitsSettings()
    listen: ListenSettings = ListenSettings()

    @field_validator("destination")
    @classmethod
    def _names(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
                raise ValueError(f"destination name {name!r} may hold letters, digits, - and _ only")
        return value

    @model_validator(mode="after")
    def _recipients_are_their_own(self) -> "Settings":
        for name, said in self.destination.items():
            others = {row.recipient for kind, row in KINDS.items() if kind != said.kind}
            if said.recipient in others:
                raise ValueError(
                    f"destination {name!r} has recipient {said.recipient!r}, which is somebody else: who accepts "
                    f"{said.recipient} would open it. Choose another name, or leave recipient out"
                )
        return self

    @model_validator(mode="after")
    def _sites_are_told_apart(self) -> "Settings":
        ids: set[str] = set()
        hosts: dict[str, str] = {}
        for site in self.site:
            if site.id in ids:
                raise ValueError(f"site {site.id!r} is configured twice: give each site an id of its own")
            ids.add(site.id)
            for host in sorted(site.host_names):
                if host in hosts:
                    raise ValueError(
                        f"{host!r} is a host of site {hosts[host]!r} and of site {site.id!r}: leave it to one"
                    )
                hosts[host] = site.id
        return self

    @model_validator(mode="after")
    def _sites_know_their_destinations(self) -> "Settings":
        for site in self.site:
            for name in site.destinations or []:
                if name not in self.destination:
                    raise ValueError(f"site {site.id!r} names destination {name!r}, which is not configured")
        return self

    def recipient_of(self, name: str) -> Recipient:
        """The recipient of a configured destination."""
        configured = self.destination[name]
        return configured.recipient or KINDS[configured.kind].recipient

    def required_of(self, name: str) -> Purposes:
        """The purposes a configured destination needs: its kind's floor plus what is configured."""
        said = self.destination[name]
        measurement_only = said.kind == "meta_capi" and said.measurement_only
        return required_purposes(said.kind, extra=frozenset(said.purposes), measurement_only=measurement_only)

    def missing_secrets(self) -> list[str]:
        """A sentence per destination that could not be told anything, for whoever delivers."""
        return [
            f"Destination {name!r} has no {field}: `deliver` needs it, as SLUIS_DESTINATION__{name.upper()}__"
            f"{field.upper()} in its environment or as a file of that name in its secrets folder."
            for name, said in self.destination.items()
            for field in SECRETS
            if field in type(said).model_fields and getattr(said, field) is None
        ]

    @property
    def store_url(self) -> str:
        """The configured server, or the socket of the embedded one (shortened if the path is too long)."""
        if self.store.url:
            return self.store.url
        socket = self.var / "valkey" / "valkey.sock"
        if len(str(socket)) > MAX_SOCKET_PATH:
            digest = hashlib.sha256(str(self.var).encode()).hexdigest()[:16]
            socket = Path("/tmp") / f"sluis-{digest}" / "valkey.sock"  # noqa: S108 -- made 0700 by `up`
        return f"unix://{socket}"

    @property
    def policy_hash(self) -> str:
        """Identifies sites and destinations, without their secrets: a process that has them shares it with the rest."""
        secrets: Any = {"site": {"__all__": {"server_key"}}, "destination": {"__all__": set(SECRETS)}}
        said = self.model_dump_json(include={"site", "destination"}, exclude=secrets)
        return hashlib.sha256(said.encode()).hexdigest()[:16]
