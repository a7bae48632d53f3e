"""Places as vendors want them: country codes, codes of US states, postal codes.

Pure look-ups over constant tables; nothing that was looked up is remembered. Three rules hold:
1. a value that names no place, or could name two, is None: a wrong match key is worse than none;
2. the US rules apply to a visitor in the US, or to an unmistakably American value of a visitor whose
   country is not known; never to somebody who says to live elsewhere;
3. text is compared without case, accents, spaces and punctuation, but never returned that way.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from collector.intake.country_names import COUNTRY_ROWS

# Codes of the two-letter kind that people and the EU use although ISO 3166-1 does not.
_USUAL_CODES: Final = {"uk": "GB", "el": "GR"}

# Signs that stand before a postal code in Europe and are not ISO codes: "B-1000", "A-1010".
_POSTAL_SIGNS: Final = {
    "a": "AT", "b": "BE", "d": "DE", "e": "ES", "f": "FR", "fl": "LI", "h": "HU", "i": "IT",
    "l": "LU", "n": "NO", "p": "PT", "s": "SE", "slo": "SI",
}  # fmt: skip

# The US and the territories that use its ZIP codes under an ISO code of their own.
_ZIP_COUNTRIES: Final = frozenset({"US", "AS", "GU", "MP", "PR", "VI"})

_DASHES: Final = r"-\u2010-\u2015\u2212"
_SIGNED_CODE: Final = re.compile(rf"([a-z]{{1,3}})(\s*[{_DASHES}]\s*|\s+)(\d{{3}}.*|\d{{2}}[{_DASHES}\s]\d{{3}})")
_ZIP: Final = re.compile(rf"(\d{{5}})[{_DASHES}\s]*(?:\d{{4}})?")
_ZIP_PLUS_4: Final = re.compile(rf"(\d{{5}})\s*[{_DASHES}\s]\s*\d{{4}}")

_US_STATES: Final = """
AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware
DC District of Columbia|DC Washington DC|DC Washington District of Columbia|FL Florida|GA Georgia|HI Hawaii
ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|KY Kentucky|LA Louisiana|ME Maine|MD Maryland
MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|MO Missouri|MT Montana|NE Nebraska|NV Nevada
NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York|NY New York State|NC North Carolina|ND North Dakota
OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania|RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee
TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington|WA Washington State|WV West Virginia|WI Wisconsin
WY Wyoming|AS American Samoa|GU Guam|MP Northern Mariana Islands|PR Puerto Rico|VI US Virgin Islands
VI Virgin Islands|AA Armed Forces Americas|AE Armed Forces Europe|AP Armed Forces Pacific
"""


def ascii_digits(text: str) -> str:
    """Writes every decimal digit of any script (Arabic-Indic, full-width, ...) as 0-9; the rest stays."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)


def _folded(text: str) -> str:
    """The form in which names are compared: letters only, no case, no accents, "&" read as "and".

    The dotless i of Turkish is an i; modifier letters (category Lm) are apostrophes by another name.
    """
    spelled = unicodedata.normalize("NFKD", text.replace("&", "and")).casefold().replace("\u0131", "i")
    plain = unicodedata.normalize("NFKD", spelled)
    return "".join(char for char in plain if char.isalpha() and unicodedata.category(char) != "Lm")


def _country_names() -> Iterator[tuple[str, str]]:
    for row in COUNTRY_ROWS.strip().splitlines():
        alpha2, alpha3, names = row.split(" ", 2)
        yield from ((_folded(name), alpha2) for name in (alpha2, alpha3, *names.split("|")))


def _state_names() -> Iterator[tuple[str, str]]:
    for entry in _US_STATES.strip().replace("\n", "|").split("|"):
        code, name = entry.split(" ", 1)
        yield from ((_folded(code), code), (_folded(name), code))


_COUNTRIES: Final[Mapping[str, str]] = MappingProxyType({**dict(_country_names()), **_USUAL_CODES})
_STATES: Final[Mapping[str, str]] = MappingProxyType(dict(_state_names()))


def country_code(text: str) -> str | None:
    """ISO 3166-1 alpha-2, upper-case, of a code (alpha-2, alpha-3, UK, EL) or a name; else None."""
    return _COUNTRIES.get(_folded(text))


def us_state(text: str) -> str | None:
    """The USPS two-letter code, upper-case, of a US state, DC, territory or military "state"; else None.

    Takes codes, names ("Washington, D.C.") and ISO 3166-2 ("US-CA").
    """
    name = _folded(text)
    return _STATES.get(name) or _STATES.get(name.removeprefix("us"))


def postal_code(text: str, country: str | None) -> str | None:
    """A postal code as Meta matches it: lower-case letters and digits, US codes cut to five digits.

    `country` is the visitor's own (alpha-2) or None. A country sign in front goes ("B-1000" is 1000), but one
    that contradicts `country` makes the value worthless: None. So does a US code that has not 5 or 9 digits.
    Source: Meta, customer information parameters (zp).
    """
    code = ascii_digits(text).strip().lower()
    signed = _SIGNED_CODE.fullmatch(code)
    if signed:
        sign, separator, rest = signed.groups()
        signed_for = _POSTAL_SIGNS.get(sign) or _COUNTRIES.get(sign)
        if signed_for and country in {None, signed_for}:
            code = rest
        elif signed_for and separator.strip():
            return None
    if country is None or country in _ZIP_COUNTRIES:
        zip_code = (_ZIP if country else _ZIP_PLUS_4).fullmatch(code)
        if zip_code or country:
            return zip_code and zip_code[1]
    return "".join(char for char in code if char.isalnum()) or None
