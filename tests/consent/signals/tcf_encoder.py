"""Writes TC strings, well-formed or not, from the layout in consent/signals/tcf.py and nothing of its code.

Vendors are ids or (from, to) pairs; pairs are written as ranges, in the order given. Bits are text of 0 and 1.
"""

from collections.abc import Iterable

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
NOV_2026 = 1_793_491_200_000  # 2026-11-01T00:00:00Z

Vendor = int | tuple[int, int]
Restriction = tuple[int, int, Iterable[Vendor]]  # purpose, type, vendors


def encode(
    *,
    purposes: Iterable[int] = (),
    purposes_li: Iterable[int] = (),
    vendors: Iterable[Vendor] = (),
    vendors_li: Iterable[Vendor] = (),
    disclosed: Iterable[Vendor] | None = (),
    allowed: Iterable[Vendor] | None = None,
    restrictions: Iterable[Restriction] = (),
    publisher: Iterable[int] | None = None,
    created: int = NOV_2026,
    updated: int | None = None,
    policy: int = 5,
    service_specific: bool = True,
    purpose_one_treatment: bool = False,
    cmp_id: int = 300,
    language: str = "EN",
    country: str = "BE",
    padding: int = 24,
) -> str:
    """A TC string of these segments; every field not given has a usual value."""
    moments = number(created // 100, 36) + number((created if updated is None else updated) // 100, 36)
    head = number(2, 6) + moments + number(cmp_id, 12) + number(1, 12) + number(1, 6)
    head += letters(language) + number(120, 12) + number(policy, 6) + number(service_specific, 1) + "0" * 13
    head += flags(purposes) + flags(purposes_li) + number(purpose_one_treatment, 1) + letters(country)
    listed = list(restrictions)
    limits = number(len(listed), 12) + "".join(
        number(purpose, 6) + number(kind, 2) + entries(whom) for purpose, kind, whom in listed
    )
    segments = [head + section(vendors) + section(vendors_li) + limits]
    segments += [number(kind, 3) + section(said) for kind, said in ((1, disclosed), (2, allowed)) if said is not None]
    if publisher is not None:
        segments.append(number(3, 3) + flags(publisher) + "0" * 24 + "0" * 6)
    return ".".join(text(segment, padding) for segment in segments)


def core(tail: str, cmp_id: int = 300) -> str:
    """The bits of a core up to PublisherCC, all purposes consented, and whatever comes after."""
    head = number(2, 6) + number(NOV_2026 // 100, 36) * 2 + number(cmp_id, 12) + "0" * 12 + "0" * 6 + letters("EN")
    return head + number(120, 12) + number(5, 6) + "10" + "0" * 12 + "1" * 24 + "0" * 25 + letters("BE") + tail


def number(value: int, width: int) -> str:
    return f"{value:0{width}b}"


def letters(pair: str) -> str:
    return "".join(number(ord(letter) - ord("A"), 6) for letter in pair)


def flags(chosen: Iterable[int], width: int = 24) -> str:
    numbers = set(chosen)
    return "".join("1" if one in numbers else "0" for one in range(1, width + 1))


def section(vendors: Iterable[Vendor]) -> str:
    """A vendor section: ranges as soon as one pair is given, else a bit field."""
    listed = list(vendors)
    highest = max((one if isinstance(one, int) else one[1] for one in listed), default=0)
    ids = {one for one in listed if isinstance(one, int)}
    if len(ids) == len(listed):
        return number(highest, 16) + "0" + flags(ids, highest)
    return number(highest, 16) + "1" + entries(listed)


def entries(vendors: Iterable[Vendor]) -> str:
    listed = list(vendors)
    return number(len(listed), 12) + "".join(
        "0" + number(one, 16) if isinstance(one, int) else "1" + number(one[0], 16) + number(one[1], 16)
        for one in listed
    )


def text(bits: str, padding: int = 24) -> str:
    """Bits as characters, filled up with zeros to a multiple of 6, 8 or 24 bits, as encoders do."""
    padded = bits + "0" * (-len(bits) % padding)
    padded += "0" * (-len(padded) % 6)
    return "".join(ALPHABET[int(padded[at : at + 6], 2)] for at in range(0, len(padded), 6))
