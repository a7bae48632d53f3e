"""`sluis consent decode`: what consent strings say, offline, read by the very decoders of the collector.

Rules
1. One line of output per string, in order and at once. Of a line of stdin only its ending (LF or CR LF) is removed:
   white space is part of a string, an empty line is an empty string, and both are refused.
2. What cannot be read is refused with a code and never quoted; it never ends the run. Bytes that are not UTF-8 are
   characters that no format has.
3. A string longer than any decoder takes is refused whatever its kind, and no more of it than that is held in memory.
4. Without `--kind` a string is what its form says (KINDS); the form only chooses the decoder, which may still refuse.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, BinaryIO, Final

import orjson
import typer

from collector.commands.consent_reading import show_reading, show_refusal
from collector.options import FAILED, Json
from consent.signals import additional_consent, google, gpp, tcf, us_privacy
from consent.signals.refusal import Refusal, Refused

UNRECOGNISED: Final = "unrecognised"
MAX_CHARACTERS: Final = max(tcf.MAX_CHARACTERS, gpp.MAX_CHARACTERS, additional_consent.MAX_CHARACTERS)
_MAX_BYTES: Final = 4 * MAX_CHARACTERS + 2  # of a line with its ending; what is cut off here is too long all the same
_STDIN: Final = "-"


class Kind(StrEnum):
    """The kinds of strings, by their short names."""

    TCF = "tcf"
    GPP = "gpp"
    AC = "ac"
    USP = "usp"
    GCS = "gcs"
    GCD = "gcd"
    TCFD = "tcfd"


@dataclass(frozen=True, slots=True)
class Reader:
    """The form by which a kind is recognised, and what reads it."""

    form: re.Pattern[str]
    decode: Callable[[str], Any]
    described: Callable[[Any], dict[str, Any]]

    @classmethod
    def of(cls, form: str, decode: Callable[[str], Any], described: Callable[[Any], dict[str, Any]]) -> "Reader":
        """A row of KINDS; the form holds for the whole string."""
        return cls(re.compile(form, re.DOTALL), decode, described)


KINDS: Final = {
    Kind.TCF: Reader.of("C.*", tcf.decode, tcf.described),
    Kind.GPP: Reader.of("D.*", gpp.decode, gpp.described),
    Kind.AC: Reader.of("[12]~.*", additional_consent.decode, additional_consent.described),
    Kind.GCS: Reader.of("G1..", google.decode_gcs, google.described_gcs),
    Kind.USP: Reader.of("1[YN-]{3}", us_privacy.decode, us_privacy.described),
    Kind.GCD: Reader.of("1(?:[0-9a-zA-Z_-]{9}|[0-9a-zA-Z_-]{11})", google.decode_gcd, google.described_gcd),
    Kind.TCFD: Reader.of("1[0-9a-zA-Z_-]{4}", google.decode_tcfd, google.described_tcfd),
}
"""The first whose form fits is taken."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a string says, or the code of why it says nothing; `kind` is None where it is not known."""

    kind: Kind | None
    said: dict[str, Any] | None
    refused: str | None = None


def decode(
    strings: Annotated[list[str], typer.Argument(metavar="STRING...|-", help="Strings; - reads stdin, one a line.")],
    kind: Annotated[Kind | None, typer.Option(help="tcf, gpp, ac, usp, gcs, gcd or tcfd; its form if absent.")] = None,
    json: Json = False,
) -> None:
    """Say what consent strings say: TCF, GPP, additional consent, US Privacy, Google's gcs, gcd and tcfd. Offline.

    A string that begins with - stands after --. Exit code 1 if a string was refused.
    """
    all_read = True
    for text in _texts(strings):
        reading = read(text, kind)
        all_read &= reading.refused is None
        if json:
            typer.echo(orjson.dumps({"refused": reading.refused} if reading.said is None else reading.said))
        elif reading.said is None:
            show_refusal(reading.kind, str(reading.refused))
        else:
            show_reading(str(reading.kind), reading.said)
    if not all_read:
        raise typer.Exit(FAILED)


def read(text: str, kind: Kind | None = None) -> Reading:
    """One string, of this kind or of the one it looks like. Never raises."""
    if len(text) > MAX_CHARACTERS:
        return Reading(kind, None, Refusal.TOO_LONG)
    if not text:
        return Reading(kind, None, Refusal.EMPTY)
    kind = kind or next((name for name, reader in KINDS.items() if reader.form.fullmatch(text)), None)
    if kind is None:
        return Reading(None, None, UNRECOGNISED)
    heard = KINDS[kind].decode(text)
    if isinstance(heard, Refused):
        return Reading(kind, None, heard.reason)
    return Reading(kind, KINDS[kind].described(heard))


def lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a stream without their endings; of one that is too long, more than a string may have."""
    while line := stream.readline(_MAX_BYTES):
        rest = line
        while len(rest) == _MAX_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(_MAX_BYTES)
        if line.endswith(b"\n"):
            line = line[:-1].removesuffix(b"\r")
        yield line.decode("utf-8", "surrogateescape")  # as Python reads arguments


def _texts(strings: Iterable[str]) -> Iterator[str]:
    for text in strings:
        if text == _STDIN:
            yield from lines(sys.stdin.buffer)
        else:
            yield text
