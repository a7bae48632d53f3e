"""The user_data of a server event (Meta, customer information parameters; fbp and fbc).

What is not hashed may be raw contact data, so no message here quotes a value.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final

from forwarders.sandbox.meta_rules import broken
from forwarders.sandbox.shapes import (
    SHA256,
    SHA256_ANY_CASE,
    SHA256_OF_NOTHING,
    holds_email,
    is_match,
    is_text,
    unknown_keys,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forwarders.sandbox.violation import Violation

HASHED: Final = frozenset("em ph fn ln db ge ct st zp country".split())
NEVER_HASHED: Final = frozenset(
    """
    client_ip_address client_user_agent fbc fbp subscription_id fb_login_id lead_id madid anon_id page_id
    page_scoped_user_id ctwa_clid ig_account_id ig_sid whatsapp_business_account_id
    """.split()
)
# external_id may be hashed or not, and may be a list.
KNOWN: Final = HASHED | NEVER_HASHED | {"external_id"}
# Each set alone, or a part of it, matches nobody.
TOO_WEAK: Final = (
    frozenset({"ct", "country", "st", "zp", "ge", "client_user_agent"}),
    frozenset({"db", "client_user_agent"}),
    frozenset({"fn", "ge"}),
    frozenset({"ln", "ge"}),
)
# Meta's parameter builder appends eight characters; before that a two-letter language code.
_APPENDIX = r"(?:\.(?:[A-Za-z0-9_-]{8}|AQ|Ag|Aw|BA|BQ|Bg))?"
_FBP = re.compile(r"fb\.[0-9]\.[0-9]{13}\.(?P<random>[0-9]{1,10})" + _APPENDIX)
_FBC = re.compile(r"fb\.[0-9]\.[0-9]{13}\.(?P<fbclid>[A-Za-z0-9_-]+)" + _APPENDIX)
_LARGEST_RANDOM: Final = 2**31 - 1
# An fbclid begins with IwAR or IwY; in lower case that is the trace of a careless pipeline.
_LOWERED_FBCLID = ("iwar", "iwy")
_HOST_BITS: Final = {4: 8, 6: 64}


def check_user_data(event: Mapping[str, Any], at: str) -> Iterator[Violation]:
    """Presence, strength, each parameter's form, and the user agent a website event needs."""
    user_data = event.get("user_data")
    if not isinstance(user_data, dict):
        yield broken("meta.user_data_missing", at)
        return
    for key in unknown_keys(user_data, KNOWN):
        yield broken("meta.user_data_unknown_key", f"{at}.{key}")
    if any(user_data.keys() <= weak for weak in TOO_WEAK):
        yield broken("meta.user_data_too_weak", at)
    if event.get("action_source") == "website" and "client_user_agent" not in user_data:
        yield broken("meta.client_user_agent_missing", f"{at}.client_user_agent")
    for key, value in user_data.items():
        yield from _check_parameter(key, value, f"{at}.{key}")


def _check_parameter(key: str, value: object, at: str) -> Iterator[Violation]:
    if key in HASHED:
        yield from _check_hashed(value, at)
    elif key == "external_id":
        yield from _check_external_id(value, at)
    elif key in NEVER_HASHED:
        yield from _check_clear(key, value, at)


def _check_hashed(value: object, at: str) -> Iterator[Violation]:
    entries = value if isinstance(value, list) else [value]
    if not entries:
        yield broken("meta.user_data_value_invalid", at)
    for entry in entries:
        if not is_text(entry):
            yield broken("meta.user_data_value_invalid", at)
        elif not SHA256_ANY_CASE.fullmatch(entry):
            yield broken("meta.not_hashed", at)
        elif not SHA256.fullmatch(entry):
            yield broken("meta.hash_upper_case", at)
        elif entry == SHA256_OF_NOTHING:
            yield broken("meta.hash_of_nothing", at)


def _check_external_id(value: object, at: str) -> Iterator[Violation]:
    entries = value if isinstance(value, list) else [value]
    if not entries or not all(is_text(entry) for entry in entries):
        yield broken("meta.user_data_value_invalid", at)
    if SHA256_OF_NOTHING in entries:
        yield broken("meta.hash_of_nothing", at)
    if any(holds_email(entry) for entry in entries):
        yield broken("meta.email_in_clear", at)


def _check_clear(key: str, value: object, at: str) -> Iterator[Violation]:
    if not is_text(value):
        yield broken("meta.user_data_value_invalid", at)
    elif is_match(SHA256_ANY_CASE, value):
        yield broken("meta.must_not_be_hashed", at)
    elif key == "fbp":
        parts = _FBP.fullmatch(value)
        if parts is None or int(parts["random"]) > _LARGEST_RANDOM:
            yield broken("meta.fbp_malformed", at)
    elif key == "fbc":
        yield from _check_fbc(value, at)
    elif key == "client_ip_address":
        yield from _check_ip(value, at)


def _check_fbc(value: str, at: str) -> Iterator[Violation]:
    parts = _FBC.fullmatch(value)
    if parts is None:
        yield broken("meta.fbc_malformed", at)
    elif parts["fbclid"].startswith(_LOWERED_FBCLID):
        yield broken("meta.fbc_lower_cased", at)


def _check_ip(value: str, at: str) -> Iterator[Violation]:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        yield broken("meta.client_ip_malformed", at)
        return
    # A visitor's address does not end in zeros: .0 is a network, and so is an empty IPv6 interface part.
    if int(address) % 2 ** _HOST_BITS[address.version] == 0:
        yield broken("meta.client_ip_truncated", at)
