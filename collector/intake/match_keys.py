"""Vendor match keys: normalise as the vendor does, hash, and let the raw value die here.

A match key is SHA-256 without a key, so that the vendor can compare it with its own list: a *disclosure* to
that vendor, never a pseudonym. Each vendor normalises in its own way (a "+" is part of Google's phone and not
of Meta's), so each has a table of normalisers, META and GA4, and a recipe, `meta` and `google`. The rules:

1. A field that is blank, malformed, or could mean two things is dropped. Nothing is guessed; the empty text
   is never hashed, and its well-known hash is refused when a page sends it.
2. A value that is a SHA-256 in hex already is passed on in lower case. Other hashes (MD5, SHA-1, a cut or
   lengthened SHA-256) are refused: hashed again they match nobody.
3. Nothing here is cached, logged or kept: no `lru_cache` may ever hold contact data.

Sources: Meta, "Customer information parameters"; Google, "Send user-provided data with Measurement Protocol".
Where the vendors' own code departs from their pages, the pages are followed.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from collector.intake.addresses import country_code, postal_code, us_state
from collector.intake.birth_and_gender import birth_date, gender
from collector.intake.phone import e164

# What a normaliser answers for a value that came hashed. It cannot be mistaken for a normalised value of such
# a field: an e-mail address has an "@", and the others have no hyphen.
HASHED: Final = "already-hashed"

# No contact field is longer (RFC 5321 allows an e-mail address 254); more is rubbish and costs time.
_MAX_LENGTH: Final = 320
_MAX_EMAIL: Final = 254

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_HASH_LIKE: Final = re.compile(r"[0-9a-fA-F]{32}")
_SHA256_OF_NOTHING: Final = hashlib.sha256(b"").hexdigest()

# One "@", a domain of at least two labels, nothing that only quoted or bracketed forms have. Not stricter:
# whether a mailbox exists is not ours to say, and letters outside ASCII are allowed (RFC 6531).
_ATOM: Final = r'[^\s@<>()\[\]\\,;:"\x00-\x1f\x7f\u2000-\u206f\ud800-\udfff]'
_LABEL: Final = r"(?!-)[^\s\x00-,./:-@\[-`{-\x7f\u2000-\u206f\ud800-\udfff]+(?<!-)"
_EMAIL: Final = re.compile(rf"{_ATOM}+@(?:{_LABEL}\.)+(?!\d+$){_LABEL}")
_DOTLESS_DOMAINS: Final = frozenset({"gmail.com", "googlemail.com"})
_CLEAR_POSTAL_CODE: Final = re.compile(r"(?=.*\d)[\w -]{1,12}")


class Place(NamedTuple):
    """Where to read a value: the visitor's country by the event, then the site's; ISO alpha-2 or None.

    The site's country only helps to read national phone numbers: it says nothing about where somebody lives.
    """

    country: str | None = None
    site: str | None = None


Normaliser = Callable[[str, Place], str | None]


def _visible(text: str) -> str:
    """NFC, trimmed, without characters that only steer display (zero-width, bidi: the debris of copying)."""
    if not text.isascii():
        shown = "".join(char for char in text if unicodedata.category(char) != "Cf")
        text = unicodedata.normalize("NFC", shown)
    return text.strip()


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", text.lower())


def _kept(text: str, kinds: str) -> str:
    """Lower-case, with only the Unicode categories in `kinds`: L letters, M marks, N numbers, Z blanks.

    White space of every sort becomes plain blanks or goes. Marks alone are no text.
    """
    chars: list[str] = []
    for char in text.lower():
        if char.isspace():
            chars += " " if "Z" in kinds else ""
        elif unicodedata.category(char)[0] in kinds:
            chars.append(char)
    kept = unicodedata.normalize("NFC", "".join(chars)).strip()
    return kept if any(char.isalnum() for char in kept) else ""


def _sent_as_hash(rule: Normaliser) -> Normaliser:
    """Answers HASHED for a SHA-256 and None for any other hash before `rule` sees the value."""

    def normalise(text: str, place: Place) -> str | None:
        if _SHA256.fullmatch(text):
            return HASHED if text.lower() != _SHA256_OF_NOTHING else None
        return None if _HASH_LIKE.search(text) else rule(text, place) or None

    return normalise


def _sent_clear(rule: Normaliser) -> Normaliser:
    """Refuses what must not leave in the clear: a hash, or an e-mail address in the wrong box."""

    def normalise(text: str, place: Place) -> str | None:
        return None if "@" in text or _HASH_LIKE.search(text) else rule(text, place) or None

    return normalise


def _email(text: str, _: Place) -> str | None:
    address = _lower(text)
    return address if len(address) <= _MAX_EMAIL and _EMAIL.fullmatch(address) else None


def _google_email(text: str, place: Place) -> str | None:
    """Blanks go, and the dots before the "@" of Gmail's two domains; a "+tag" stays."""
    address = _email("".join(text.split()), place)
    if address is None:
        return None
    local, _, domain = address.partition("@")
    if domain in _DOTLESS_DOMAINS:
        local = _lower(local.replace(".", ""))
    return f"{local}@{domain}" if local else None


def _phone(text: str, place: Place) -> str | None:
    """E.164 with its "+", as Google hashes it."""
    return e164(text, filter(None, place))


def _phone_digits(text: str, place: Place) -> str | None:
    """E.164 without its "+", as Meta hashes it."""
    number = _phone(text, place)
    return number and number[1:]


def _name(text: str, _: Place) -> str:
    return _kept(text, "LMN")


def _city(text: str, _: Place) -> str:
    return _kept(text, "LM")


def _region(text: str, place: Place) -> str | None:
    """US: the state's two-letter code, or nothing if it is no state. Elsewhere the name."""
    if place.country in {None, "US"}:
        state = us_state(text)
        if state or place.country:
            return state and state.lower()
    return _kept(text, "LMN")


def _postal_code(text: str, place: Place) -> str | None:
    return postal_code(text, place.country)


def _country(text: str, _: Place) -> str | None:
    code = country_code(text)
    return code and code.lower()


def _words(text: str, _: Place) -> str:
    """Google's names, cities and regions: inner blanks stay, digits and symbols go."""
    return _kept(text, "LMZ")


def _street(text: str, _: Place) -> str:
    return _kept(text, "LMNZ")


def _clear_postal_code(text: str, _: Place) -> str | None:
    """Without "." and "~". What still does not look like a postal code is not sent in the clear."""
    code = text.replace(".", "").replace("~", "").strip()
    return code if _CLEAR_POSTAL_CODE.fullmatch(code) else None


META: Final[Mapping[str, Normaliser]] = MappingProxyType(
    {
        "em": _sent_as_hash(_email),
        "ph": _sent_as_hash(_phone_digits),
        "fn": _sent_as_hash(_name),
        "ln": _sent_as_hash(_name),
        "db": _sent_as_hash(lambda text, _: birth_date(text)),
        "ge": _sent_as_hash(lambda text, _: gender(text)),
        "ct": _sent_as_hash(_city),
        "st": _sent_as_hash(_region),
        "zp": _sent_as_hash(_postal_code),
        "country": _sent_as_hash(_country),
    }
)

GA4: Final[Mapping[str, Normaliser]] = MappingProxyType(
    {
        "sha256_email_address": _sent_as_hash(_google_email),
        "sha256_phone_number": _sent_as_hash(_phone),
        "sha256_first_name": _sent_as_hash(_words),
        "sha256_last_name": _sent_as_hash(_words),
        "sha256_street": _sent_as_hash(_street),
        "city": _sent_clear(_words),
        "region": _sent_clear(_words),
        "postal_code": _sent_clear(_clear_postal_code),
        "country": _sent_clear(lambda text, _: country_code(text)),
    }
)

# The event's `user` field that each key is made from.
_META_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {"em": "email", "ph": "phone", "fn": "first_name", "ln": "last_name", "db": "date_of_birth"}
    | {"ge": "gender", "ct": "city", "st": "region", "zp": "postal_code", "country": "country"}
)
_GA4_CONTACTS: Final[Mapping[str, str]] = MappingProxyType(
    {"sha256_email_address": "email", "sha256_phone_number": "phone"}
)
_GA4_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {**_GA4_CONTACTS, **{key: key.removeprefix("sha256_") for key in GA4 if key not in _GA4_CONTACTS}}
)


def normalised(rule: Normaliser, raw: object, place: Place) -> str | None:
    """What `rule` makes of an untrusted value: the text to send or hash, HASHED, or None = drop the field."""
    if not isinstance(raw, str) or len(raw) > _MAX_LENGTH:
        return None
    text = _visible(raw)
    return rule(text, place) if text else None


def match_key(rule: Normaliser, raw: object, place: Place) -> str | None:
    """SHA-256 (64 lower-case hex) of the normalised value, the hash that came instead of it, or None."""
    text = normalised(rule, raw, place)
    if text == HASHED:
        return _visible(str(raw)).lower()
    return text and hashlib.sha256(text.encode()).hexdigest()


def meta(user: Mapping[str, object], default_country: str | None) -> dict[str, list[str]]:
    """Meta's `user_data` match keys of an event's `user` fields; only those that could be made.

    `default_country` is the site's, ISO alpha-2. Answers e.g. `{"em": ["62a1..."], "country": ["4659..."]}`.
    """
    place = _place(user, default_country)
    made = {key: match_key(rule, user.get(_META_FIELDS[key]), place) for key, rule in META.items()}
    return {key: [value] for key, value in made.items() if value}


def google(user: Mapping[str, object], default_country: str | None) -> dict[str, Any]:
    """GA4's `user_data` object of an event's `user` fields; only what could be made, {} if nothing.

    `default_country` is the site's, ISO alpha-2. E-mail and phone are lists of one, `address` a list of one
    object in which city, region, postal code and country are in the clear, as Google asks.
    """
    place = _place(user, default_country)
    made: dict[str, str] = {}
    for key, rule in GA4.items():
        raw = user.get(_GA4_FIELDS[key])
        value = (match_key if key.startswith("sha256_") else normalised)(rule, raw, place)
        if value:
            made[key] = value
    user_data: dict[str, Any] = {key: [made.pop(key)] for key in _GA4_CONTACTS if key in made}
    return user_data | ({"address": [made]} if made else {})


def _place(user: Mapping[str, object], default_country: str | None) -> Place:
    return Place(
        normalised(GA4["country"], user.get("country"), Place()),
        default_country and country_code(default_country),
    )
