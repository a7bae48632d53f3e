"""What may be kept of a page address, of free text and of an event's properties.

1. URLs and referrers lose user-info, fragment and every query parameter that the destination's kind does not list
   (consent/kinds.py); so does a property whose value is a URL.
2. Path segments and texts that hold an e-mail address are masked: it was never ours to pass on.
3. A property, at any depth, that has the name of a contact field (CONTACT) or of a click id (CLICK_IDS) is dropped.
   Contact data belongs into `user`, where it is hashed; a click id needs consent of its own (EDPB Guidelines 2/2023).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

MASK: Final = "(redacted)"
_SCHEME: Final = re.compile("https?://", re.IGNORECASE)
_AT: Final = re.compile("@|%(?:25)*40")  # %2540 after one redirect too many
_WORD: Final = re.compile(r"[^\s<>\"'(),;:/?&=]+")
_FBCLID: Final = re.compile(r"[?&]fbclid=([\w-]{8,500})(?:[&#]|$)")
_FBC: Final = re.compile(r"fb\.\d{1,2}\.\d{10,13}\.[\w-]{1,500}(?:\.[\w-]{2,8})?")
_FBP: Final = re.compile(r"fb\.\d{1,2}\.\d{10,13}\.\d{1,20}(?:\.[\w-]{2,8})?")


CONTACT: Final = frozenset(
    "email e_mail mail email_address user_email customer_email billing_email shipping_email phone phone_number "
    "telephone telephone_number tel mobile mobile_phone mobile_number cell_phone fax sha256_email_address "
    "sha256_phone_number first_name given_name middle_name last_name family_name sur_name full_name user_name "
    "customer_name billing_name name_first name_last sha256_first_name sha256_last_name street street_address "
    "sha256_street address address_1 address_2 address_line_1 address_line_2 address_line1 address_line2 home_address "
    "billing_address shipping_address postal_address date_of_birth birth_date birth_day dob ip ip_address ip_override "
    "client_ip user_ip remote_addr passport_number national_id iban card_number credit_card user_data".split(),
)
CLICK_IDS: Final = frozenset(
    "gclid dclid gbraid wbraid gclsrc fbclid fbc fbp _fbc _fbp msclkid ttclid li_fat_id twclid yclid rdt_cid epik "
    "scclid sccid igshid irclickid mc_eid".split(),
)


def _spellings(name: str) -> Iterator[str]:
    """first_name, first-name, firstname, firstName, FirstName, FIRST_NAME."""
    camel = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    yield from (name, name.replace("_", "-"), name.replace("_", ""), camel[:1].lower() + camel[1:], camel, name.upper())


_DROPPED: Final = frozenset(spelling for name in CONTACT | CLICK_IDS for spelling in _spellings(name))

Address = tuple[str, str]
"""A URL without user-info and fragment: what stands before the query, and the raw query."""


def split(url: str | None) -> Address:
    """The two parts of an http(s) URL; both empty if it is none. E-mail-like path segments are masked."""
    if not url:
        return "", ""
    head, _, query = url.partition("#")[0].partition("?")
    if not head.startswith(("https://", "http://")) and not _SCHEME.match(head):
        return "", ""
    if "@" in head or "%" in head:
        scheme, _, rest = head.partition("://")
        authority, slash, path = rest.partition("/")
        path = "/".join(MASK if _AT.search(part) else part for part in path.split("/"))
        return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}", query
    return head, query


def first(*urls: str | None) -> Address:
    """The first of some URLs that is one of http(s), in two parts."""
    for url in urls:
        address = split(url)
        if address[0]:
            return address
    return "", ""


def joined(address: Address, keep: frozenset[str]) -> str:
    """The URL with only the query parameters in `keep`."""
    head, query = address
    if not query or not keep:
        return head
    parts = [part for part in query.split("&") if part.partition("=")[0] in keep]
    kept = "&".join(part for part in parts if not _AT.search(part))
    return f"{head}?{kept}" if kept else head


def text(value: str) -> str:
    """Free text with e-mail addresses masked."""
    return _WORD.sub(_masked, value) if "@" in value or "%40" in value else value


def _masked(found: re.Match[str]) -> str:
    """A word, or the mask if it is an address. By hand: one pattern for all of it takes cubic time on "%40%40..."."""
    word = found[0]
    _, _, domain = word.replace("%40", "@").lstrip("@").partition("@")
    return MASK if "." in domain.strip("@.") else word


def is_plain(properties: dict[str, Any]) -> bool:
    """Whether there is nothing to drop or to cut in an event's properties, at any depth: so it is with most events."""
    return _DROPPED.isdisjoint(properties) and _are_plain(properties.values())


def _are_plain(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind is str:
            if "://" in value:
                return False
        elif (kind is dict and not is_plain(value)) or (kind is list and not _are_plain(value)):
            return False
    return True


def properties(said: dict[str, Any], query: frozenset[str]) -> dict[str, Any]:
    """What a record may hold of an event's properties; URLs keep the parameters in `query`.

    Depth is bounded by the parser.
    """
    return {text(key): _kept(value, query) for key, value in said.items() if key not in _DROPPED}


def _kept(value: Any, query: frozenset[str]) -> Any:
    if isinstance(value, str):
        return (joined(split(value.strip()), query) if "://" in value else "") or text(value)
    if isinstance(value, dict):
        return properties(value, query)
    if isinstance(value, list):
        return [_kept(item, query) for item in value]
    return value


def click_cookie(fbc: str | None) -> str:
    """Meta's fbc cookie if it has the documented form, else empty."""
    return fbc if fbc and _FBC.fullmatch(fbc) else ""


def click_id(url: str, occurred_ms: int) -> str:
    """An fbc made from a landing URL's fbclid and the click's own time; empty without one.

    Meta, "fbp and fbc parameters": fb.<subdomain index>.<milliseconds>.<fbclid>; case matters.
    """
    found = _FBCLID.search(url) if "fbclid=" in url else None
    return f"fb.1.{occurred_ms}.{found.group(1)}" if found else ""


def browser_id(fbp: str | None) -> str:
    """Meta's fbp cookie if it has the documented form, else empty."""
    return fbp if fbp and _FBP.fullmatch(fbp) else ""
