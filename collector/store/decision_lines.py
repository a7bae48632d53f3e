"""The lines of a segment of decision records: text, one record a line, each line with a checksum (CRC-32).

    # sluis-decisions 1 CRC                   a writer begins: numbers that were given before hold no more
    = 0 {"site": ..., "fates": {...}} CRC     a number for a combination of site, policy and fates
    REFERENCE MINUTE 0 SUBJECT,SUBJECT CRC    one event whose fates are combination 0
    ! 12 CRC                                  so many records were lost before this line

References are 16 bytes in base64, MINUTE is minutes since the epoch. A fate is a word of the answers and of the
balance: `queued`, `skipped:REASON`, `handed_over`, `dropped:REASON`, `dead:CAUSE`.
"""

import zlib
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import orjson

MINUTE_MS: Final = 60_000
_BEGIN: Final = b"# sluis-decisions 1"
MOST_NAMED: Final = 4096
_CRC: Final = 10  # of the end of a line: a space, eight digits, a line feed
_PADDING: Final = b"=="


class TornLine(Exception):
    """A line that is not as it was written: the end of a crash, or a fault of the disk."""


class Combination(NamedTuple):
    """What many events have in common: (destination, fate) pairs, under one policy of one site."""

    site: str
    policy_hash: str
    fates: tuple[tuple[str, str], ...]


class DecisionRecord(NamedTuple):
    """What became of one event at one destination at one moment. `event` and `subjects` are keyed references."""

    event: bytes
    minute: int
    site: str
    destination: str
    outcome: str
    reason: str
    policy_hash: str
    subjects: tuple[bytes, ...] = ()


class Row(NamedTuple):
    """One line about one event, references still as text."""

    event: bytes
    minute: int
    combination: Combination
    subjects: tuple[bytes, ...]

    def records(self) -> Iterator[DecisionRecord]:
        """One per destination."""
        event, subjects = reference_of(self.event), tuple(map(reference_of, self.subjects))
        site, policy_hash, fates = self.combination
        for destination, fate in fates:
            outcome, _, reason = fate.partition(":")
            yield DecisionRecord(event, self.minute, site, destination, outcome, reason, policy_hash, subjects)


def text_of(reference: bytes) -> bytes:
    """A reference as it stands in a line."""
    return b2a_base64(reference, newline=False)[: -len(_PADDING)]


def reference_of(text: bytes) -> bytes:
    """The reverse of `text_of`."""
    return a2b_base64(text + _PADDING)


def lost(count: int) -> bytes:
    """The line that says how many records are missing."""
    return _line(b"! %d" % count)


def lost_in(line: bytes) -> int:
    """What a line of `lost` says; 0 for any other, a torn one included."""
    try:
        return int(_payload(line)[2:]) if line.startswith(b"! ") else 0
    except (TornLine, ValueError):
        return 0


class Writer:
    """Makes lines; each combination is written out once, when it is first met."""

    def __init__(self, most_named: int = MOST_NAMED) -> None:
        self._most_named = most_named
        self._named: dict[Combination, bytes] = {}

    def row(self, event: bytes, minute: int, combination: Combination, subjects: Sequence[bytes] = ()) -> bytes:
        """The line of one event, after the lines it needs."""
        before, number = b"", self._named.get(combination)
        if number is None:
            before, number = self._name(combination)
        said = b"%s %d %s" % (text_of(event), minute, number)
        if subjects:
            said += b" " + b",".join([text_of(one) for one in subjects])
        return before + _line(said)

    def begin_again(self) -> None:
        """What was written may not be there: take nothing for known."""
        self._named.clear()

    def _name(self, combination: Combination) -> tuple[bytes, bytes]:
        if len(self._named) >= self._most_named:
            self._named.clear()
        begin = b"" if self._named else _line(_BEGIN)
        number = self._named[combination] = b"%d" % len(self._named)
        said = orjson.dumps({**combination._asdict(), "fates": dict(combination.fates)})
        return begin + _line(b"= %s %s" % (number, said)), number


class Reader:
    """Understands the lines of one segment, in their order."""

    def __init__(self) -> None:
        self._named: dict[bytes, Combination] = {}

    def row(self, line: bytes) -> Row | None:
        """The record in a line, None if it is a line of another sort; raises TornLine."""
        said = _payload(line)
        try:
            if said[:1] in (b"#", b"=", b"!"):
                self._note(said)
                return None
            event, minute, number, *subjects = said.split(b" ")
            return Row(event, int(minute), self._named[number], tuple(subjects[0].split(b",")) if subjects else ())
        except (ValueError, KeyError, Error) as error:
            raise TornLine from error

    def _note(self, said: bytes) -> None:
        if said.startswith(b"#"):
            self._named.clear()
        elif said.startswith(b"="):
            _, number, text = said.split(b" ", 2)
            made = orjson.loads(text)
            self._named[number] = Combination(made["site"], made["policy_hash"], tuple(made["fates"].items()))


def _line(said: bytes) -> bytes:
    return b"%s %08x\n" % (said, zlib.crc32(said))


def _payload(line: bytes) -> bytes:
    said = line[:-_CRC]
    if line != _line(said):
        raise TornLine
    return said
