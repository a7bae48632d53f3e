"""What a Measurement Protocol request says of a person: ids, consent, place, device, properties, user_data.

Google, reference and user-provided data. Two rules are this project's promise, stricter than Google's: no
`ip_override` and no `user_agent` (ga4_checks.py), and `user_data` only where `ad_user_data` is GRANTED.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.ga4_rules import broken
from forwarders.sandbox.ga4_values import NAME, check_own_timestamp
from forwarders.sandbox.shapes import (
    COUNTRY,
    SHA256,
    SHA256_ANY_CASE,
    SHA256_OF_NOTHING,
    holds_email,
    is_match,
    is_scalar,
    is_text,
    unknown_keys,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

CONSENT_KEYS: Final = ("ad_user_data", "ad_personalization")
LOCATION: Final[Mapping[str, re.Pattern[str]]] = {
    "city": re.compile(r".*\S.*"),
    "region_id": re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}"),
    "country_id": re.compile(r"[A-Z]{2}"),
    "subcontinent_id": re.compile(r"[0-9]{3}"),
    "continent_id": re.compile(r"[0-9]{3}"),
}
DEVICE_KEYS: Final = frozenset(
    """
    category language screen_resolution operating_system operating_system_version model brand browser
    browser_version
    """.split()
)
RESERVED_PROPERTIES: Final = frozenset(
    "first_open_time first_visit_time last_deep_link_referrer user_id first_open_after_install".split()
)
MOST_PROPERTIES: Final = 25
PROPERTY_NAME_CHARACTERS: Final = 24
PROPERTY_CHARACTERS: Final = 36
USER_ID_CHARACTERS: Final = 256
_PROPERTY_PREFIXES: Final = ("_", "firebase_", "ga_", "google_")
_MOST_OF: Final = {"sha256_email_address": 3, "sha256_phone_number": 3, "address": 2}
_ADDRESS_HASHES: Final = ("sha256_first_name", "sha256_last_name", "sha256_street")
_ADDRESS_CLEAR: Final = ("city", "region", "postal_code", "country")
_CLIENT_ID = re.compile(r"(?:GA1\.[0-9]+(?:-[0-9]+)?\.)?[1-9][0-9]*\.[1-9][0-9]*")


def check_ids(body: Mapping[str, Any], *, app: bool) -> Iterator[Violation]:
    """The browser's or the app's id, and the site's own user id."""
    if app:
        if not is_text(body.get("app_instance_id")):
            yield broken("ga4.app_instance_id_missing", "app_instance_id")
    elif body.get("client_id") is None:
        yield broken("ga4.client_id_missing", "client_id")
    elif not is_match(_CLIENT_ID, body["client_id"]):
        yield broken("ga4.client_id_malformed", "client_id", body["client_id"])
    if "user_id" in body:
        user = body["user_id"]
        if not is_text(user) or len(user) > USER_ID_CHARACTERS:
            yield broken("ga4.user_id_malformed", "user_id")
        if holds_email(user):
            yield broken("ga4.email_in_clear", "user_id")


def check_consent(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Both keys, both explicit."""
    if "consent" not in body:
        yield broken("ga4.consent_missing", "consent")
        return
    consent = body["consent"]
    if not isinstance(consent, dict):
        yield broken("ga4.consent_not_object", "consent", consent)
        return
    for key in unknown_keys(consent, frozenset(CONSENT_KEYS)):
        yield broken("ga4.consent_unknown_key", f"consent.{key}")
    for key in CONSENT_KEYS:
        if key not in consent:
            yield broken("ga4.consent_key_missing", f"consent.{key}")
        elif consent[key] not in ("GRANTED", "DENIED"):
            yield broken("ga4.consent_value_invalid", f"consent.{key}", consent[key])


def check_place(location: object) -> Iterator[Violation]:
    """`user_location`, the coarse stand-in for an IP address."""
    if not isinstance(location, dict):
        yield broken("ga4.user_location_not_object", "user_location", location)
        return
    for key, value in location.items():
        if key not in LOCATION:
            yield broken("ga4.user_location_unknown_key", f"user_location.{key}")
        elif not is_match(LOCATION[key], value):
            yield broken("ga4.user_location_value_invalid", f"user_location.{key}", value)


def check_device(device: object) -> Iterator[Violation]:
    """`device`, the coarse stand-in for a user agent."""
    if not isinstance(device, dict):
        yield broken("ga4.device_not_object", "device", device)
        return
    for key, value in device.items():
        if key not in DEVICE_KEYS:
            yield broken("ga4.device_unknown_key", f"device.{key}")
        elif not is_text(value):
            yield broken("ga4.device_value_invalid", f"device.{key}", value)


def check_user_properties(properties: object, now_ms: int) -> Iterator[Violation]:
    """`{name: {value, timestamp_micros?}}`, at most 25."""
    if not isinstance(properties, dict):
        yield broken("ga4.user_properties_not_object", "user_properties", properties)
        return
    if len(properties) > MOST_PROPERTIES:
        yield broken("ga4.user_properties_too_many", "user_properties", len(properties))
    for name, entry in properties.items():
        at = f"user_properties.{name}"
        yield from _check_property_name(name, at)
        if not isinstance(entry, dict) or "value" not in entry or set(entry) - {"value", "timestamp_micros"}:
            yield broken("ga4.user_property_shape", at, entry)
            continue
        yield from check_own_timestamp(entry, f"{at}.", now_ms)
        value = entry["value"]
        if not is_scalar(value) or len(str(value)) > PROPERTY_CHARACTERS:
            yield broken("ga4.user_property_value_invalid", f"{at}.value", value)
        if holds_email(value):
            yield broken("ga4.email_in_clear", f"{at}.value")


def _check_property_name(name: str, at: str) -> Iterator[Violation]:
    if name in RESERVED_PROPERTIES or name.startswith(_PROPERTY_PREFIXES):
        yield broken("ga4.user_property_name_reserved", at)
    elif not NAME.fullmatch(name) or len(name) > PROPERTY_NAME_CHARACTERS:
        yield broken("ga4.user_property_name_invalid", at)


def check_user_data(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Hashed contact data, its number, its form, and the consent it needs."""
    user_data = body["user_data"]
    consent = body.get("consent")
    if not (isinstance(consent, dict) and consent.get("ad_user_data") == "GRANTED"):
        yield broken("ga4.user_data_without_consent", "user_data")
    if not isinstance(user_data, dict):
        yield broken("ga4.user_data_not_object", "user_data", user_data)
        return
    if not any(user_data.get(key) for key in _MOST_OF):
        yield broken("ga4.user_data_empty", "user_data")
    for key, value in user_data.items():
        at = f"user_data.{key}"
        if key not in _MOST_OF:
            yield broken("ga4.user_data_unknown_key", at)
            continue
        entries = value if isinstance(value, list) else [value]
        if len(entries) > _MOST_OF[key]:
            yield broken("ga4.user_data_too_many", at, len(entries))
        for position, entry in enumerate(entries):
            check = _check_address if key == "address" else _check_hash
            yield from check(entry, f"{at}[{position}]" if isinstance(value, list) else at)


def _check_hash(value: object, at: str) -> Iterator[Violation]:
    # What is not hashed may be a raw address, so it is never quoted in the message.
    if not is_match(SHA256, value):
        yield broken("ga4.user_data_not_hashed", at)
    elif value == SHA256_OF_NOTHING:
        yield broken("ga4.user_data_hash_of_nothing", at)


def _check_address(address: object, at: str) -> Iterator[Violation]:
    if not isinstance(address, dict):
        yield broken("ga4.user_data_address_not_object", at)
        return
    for key, value in address.items():
        if key in _ADDRESS_HASHES:
            yield from _check_hash(value, f"{at}.{key}")
        elif key in _ADDRESS_CLEAR:
            yield from _check_clear(key, value, f"{at}.{key}")
        else:
            yield broken("ga4.user_data_unknown_key", f"{at}.{key}")


def _check_clear(key: str, value: object, at: str) -> Iterator[Violation]:
    if is_match(SHA256_ANY_CASE, value):
        yield broken("ga4.user_data_address_hashed", at)
    elif key == "country":
        if not is_match(COUNTRY, value):
            yield broken("ga4.user_data_country_malformed", at, value)
    elif not is_text(value) or not _is_normalised(key, value):
        yield broken("ga4.user_data_address_not_normalised", at, value)


def _is_normalised(key: str, text: str) -> bool:
    if text != text.strip():
        return False
    if key == "postal_code":
        return "." not in text and "~" not in text
    return text == text.lower() and all(
        character.isspace() or unicodedata.category(character)[0] in "LM" for character in text
    )
