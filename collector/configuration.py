"""The one frozen model of the configuration. Each field says what it is for; the docs are made from it.

A relative path is relative to the folder of the file. `{var}`, `{port}`, `{console_port}` and `{sandbox_port}`
in an origin, an endpoint or a path stand for the values of this configuration, so that ports are said once.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from consent.kinds import KINDS, required_purposes
from consent.model import Purpose, Purposes, Recipient, Regime
from consent.policy import DEFAULT_MAX_AGE_DAYS, ConsentSource

SECRETS = ("api_secret", "access_token")  # of destinations
MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
LABEL = r"^[\w.\-]{1,64}$"
"""A version of a notice or of a banner, or a language: what receipts keep as it was said."""
_STORES = ("redis://", "rediss://", "unix://")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:([0-9]{1,5}|\{(console_|sandbox_)?port\}))?")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class NoticeSettings(_Section):
    """One version of the notice visitors were shown."""

    version: str = Field(description="The notice_version that statements carry.", pattern=LABEL)
    recipients: list[Recipient] = Field(description="Recipients this version named.")


class SiteSettings(_Section):
    """`[[site]]`: one website whose pages may post events."""

    id: str = Field(description="Short name, part of every balance line.", pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    origins: list[str] = Field(
        description="Origins whose pages may post, as a browser writes them: https://shop.example."
    )
    hosts: list[str] = Field(
        default=[],
        description="Host names of the collector that belong to this site, beside its origins' own.",
    )
    establishment: str = Field(
        description="Country (ISO alpha-2) where the controller is established. EEA, UK, CH: opt-in for everyone."
    )
    consent_source: ConsentSource = Field(
        description='"page": event fields carry the visitor\'s act. "recorded": only POST /v1/consent grants.'
    )
    audience: Literal["general", "mixed", "children"] = Field(
        description="Whom the site addresses. Sites for children get no advertising destinations."
    )
    elsewhere: Regime = Field(
        default=Regime.OPT_IN,
        description="Regime for visitors outside the EEA, UK and CH, if the establishment is outside too.",
    )
    choice_max_age_days: int = Field(
        default=DEFAULT_MAX_AGE_DAYS, description="How old a choice may be, in days (395 at most)."
    )
    default_country: str | None = Field(
        default=None,
        description="Country (ISO alpha-2) for phone numbers without a country.",
        pattern="^[A-Z]{2}$",
    )
    destinations: list[str] | None = Field(default=None, description="Destinations of this site; all if absent.")
    server_key: SecretStr | None = Field(
        default=None, description="Lets a server post for this site by name, as Authorization: Bearer KEY."
    )
    notice: list[NoticeSettings] = Field(default=[], description="Notice versions and the recipients they named.")

    @field_validator("origins")
    @classmethod
    def _as_browsers_write_them(cls, value: list[str]) -> list[str]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is never an Origin; write scheme://host or scheme://host:port, in lower case and "
                    'with nothing after it, such as "https://shop.example"'
                )
        return value

    @property
    def host_names(self) -> set[str]:
        """What the `Host` of its requests may be: `hosts`, and its origins' own."""
        return {host.lower() for host in self.hosts} | {urlsplit(origin).netloc for origin in self.origins}


class _Destination(_Section):
    recipient: Recipient | None = Field(default=None, description="Another name for the recipient of this kind.")
    purposes: list[Purpose] = Field(default=[], description="Purposes required in addition to the kind's floor.")
    concurrency: int = Field(default=16, ge=1, le=256, description="Requests in flight at once.")


class Ga4Settings(_Destination):
    """`kind = "ga4"`: GA4 Measurement Protocol, one web data stream."""

    kind: Literal["ga4"]
    measurement_id: str = Field(description="G-XXXXXXX of the web stream.", pattern=r"^G-[A-Z0-9]+$")
    api_secret: SecretStr | None = Field(
        default=None, description="Measurement Protocol API secret of the stream; only `deliver` needs it."
    )
    identity: Literal["companion", "keyed"] = Field(
        description='"companion": gtag runs too, its own client id is sent. "keyed": a pseudonym is sent.'
    )
    endpoint: str = Field(
        default="https://region1.google-analytics.com/mp/collect",
        description="Where events go. region1 is the EU collection endpoint.",
    )


class MetaSettings(_Destination):
    """`kind = "meta_capi"`: Meta Conversions API, one dataset."""

    kind: Literal["meta_capi"]
    dataset_id: str = Field(description="Dataset (pixel) id.", pattern=r"^[0-9]+$")
    access_token: SecretStr | None = Field(
        default=None, description="Conversions API token; sent as a header only. Only `deliver` needs it."
    )
    graph_version: str = Field(default="v26.0", description="Graph API version.", pattern=r"^v\d+\.\d+$")
    endpoint: str = Field(default="https://graph.facebook.com", description="Graph API host.")
    measurement_only: bool = Field(default=False, description="Also send without ad_personalization, marked opt_out.")
    browser_pixel: bool = Field(default=False, description="A Meta pixel runs on the page: leave external_id to it.")
    test_event_code: str | None = Field(default=None, description="Shows events in Meta's test view; they count.")


class StdoutSettings(_Destination):
    """`kind = "stdout"`: prints each record as a JSON line; the proof that the seam is right."""

    kind: Literal["stdout"]


DestinationSettings = Annotated[Ga4Settings | MetaSettings | StdoutSettings, Field(discriminator="kind")]


class StoreSettings(_Section):
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


class KeysSettings(_Section):
    """`[keys]`: wrapped random roots, apart from the data."""

    dir: Path = Field(default=Path("{var}/keys"), description="Directory of wrapped roots, mode 0700.")
    master: SecretStr | None = Field(default=None, description="Master key, 32 bytes in base64 (environment).")
    master_file: Path = Field(default=Path("{var}/secrets/master"), description="File with the master, mode 0600.")


class RetentionSettings(_Section):
    """`[retention]`: end dates that the janitor enforces."""

    dead_letter_days: int = Field(default=7, ge=1, le=30, description="Dead letters are deleted after this.")
    dedupe_hours: int = Field(default=6, ge=1, le=72, description="Window in which an event id counts once.")
    day_key_days: int = Field(default=9, ge=8, le=40, description="Day keys are destroyed after this.")
    receipt_days: int = Field(default=1095, ge=395, description="Consent receipts are deleted after this.")


class LimitsSettings(_Section):
    """`[limits]`: what one request may be."""

    body_bytes: int = Field(default=262_144, ge=1024, description="Largest request body.")
    batch_events: int = Field(default=200, ge=1, le=1000, description="Most events in one request.")


class ListenSettings(_Section):
    """`[listen]`: addresses of the processes."""

    host: str = Field(default="127.0.0.1", description="Address of the public collector.")
    port: int = Field(default=8080, ge=1, le=65535, description="Port of the public collector.")
    console_host: str = Field(
        default="127.0.0.1",
        description="Address of the console. It asks nobody who they are; it answers to this and to loopback names.",
    )
    console_port: int = Field(default=8081, ge=1, le=65535, description="Port of the console.")
    sandbox_port: int = Field(default=8082, ge=1, le=65535, description="Sandbox, loopback only.")
    demo: bool = Field(default=False, description="Serve the demo shop under /demo/ (set by `sluis up`).")


class Settings(_Section):
    """Everything an operator can say. `file` is where it was read from."""

    var: Path = Field(default=Path("var"), description="Folder of everything Sluis writes.")
    site: list[SiteSettings] = Field(min_length=1)
    destination: dict[str, DestinationSettings] = Field(default={})
    store: StoreSettings = StoreSettings()
    keys: KeysSettings = KeysSettings()
    retention: RetentionSettings = RetentionSettings()
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
