"""A consent string for people: field by field, purposes by name, times as dates, long lists cut short.

What is shown comes from the decoders' plain JSON, never from the string itself. Names of purposes are ours, short;
the full texts are in IAB Europe's TCF policies, appendix A.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console as Terminal
from rich.table import Table

_SHOWN: Final = 12  # entries of a long list
_DAY_MS: Final = 86_400_000
_INDENT: Final = "  "

REFUSALS: Final = {
    "empty": "nothing at all, or an empty part",
    "too_long": "longer than any real string; it was not looked at",
    "bad_alphabet": "it holds a character that the format does not have",
    "bad_form": "parts are missing, or stand where they may not",
    "bad_version": "a version that is not read here",
    "truncated": "it ends before its own fields do",
    "trailing_data": "something other than zero padding follows its fields",
    "bad_segment": "an unknown, repeated or misplaced segment",
    "bad_range": "a range runs backwards, or beyond its own maximum",
    "bad_value": "a field holds a value that is reserved or impossible",
    "unrecognised": "it looks like none of the kinds; --kind says which it should be",
}
"""What a code means, for people."""

TITLES: Final = {
    "tcf": "TC string",
    "gpp": "GPP string",
    "ac": "Additional consent string",
    "usp": "US Privacy string",
    "gcs": "Google consent state (gcs)",
    "gcd": "Google consent details (gcd)",
    "tcfd": "Google's TCF details (tcfd)",
}
_PURPOSES: Final = {
    1: "storage and access on the device",
    2: "ads from limited data",
    3: "profiles for ads",
    4: "ads from profiles",
    5: "profiles for content",
    6: "content from profiles",
    7: "ad measurement",
    8: "content measurement",
    9: "audience statistics",
    10: "development of services",
    11: "content from limited data",
}
_SPECIAL_FEATURES: Final = {1: "precise geolocation", 2: "active scanning of the device"}
_RESTRICTIONS: Final = {
    0: "not allowed",
    1: "with consent only",
    2: "by legitimate interest only",
    3: "of an undefined type",
}
_LETTERS: Final = {"Y": "yes", "N": "no", "-": "does not apply"}
_ANSWERS: Final = (  # of the US sections, by how an item's name ends
    ("Notice", ("does not apply", "given", "not given")),
    ("OptOut", ("does not apply", "opted out", "did not opt out")),
    ("Consents", ("does not apply", "no consent", "consent")),
    ("Consent", ("does not apply", "no consent", "consent")),
)
Row = tuple[str, str]


def show_reading(kind: str, said: Mapping[str, Any]) -> None:
    """Print what one string says."""
    show_fields(TITLES[kind], rows(said))


def show_refusal(kind: str | None, code: str) -> None:
    """Print why one string says nothing."""
    title = "String" if kind is None else TITLES[kind]
    show_fields(f"{title} refused: {REFUSALS[code]} ({code})", ())


def show_fields(title: str, fields: Iterable[Row]) -> None:
    """Print a title and, aligned below it, its fields."""
    terminal = Terminal(markup=False, highlight=False, emoji=False)
    terminal.print(title, style="bold", soft_wrap=True)
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in fields:
        table.add_row(_INDENT + name, value)
    if table.row_count:
        terminal.print(table)


def moment(milliseconds: int) -> str:
    """Epoch milliseconds as RFC 3339."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rows(said: Mapping[str, Any], indent: str = "") -> Iterator[Row]:
    """Field and value, in the order of the decoder; what lies within a field is indented."""
    for name, value in said.items():
        label = indent + name.removesuffix("_ms")
        if isinstance(value, dict) and "effective" not in value:
            yield label, ""
            yield from rows(value, indent + _INDENT)
        else:
            yield label, _shown(name, value)


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in _BY_NAME:
        return _BY_NAME[name](value)
    if isinstance(value, dict):
        return _google_signal(value)
    if isinstance(value, list):
        return _shortened([_answer(name, one) for one in value])
    return _answer(name, value)


def _date(milliseconds: int) -> str:
    """Dates in TC strings are rounded to the day; older ones are not."""
    text = moment(milliseconds)
    return text if milliseconds % _DAY_MS else text[:10]


def _vendors(ranges: Sequence[Sequence[int]]) -> str:
    """[[1, 1], [3, 9]] as "1, 3-9"; a long list ends in how many there are."""
    count = sum(last - first + 1 for first, last in ranges)
    shown = _shortened([str(first) if first == last else f"{first}-{last}" for first, last in ranges])
    return shown if len(ranges) <= _SHOWN else f"{shown} ({count:,} vendors)"


def _purposes(numbers: Sequence[int]) -> str:
    return _named(numbers, _PURPOSES)


def _special_features(numbers: Sequence[int]) -> str:
    return _named(numbers, _SPECIAL_FEATURES)


def _named(numbers: Sequence[int], names: Mapping[int, str]) -> str:
    """One a line: a sentence's worth of commas cannot be scanned."""
    return "\n".join(f"{number} {names.get(number, '')}".rstrip() for number in numbers) or "none"


def _restrictions(restrictions: Sequence[Mapping[str, Any]]) -> str:
    return (
        "\n".join(
            f"purpose {one['purpose_id']} {_RESTRICTIONS[one['restriction_type']]}: {_vendors(one['vendors'])}"
            for one in restrictions
        )
        or "none"
    )


def _google_signal(signal: Mapping[str, Any]) -> str:
    """What takes effect, and where it comes from."""
    sources = ("update", "default", "declare", "implicit", "delegation")
    act = ", the visitor's act" if signal["explicit_grant"] else ""
    return f"{signal['effective']}{act} ({', '.join(f'{name} {signal[name]}' for name in sources)})"


def _answer(name: str, value: Any) -> str:
    if isinstance(value, str):
        return _LETTERS.get(value, value)
    words = next((words for ending, words in _ANSWERS if name.endswith(ending)), ())
    return f"{value} {words[value]}" if value < len(words) else str(value)


def _shortened(entries: Sequence[str]) -> str:
    rest = len(entries) - _SHOWN
    return (", ".join(entries[:_SHOWN]) or "none") + (f" and {rest:,} more" if rest > 0 else "")


_BY_NAME: Final[Mapping[str, Callable[[Any], str]]] = {
    "created_ms": _date,
    "last_updated_ms": _date,
    "special_feature_opt_ins": _special_features,
    "purposes_consent": _purposes,
    "purposes_li": _purposes,
    "vendor_consent": _vendors,
    "vendor_li": _vendors,
    "disclosed_vendors": _vendors,
    "allowed_vendors": _vendors,
    "publisher_restrictions": _restrictions,
}
