"""One row per kind of destination: what it needs at the very least, and what it may be given.

Configuration may add purposes to a floor, never remove one (promise 1). Sources: GA4 Measurement Protocol
reference (timestamp_micros up to 72 hours back); Meta Conversions API (event_time up to 7 days back); EDPB
Guidelines 2/2023 on click identifiers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from consent.model import ADS, Purpose, Purposes, Recipient


class FieldClass(StrEnum):
    """Groups of fields that need purposes of their own, beyond the destination's floor."""

    MATCH_KEYS = "match_keys"  # hashed e-mail, phone, name, address: a disclosure to the recipient
    CLICK_IDS = "click_ids"  # _fbp, _fbc, fbclid
    USER_AGENT = "user_agent"  # the full string; others get a coarse device


class Allowed(NamedTuple):
    """The field classes a record may have, by name."""

    match_keys: bool = False
    click_ids: bool = False
    user_agent: bool = False


_UTM = frozenset(
    "utm_source utm_medium utm_campaign utm_term utm_content utm_id utm_source_platform utm_creative_format "
    "utm_marketing_tactic".split(),
)
# The standard custom_data fields and the GA4 properties they are made from; nothing of the site's own.
_META_PROPERTIES = frozenset(
    "currency value items transaction_id search_term content_name content_category content_type content_ids "
    "contents num_items order_id status predicted_ltv delivery_category".split(),
)
_AD_USER_DATA: Purposes = frozenset({Purpose.AD_USER_DATA})
_AD_STORAGE_AND_DATA: Purposes = frozenset({Purpose.AD_STORAGE, Purpose.AD_USER_DATA})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is true of every destination of this kind, whatever the configuration says."""

    recipient: Recipient
    floor: Purposes
    fields: Mapping[FieldClass, Purposes]
    query: frozenset[str]
    match_keys: str | None
    max_age: timedelta
    properties: frozenset[str] | None = None  # None: all of them

    @property
    def max_age_ms(self) -> int:
        """The vendor's window in milliseconds."""
        return self.max_age // timedelta(milliseconds=1)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "ga4": Kind(
            recipient="google",
            floor=frozenset({Purpose.ANALYTICS_STORAGE}),
            fields={FieldClass.MATCH_KEYS: _AD_USER_DATA},
            query=_UTM,
            match_keys="google",
            max_age=timedelta(hours=72),
        ),
        "meta_capi": Kind(
            recipient="meta",
            floor=ADS,
            fields={
                FieldClass.MATCH_KEYS: _AD_USER_DATA,
                FieldClass.CLICK_IDS: _AD_STORAGE_AND_DATA,
                FieldClass.USER_AGENT: ADS - {Purpose.AD_PERSONALIZATION},
            },
            query=frozenset(),
            match_keys="meta",
            max_age=timedelta(days=7),
            properties=_META_PROPERTIES,
        ),
        "stdout": Kind(
            recipient="operator",
            floor=frozenset({Purpose.ANALYTICS_STORAGE}),
            fields={},
            query=_UTM,
            match_keys=None,
            max_age=timedelta(hours=72),
        ),
    },
)


@lru_cache(maxsize=512)
def allowed_fields(kind: str, granted: Purposes) -> Allowed:
    """Which classes of fields this kind takes, and of which every needed purpose is granted."""
    return Allowed(**{name: needed <= granted for name, needed in KINDS[kind].fields.items()})


def required_purposes(kind: str, *, extra: Purposes = frozenset(), measurement_only: bool = False) -> Purposes:
    """The purposes a destination needs: the kind's floor plus what configuration adds.

    `measurement_only` exists for Meta alone: without ad_personalization the event is sent with `opt_out`,
    so that it measures and is not used for delivery of advertisements.
    """
    floor = KINDS[kind].floor
    if measurement_only:
        if kind != "meta_capi":
            raise ValueError(f'measurement_only is an option of kind "meta_capi", not of {kind!r}')
        floor = floor - {Purpose.AD_PERSONALIZATION}
    return floor | extra
