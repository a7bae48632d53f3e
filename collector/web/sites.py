"""Which site a request belongs to, decided from `Origin`, else `Host`; and its CORS answer.

An Origin that no site allows is refused even if the Host would do: the browser says where the page is from. A server
may post to any site's host and name another site in its body, which it proves with that site's key.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from collector.configuration import Settings, SiteSettings
from collector.intake.site import Identity, Site, Target
from collector.settings import SettingsError
from consent.kinds import KINDS
from consent.model import Recipient, Source
from consent.policy import Notice, SitePolicy

PREFLIGHT_SECONDS: Final = 7200  # the longest Chromium honours
RawHeaders = tuple[tuple[bytes, bytes], ...]


class NotAllowed(Exception):
    """No site takes this request. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, eq=False)  # one object per origin and host
class Found:
    """The site of a request, the origin its pages have, and the CORS headers to answer with."""

    site: Site
    origin: str
    cors: RawHeaders


class Sites:
    """All sites, by origin and by host. Raises SettingsError if a site's consent policy breaks a rule.

    `since` says per site when each recipient was first configured (store/recipients.py); from the beginning if absent.
    """

    def __init__(self, settings: Settings, since: Mapping[str, Mapping[Recipient, int]] | None = None) -> None:
        self._by_origin: dict[bytes, Found] = {}
        self._by_host: dict[bytes, Found] = {}
        self._by_key: dict[str, tuple[bytes, Found]] = {}
        self.all: list[Site] = [
            _site(settings, index, (since or {}).get(said.id, {})) for index, said in enumerate(settings.site)
        ]
        for site, said in zip(self.all, settings.site, strict=True):
            for origin in said.origins:
                self._by_origin[origin.encode()] = Found(site, origin, _cors(origin))
            first = Found(site, said.origins[0] if said.origins else "", ())
            self._by_host.update({host.encode(): first for host in said.host_names})
            if said.server_key is not None:
                self._by_key[said.id] = (said.server_key.get_secret_value().encode(), first)

    def find(self, origin: bytes | None, host: bytes | None) -> Found:
        """The site of a browser's request; raises NotAllowed."""
        if origin is not None:
            found = self._by_origin.get(origin)
            if found is None:
                raise NotAllowed("origin_not_allowed", "No site takes events from pages of this origin.")
            return found
        found = self._by_host.get((host or b"").lower())
        if found is None:
            raise NotAllowed("unknown_site", "There is no Origin header and no site has this host name.")
        return found

    def named(self, site: Any, authorization: bytes | None) -> Found:
        """The site a server names in its body, proven by its key; raises NotAllowed."""
        key, found = self._by_key.get(site, (b"", None)) if isinstance(site, str) else (b"", None)
        given = (authorization or b"").removeprefix(b"Bearer ")
        if found is None or not key or not hmac.compare_digest(key, given):
            raise NotAllowed("site_not_allowed", "Naming a site needs that site's server_key as a Bearer token.")
        return found


def _cors(origin: str) -> RawHeaders:
    return (
        (b"access-control-allow-origin", origin.encode()),
        (b"access-control-expose-headers", b"retry-after, sluis-durability"),
        (b"vary", b"Origin"),
    )


def preflight(found: Found) -> RawHeaders:
    """Headers of a preflight's answer."""
    return (
        *found.cors,
        (b"access-control-allow-methods", b"GET, POST, DELETE"),
        (b"access-control-allow-headers", b"content-type, authorization"),
        (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
    )


def _site(settings: Settings, index: int, since: Mapping[Recipient, int]) -> Site:
    said = settings.site[index]
    names = settings.destination if said.destinations is None else said.destinations
    targets = tuple(_target(settings, name) for name in names)
    return Site(
        id=said.id,
        policy=_policy(said, targets, settings.policy_hash, since),
        targets=targets,
        default_country=said.default_country,
        for_children=said.audience == "children",
    )


def _policy(
    said: SiteSettings, targets: tuple[Target, ...], policy_hash: str, since: Mapping[Recipient, int]
) -> SitePolicy:
    try:
        return SitePolicy(
            site=said.id,
            establishment=said.establishment,
            consent_source=said.consent_source,
            recipients=frozenset(target.recipient for target in targets),
            elsewhere=said.elsewhere,
            choice_max_age_days=said.choice_max_age_days,
            since=since if any(since.values()) else {},
            grants=frozenset(Source(name) for name in said.grants),
            requires=frozenset(Source(name) for name in said.requires),
            tcf_analytics=said.tcf_analytics,
            notices=tuple(Notice(version=one.version, recipients=frozenset(one.recipients)) for one in said.notice),
            policy_hash=policy_hash,
        )
    except ValueError as error:
        raise SettingsError(f"{error}.") from None


def _target(settings: Settings, name: str) -> Target:
    said = settings.destination[name]
    return Target(
        name=name,
        kind=said.kind,
        row=KINDS[said.kind],
        recipient=settings.recipient_of(name),
        required=settings.required_of(name),
        max_age_ms=KINDS[said.kind].max_age_ms,
        identity=Identity(said.identity) if said.kind == "ga4" else Identity.KEYED,
        sends_external_id=said.kind == "meta_capi" and not said.browser_pixel,
    )
