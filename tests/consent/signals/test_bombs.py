"""The strings that cost most, as long as strings may be: each is answered within the time of a few requests."""

from time import process_time

import pytest

from consent.signals import additional_consent, tcf
from tests.consent.signals import tcf_encoder as wire

MOST_SECONDS = 1.0  # expanded, these take minutes; a busy machine may take ten times its usual few milliseconds
NOBODY = wire.number(0, 17)
EVERYBODY = (1, 65535)


def bomb(times: int) -> str:
    return wire.section([EVERYBODY] * times)


def restrictions(one: str, times: int) -> str:
    return wire.number(times, 12) + one * times


BOMBS = {
    "ranges of everybody, read": wire.core(bomb(2960) + NOBODY + wire.number(0, 12)),
    "ranges of everybody, cut": wire.core(bomb(4095))[: 16_384 * 6],
    "unsorted ranges": wire.core(wire.section([(at, at + 3) for at in range(60_000, 800, -20)]) + NOBODY + "0" * 12),
    "single ids": wire.core(2 * (wire.number(65535, 16) + "1" + wire.entries(range(65535, 59835, -2))) + "0" * 12),
    "bit field of every other id": wire.core(wire.number(65535, 16) + "0" + "10" * 32767 + "1" + NOBODY + "0" * 12),
    "restrictions for nobody": wire.core(NOBODY * 2 + restrictions(wire.number(4, 8) + "0" * 12, 4095)),
    "restrictions for one": wire.core(NOBODY * 2 + restrictions(wire.number(4, 8) + wire.entries([7]), 2600)),
    "restrictions for everybody": wire.core(NOBODY * 2 + restrictions("1" * 8 + wire.entries([EVERYBODY]), 1800)),
    "two restrictions of many": wire.core(NOBODY * 2 + restrictions("1" * 8 + wire.entries([EVERYBODY] * 1400), 2)),
    "one bit too many": wire.core(NOBODY * 2 + "0" * 97_000 + "1"),
}


@pytest.mark.parametrize("bits", BOMBS.values(), ids=BOMBS.keys())
def test_the_costliest_strings_are_answered_at_once(bits: str) -> None:
    string = wire.text(bits, 6)
    assert 10_000 < len(string) <= tcf.MAX_CHARACTERS
    began = process_time()
    said = tcf.decode(string)
    if isinstance(said, tcf.TcString):
        assert tcf.described(said)
    assert process_time() - began < MOST_SECONDS


@pytest.mark.parametrize(
    "string", ["1~" + "9." * 8190 + "x", "1~" + "1." * 8190 + "1", "1~" + "9" * 16_000, "~" * 16_384]
)
def test_the_costliest_ac_strings_are_answered_at_once(string: str) -> None:
    assert len(string) <= additional_consent.MAX_CHARACTERS
    began = process_time()
    additional_consent.decode(string)
    assert process_time() - began < MOST_SECONDS
