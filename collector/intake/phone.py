"""A phone number as people type it, read as the one E.164 number it can mean, or as none.

Rules, in order (source: Meta's and Google's user-data pages, and the numbering plans of `phonenumbers`):
1. digits of every script count; letters, an extension ("ext. 5") and the trunk zero of "+44 (0)20" do not;
2. "+" or "00" in front says that it is international: it is read that way, valid or, with "+", of a possible
   length (numbering plans open ranges faster than tables follow);
3. else it is national to the first of the given countries where it is a valid number;
4. else its digits are international if they are valid with "+" in front;
5. else it is dropped. A number is never guessed: two numbers in one field, a text of more than 40 characters,
   or a national number of an unknown country, give none.
"""

import re
from collections.abc import Iterable
from typing import Final

import phonenumbers

from collector.intake.addresses import ascii_digits

# E.164 allows 15 digits; the longest international prefixes and trunk codes add a few. More is two numbers.
_MAX_DIGITS: Final = 22
_MAX_TEXT: Final = 40  # what is longer is not read at all, so that nobody can make it slow

_PLUS_SIGNS: Final = str.maketrans({"\uff0b": "+", "\ufe62": "+"})
_NOT_DIALLED: Final = re.compile(r"[^0-9+]")
_TRUNK_ZERO: Final = re.compile(r"[(\uff08\[]\s*0\s*[)\uff09\]]")
_EXTENSION: Final = re.compile(
    r"""(?: \b(?: ext(?:ension|n)? | xtn? | int(?:erno)? | anexo | poste | toestel | tst | durchwahl | dw )
          | (?<=[\d\s)]) (?: ext(?:ension|n)? | x ) | ;\s*ext= | [#;~] | ,, )
        [\s.:=#-]* \d{1,7} \s* $""",
    re.IGNORECASE | re.VERBOSE,
)


def e164(text: str, countries: Iterable[str]) -> str | None:
    """The number as "+" and digits, or None. `countries` (alpha-2) are tried in order for national forms."""
    if len(text) > _MAX_TEXT:
        return None
    tried = tuple(countries)
    written = _EXTENSION.sub("", ascii_digits(text).translate(_PLUS_SIGNS))
    found = _read(_TRUNK_ZERO.sub("", written), tried)
    # Where the zero belongs to the number (Italy: "+39 (0)6 ...") it is only valid with it.
    if found is None and _TRUNK_ZERO.search(written):
        found = _read(written, tried)
    return found or _possible(_NOT_DIALLED.sub("", _TRUNK_ZERO.sub("", written)))


def _read(written: str, countries: tuple[str, ...]) -> str | None:
    dialled = _NOT_DIALLED.sub("", written)
    digits = dialled.lstrip("+")
    if not digits or "+" in digits or len(digits) > _MAX_DIGITS:
        return None
    international = _valid("+" + digits.removeprefix("00"), None) if digits.startswith("00") else None
    if international or dialled.startswith("+"):
        return international or _valid("+" + digits, None)
    national = (_valid(digits, country) for country in countries)
    return next((number for number in national if number), None) or _valid("+" + digits, None)


def _possible(dialled: str) -> str | None:
    if not dialled.startswith("+") or dialled.count("+") > 1 or len(dialled) > _MAX_DIGITS:
        return None
    try:
        number = phonenumbers.parse(dialled, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _valid(dialled: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(dialled, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
