"""Whom `sluis consent show` and `withdraw` are about: identifiers, the sites, and the references the ledger knows.

Rules
1. Identifiers are read as `DELETE /v1/consent` reads them, and made into the same references.
2. They are never printed, logged or stored. Arguments can be seen in the list of processes, so `-` takes them from
   stdin; one place or the other, so that none is passed over in silence.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec
import typer

from collector.configuration import Settings
from collector.intake.domains import DomainKeys, KeyMissing
from collector.intake.event import Identifier, NotJson, Whole, read_json
from collector.intake.site import Site
from collector.intake.visit import reference
from collector.options import stop
from collector.store.keyring import KeyRing, KeyRingError, Master
from collector.web.sites import Sites

Source = Annotated[
    str | None, typer.Argument(metavar="-", help='Read the identifiers from stdin, as {"client_id": "..."}.')
]
ChoiceId = Annotated[str | None, typer.Option(help="The choice_id that statements carried.")]
ClientId = Annotated[str | None, typer.Option(help="The client_id that events carried.")]
UserId = Annotated[str | None, typer.Option(help="The user_id that events carried.")]
SiteId = Annotated[str | None, typer.Option("--site", help="Which site; every configured one if absent.")]
_STDIN: Final = "-"


class Identifiers(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """At least one of the three, within the bounds of the public interface."""

    choice_id: Identifier | None = None
    client_id: Identifier | None = None
    user_id: Identifier | Whole | None = None

    def __repr__(self) -> str:
        return "Identifiers(<redacted>)"

    def references(self, keys: DomainKeys, site: Site) -> dict[str, bytes]:
        """By field, the reference at one site. Raises KeyMissing."""
        key = keys.subject(site.id)
        stated = ((field, getattr(self, field)) for field in self.__struct_fields__)
        return {
            field: reference(key, field.removesuffix("_id"), str(value)) for field, value in stated if value is not None
        }


def identifiers(source: str | None, **options: str | None) -> Identifiers:
    """The identifiers from stdin or from options; stops with a sentence if there are none, or not in their form."""
    given = {field: value for field, value in options.items() if value is not None}
    if source not in (None, _STDIN):
        stop("Identifiers are options, or - for stdin.")
    if source is not None and given:
        stop("Give all identifiers as options, or all on stdin.")
    try:
        found = msgspec.convert(given if source is None else _from_stdin(), Identifiers)
        "".join(given.values()).encode()
    except msgspec.ValidationError as fault:
        stop(f"The identifiers cannot be used: {fault}.")
    except UnicodeEncodeError:
        stop("The identifiers cannot be used: they are not UTF-8.")
    if found == Identifiers():
        stop("Name at least one of --choice-id, --client-id and --user-id, or give them on stdin with -.")
    return found


def references(settings: Settings, about: Identifiers, sites: Iterable[Site]) -> dict[str, dict[str, bytes]]:
    """By site and field the references; stops with a sentence if the keys cannot be used."""
    try:
        keys = DomainKeys(KeyRing.open(settings.keys.dir, Master.load(settings.keys)))
        return {site.id: about.references(keys, site) for site in sites}
    except KeyRingError as error:
        stop(str(error))
    except KeyMissing:
        stop(f"There is no subject key in {settings.keys.dir}: the janitor makes it, and nothing is recorded without.")


def sites_named(settings: Settings, wanted: str | None) -> list[Site]:
    """One site by its id, or all; stops with a sentence if there is no such site."""
    every = Sites(settings).all
    found = [site for site in every if wanted in (None, site.id)]
    if not found:
        stop(f"There is no site {wanted!r}. Configured: {', '.join(site.id for site in every)}.")
    return found


def _from_stdin() -> Mapping[str, Any]:
    try:
        body = read_json(sys.stdin.buffer.read())
    except NotJson:
        stop("What stands on stdin is not JSON.")
    if not isinstance(body.json, dict) or body.holds_nul:
        stop("What stands on stdin must be one JSON object without NUL characters.")
    return body.json
