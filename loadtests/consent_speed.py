"""What hearing consent costs: decoding a typical TC string, and reading every signal and deciding.

CPU of one thread of this process, the median of several rounds. The string is synthetic: 700 vendors consented and 300
by legitimate interest, as bit fields. The moment is fixed, because a string grows old.
"""

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time_ns
from typing import Any, Final, NamedTuple

from consent import hearing
from consent.policy import ConsentSource, SitePolicy
from consent.signals import tcf
from consent.signals.tcf import TcString

ROUNDS: Final = 7
MAX_UNCACHED_US: Final = 60.0
MAX_CACHED_US: Final = 1.0
MAX_DECIDE_US: Final = 8.0
NOW_MS: Final = 1_795_255_200_000  # 2026-11-21T10:00:00Z
_CMP_VERSION_AT: Final = 15  # its 12 bits are characters 15 and 16: the one field that may be anything
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TC_STRING: Final = (
    "CQt-4cAQt-4cAAfABBENB4FgAP_gAELAAAIgJXvynORq3rIoH3t_9t1hkX9slhpit5_r_7pKmuf0xvVgxV4w1pmtJ9_e84vD4Ul2"
    "2iIqtz22X48FZugOsNjPhrX-j-TW_w26WlwZf_-XXL5a-finvVo45eGaskrPcQ7BoPp7MbPv2sO5Huq9S0z5vpGn_XPrqM1mc17d"
    "RPskiz3gOpZ5yXv7-qziCNV2419vvoaTtv79ZygleRXAEgACSBQhwpAnphEVEBwgAkQScAEIuDQQkAAQQaAQoAaU3BABBwGSzEE2"
    "AxDJgAwZR5AAJUYBBkEBGAQUCEAAAgaABBAEDKsQaDQIDEJAVICKAiEIFQ7RSgo1GhGBUQQFBQBwgBAHAAAWAjginVomAKQYBAAQ"
    "ASQQIKQIQGSAAAWQQGNExCIqlGGoIiCMAAAGPEBwCAAA.IJXvynORq3rIoH3t_9t1hkX9slhpit5_r_7pKmuf0xvVgxV4w1pmtJ9"
    "_e84vD4Ul22iIqtz22X48FZugOsNjPhrX-j-TW_w26WlwZf_-XXL5a-finvVo45eGaskrPcQ7BoPp7MbPv2sO5Huq9S0z5vpGn_X"
    "PrqM1mc17dRPskiz3gOpZ5yXv7-qziCNV2419vvoaTtv79Zyg"
)


class ConsentSpeed(NamedTuple):
    """Microseconds each."""

    decode_uncached_us: float
    decode_cached_us: float
    decide_us: float


def measure() -> ConsentSpeed:
    """All three."""
    distinct = [
        TC_STRING[:_CMP_VERSION_AT] + a + b + TC_STRING[_CMP_VERSION_AT + 2 :] for a in _ALPHABET for b in _ALPHABET
    ]
    if not all(isinstance(tcf.decode(text), TcString) for text in distinct):
        raise AssertionError("a string of the measurement cannot be read")
    policy = SitePolicy(
        site="shop", establishment="BE", consent_source=ConsentSource.PAGE, recipients=frozenset({"google", "meta"})
    )
    said = [_statement(number) for number in range(4000)]
    decided = hearing.hear(said[0], None, policy, NOW_MS).decision
    if not all(len(granted) == len(_PURPOSES) for granted in decided.granted.values()):
        raise AssertionError("the statement of the measurement is not granted")
    return ConsentSpeed(
        _each(tcf.decode, distinct),
        # Equal, not the same: a request brings a string of its own, whose hash is not known yet.
        _each(tcf.decode, ["".join((TC_STRING[:9], TC_STRING[9:])) for _ in range(4000)]),
        _each(lambda one: hearing.hear(one, None, policy, NOW_MS), said),
    )


_PURPOSES: Final = ("ad_storage", "analytics_storage", "ad_user_data", "ad_personalization")


def _statement(number: int) -> dict[str, Any]:
    """A visitor's own: every one has another date and another choice."""
    return {
        **dict.fromkeys(_PURPOSES, "granted"),
        "decided_at": NOW_MS - 1_000_000 + number,
        "choice_id": f"20261121.{number:024x}",
        "tc_string": TC_STRING,
        "gdpr_applies": True,
        "event_status": "tcloaded",
        "additional_consent": "2~61.89.122.196~dv.1.2",
        "gpp_string": "DBAA",
        "us_privacy": "1---",
    }


def _each(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Microseconds an item, the median of the rounds."""
    found = []
    for _ in range(ROUNDS):
        began = process_time_ns()
        for item in items:
            work(item)
        found.append((process_time_ns() - began) / len(items) / 1000)
    return median(found)
