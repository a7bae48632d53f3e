"""Which kinds of destination exist, and the destinations a configuration asks for.

A kind of our own is one line in OWN; a kind of somebody else arrives as an entry point of group
`sluis.destinations` whose name is the kind and whose object is a factory(name, settings). A kind without a
row in consent/kinds.py, or whose row needs no purpose, does not start (promise 1): what a vendor needs of a
visitor is decided in code, beside the others, not by whoever installs a package.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from collector.configuration import Settings
from consent.kinds import KINDS, Kind
from forwarders.contract import Destination
from forwarders.destinations.ga4 import Ga4
from forwarders.destinations.meta_capi import MetaCapi
from forwarders.destinations.stdout import Stdout

GROUP = "sluis.destinations"

Factory = Callable[[str, Any], Destination]
"""factory(name, settings): the operator's name and the section `[destination.NAME]`."""

OWN: Mapping[str, Factory] = MappingProxyType(
    {
        "ga4": Ga4.from_settings,
        "meta_capi": MetaCapi.from_settings,
        "stdout": Stdout.from_settings,
    },
)


class RegistryError(Exception):
    """A destination cannot start. The message is a sentence that says what to do."""


def build(
    settings: Settings,
    *,
    found: Iterable[EntryPoint] | None = None,
    kinds: Mapping[str, Kind] = KINDS,
) -> dict[str, Destination]:
    """The configured destinations by name, in the order of the file; raises RegistryError.

    `found` are entry points of other packages; those installed if not given.
    """
    factories = _factories(entry_points(group=GROUP) if found is None else found, kinds)
    built: dict[str, Destination] = {}
    for name, configured in settings.destination.items():
        factory = factories.get(configured.kind)
        if factory is None:
            raise RegistryError(f"Destination {name!r}: no code is installed for kind {configured.kind!r}.")
        built[name] = factory(name, configured)
    return built


def _factories(found: Iterable[EntryPoint], kinds: Mapping[str, Kind]) -> dict[str, Factory]:
    factories = dict(OWN)
    for entry in found:
        if entry.name in factories:
            raise RegistryError(f"Kind {entry.name!r} exists already: {entry.value} needs another name.")
        _checked(entry.name, kinds)
        factories[entry.name] = entry.load()
    for kind in OWN:
        _checked(kind, kinds)
    return factories


def _checked(kind: str, kinds: Mapping[str, Kind]) -> None:
    row = kinds.get(kind)
    if row is None:
        raise RegistryError(f"Kind {kind!r} has no row in consent/kinds.py, so nobody has said what it needs; add one.")
    if not row.floor:
        raise RegistryError(f"Kind {kind!r} needs no purpose in consent/kinds.py; a destination needs one.")
