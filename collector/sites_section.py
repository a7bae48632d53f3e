"""The sections of the configuration that say what is collected for whom: sites and destinations."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from consent.model import Purpose, Recipient, Regime
from consent.policy import DEFAULT_MAX_AGE_DAYS, ConsentSource

LABEL = r"^[\w.\-]{1,64}$"
"""A version of a notice or of a banner, or a language: what receipts keep as it was said."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:([0-9]{1,5}|\{(console_|sandbox_)?port\}))?")


class Section(BaseModel):
    """What all sections have in common: frozen, and an unknown name is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class NoticeSettings(Section):
    """One version of the notice visitors were shown."""

    version: str = Field(description="The notice_version that statements carry.", pattern=LABEL)
    recipients: list[Recipient] = Field(description="Recipients this version named.")


class SiteSettings(Section):
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
    platform_days: int | None = Field(
        default=None, ge=1, description="How long your consent platform keeps a choice, in days; `check` compares."
    )
    grants: list[Literal["tcf", "consent_mode"]] = Field(
        default=["tcf"], description="A consent platform's signals that may grant; all of them may deny."
    )
    requires: list[Literal["tcf", "consent_mode", "gpp"]] = Field(
        default=[], description="Signals that every statement must have; without one of them nothing is granted."
    )
    tcf_analytics: bool = Field(
        default=False, description="analytics_storage needs TCF purposes 1, 8 and 9 beside the site's own choice."
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


class _Destination(Section):
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
