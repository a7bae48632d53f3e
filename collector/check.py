"""`sluis check`: is the configuration usable, and does anything break a promise?  Sentences that say what to do."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from collector.configuration import Ga4Settings, MetaSettings, Settings
from collector.settings import SettingsError
from collector.store.buffer import StoreUnavailable
from collector.store.connection import connect_readers, verify
from collector.store.keyring import KeyRing, KeyRingError, Master
from collector.web.sites import Sites

LOOPBACK: Final = ("http://127.0.0.1", "http://localhost", "http://[::1]")


def problems(settings: Settings, file: Path) -> Iterator[str]:
    """What must be mended before this configuration may serve; empty if nothing."""
    yield from _open_secrets(settings, file)
    try:
        sites = Sites(settings).all
    except SettingsError as error:
        yield str(error)
        return
    for site in sites:
        if not site.targets:
            yield f"Site {site.id!r} has no destination: nothing would ever be accepted."
        for target in site.targets:
            if not target.required:
                yield f"Destination {target.name!r} requires no purpose; a destination without purposes does not start."
            if site.for_children and target.advertises:
                yield (
                    f'Site {site.id!r} has audience = "children", so destination {target.name!r} would never get '
                    "anything. List the site's destinations without it."
                )
    try:
        KeyRing.open(settings.keys.dir, Master.load(settings.keys))
    except KeyRingError as error:
        yield str(error)


def remarks(settings: Settings) -> Iterator[str]:
    """What works as configured and still deserves to be known."""
    yield from settings.missing_secrets()
    yield from _ages(settings)
    for name, said in settings.destination.items():
        if isinstance(said, Ga4Settings) and said.identity == "keyed":
            yield (
                f'{name}: identity = "keyed" sends a pseudonymous client id, so Google Ads conversions and audiences '
                "will not join with gtag's."
            )
        if isinstance(said, Ga4Settings) and said.identity == "companion":
            yield (
                f'{name}: identity = "companion" sends gtag\'s own client id; GA4 de-duplicates purchases only, so '
                "do not send other events both ways."
            )
        if isinstance(said, MetaSettings) and not said.browser_pixel:
            yield f"{name}: browser_pixel = false, so a pseudonymous external_id is sent."
        endpoint = getattr(said, "endpoint", "")
        if endpoint.startswith(LOOPBACK):
            yield f"{name}: sends to this machine ({endpoint}), not to the vendor."


def _ages(settings: Settings) -> Iterator[str]:
    """Where a consent platform and this configuration disagree on how old a choice may be."""
    for site in settings.site:
        kept, allowed = site.platform_days, site.choice_max_age_days
        if kept is not None and kept > allowed:
            yield (
                f"Site {site.id!r}: the consent platform keeps a choice for {kept} days, Sluis takes it for {allowed}: "
                f"in between, events are refused as expired_choice and nobody is asked. Set the platform to {allowed} "
                "days, or have the page ask on `sluis:ask`."
            )
        elif kept is not None and kept < allowed:
            yield (
                f"Site {site.id!r}: the consent platform asks again after {kept} days, Sluis would take a choice for "
                f"{allowed}: set choice_max_age_days = {kept} so that both say the same."
            )


async def store_problems(settings: Settings) -> list[str]:
    """What the server's own settings would break; one sentence if it does not answer."""
    client = connect_readers(settings.store_url, settings.store.timeout_s, 1)
    try:
        return await verify(client)
    except StoreUnavailable as error:
        return [f"The store does not answer: {str(error).rstrip('.')}."]
    finally:
        await client.aclose()


def tradeoffs(settings: Settings) -> list[dict[str, Any]]:
    """Each switch with what it gains for marketing beside what it discloses."""
    rows: list[dict[str, Any]] = []
    for name, said in settings.destination.items():
        if isinstance(said, Ga4Settings):
            rows.append(
                {
                    "setting": f"destination.{name}.identity",
                    "value": said.identity,
                    "gain": "companion: attribution, audiences and Ads conversions join with gtag's sessions",
                    "discloses": "companion: Google gets the browser's own client id, stable for up to two years",
                }
            )
        if isinstance(said, MetaSettings):
            rows.append(
                {
                    "setting": f"destination.{name}.measurement_only",
                    "value": said.measurement_only,
                    "gain": "true: events without ad_personalization are measured too, marked opt_out",
                    "discloses": "true: Meta gets events of visitors who declined personalised advertising",
                }
            )
            rows.append(
                {
                    "setting": f"destination.{name}.browser_pixel",
                    "value": said.browser_pixel,
                    "gain": "true: the pixel's own identifiers match better; false: our external_id de-duplicates",
                    "discloses": "true: the browser talks to Meta directly, with its IP address",
                }
            )
    return rows


def _open_secrets(settings: Settings, file: Path) -> Iterator[str]:
    holds_secret = any(isinstance(said, Ga4Settings | MetaSettings) for said in settings.destination.values())
    if holds_secret and file.exists():
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            yield f"{file} may hold secrets and has mode {mode:03o}: others can read it. Run: chmod 600 {file}"
