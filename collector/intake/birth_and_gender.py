"""A date of birth and a gender as the codes that Meta compares.

Pure. A date that can be read in two ways, or a word that does not say female or male, is None.
Source: Meta, "Customer information parameters" (db: YYYYMMDD; ge: f or m).
"""

import re
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from collector.intake.addresses import ascii_digits

# Outside these years it is a typing error or a placeholder such as 0001-01-01, and no customer.
_YEARS: Final = range(1900, 2100)

# Midnight is how a date becomes a timestamp. At any other time it may be another day elsewhere.
_MIDNIGHT: Final = r"(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_COMPACT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)")
_YEAR_FIRST: Final = re.compile(rf"(\d{{4}})\s*([-/.])\s*(\d\d?)\s*\2\s*(\d\d?){_MIDNIGHT}", re.IGNORECASE)
_YEAR_LAST: Final = re.compile(r"(\d\d?)\s*([-/.])\s*(\d\d?)\s*\2\s*(\d{4})")

_GENDER_WORDS: Final = {
    "f": "f female woman girl lady feminine v vrouw vrouwelijk w weiblich frau femme fille féminin "
    "femenino feminino mujer mulher donna femmina femminile kobieta kvinna kvinde kvinne nainen kad\u0131n",
    "m": "m male man boy gentleman masculine mannelijk mann männlich homme garçon masculin "
    "masculino hombre homem uomo maschio maschile mężczyzna mies erkek",
}
_GENDERS: Final[Mapping[str, str]] = MappingProxyType(
    {word: code for code, words in _GENDER_WORDS.items() for word in words.split()}
)


def birth_date(text: str) -> str | None:
    """YYYYMMDD of an ISO date, or of day/month/year in either order where only one order gives a date.

    "02/03/1997" is two dates and therefore None, "05/05/1990" is one; two-digit years are None.
    """
    digits = ascii_digits(text).strip()
    if match := _COMPACT.fullmatch(digits):
        return _day(match[1], match[2], match[3])
    if match := _YEAR_FIRST.fullmatch(digits):
        return _day(match[1], match[3], match[4])
    if match := _YEAR_LAST.fullmatch(digits):
        first, second, year = match[1], match[3], match[4]
        readings = {_day(year, first, second), _day(year, second, first)} - {None}
        return readings.pop() if len(readings) == 1 else None
    return None


def gender(text: str) -> str | None:
    """The code f or m of a word in the usual European languages; None for all others, which have no code."""
    return _GENDERS.get(text.strip().rstrip(".").lower())


def _day(year: str, month: str, day: str) -> str | None:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found.strftime("%Y%m%d") if found.year in _YEARS else None
