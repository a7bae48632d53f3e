"""What holds for every text: it is read or refused, and what is not read opts out."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consent.signals import gpp
from consent.signals.refusal import Refused
from tests.consent.signals import gpp_encoder
from tests.consent.signals.gpp_encoder import ALPHABET, LAYOUTS, PADDINGS, fibonacci, header, section, us
from tests.consent.signals.vectors import rows

REAL = [param.values[0]["gpp_string"] for param in rows("gpp", "vectors")]
TEXTS = (
    st.text(max_size=60)
    | st.text(ALPHABET + "~.", max_size=80)
    | st.text(ALPHABET + "~.", max_size=80).map(lambda rest: "DBABLA~" + rest)
    | st.text("01", max_size=60).map(lambda bits: f"{gpp_encoder.characters('000011000001' + bits)}~1YNN~x")
)
OPT_OUTS = ("SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(REAL))
    at = draw(st.integers(0, len(text)))
    cut = draw(st.integers(0, 3))
    return text[:at] + draw(st.text(ALPHABET + "~.=é", max_size=3)) + text[at + cut :]


@st.composite
def values(draw: st.DrawFn, prefix: str) -> dict[str, int | list[int]]:
    value = st.integers(0, 2)
    return {
        name: draw(value) if length == 1 else draw(st.lists(value, min_size=length, max_size=length))
        for name, length in LAYOUTS[prefix]["items"].items()
    }


def opts_out(described: dict[str, Any]) -> bool:
    """The rule of the fact sheet (3.3 and 3.4), read off the description."""
    sections = described["sections"]
    states = [stops(said) for prefix, said in sections.items() if prefix in LAYOUTS]
    sold = sections.get("uspv1", {}).get("OptOutSale") != "Y"
    return bool(described["unknown_section_ids"]) or any(states) or not sold


def stops(said: dict[str, Any]) -> bool:
    child = said["KnownChildSensitiveDataConsents"]
    children = child if isinstance(child, list) else [child]
    return bool(said.get("Gpc")) or 1 in [*children, *(said.get(name) for name in OPT_OUTS)]


@given(TEXTS | mutated())
def test_any_text_is_read_or_refused_and_opts_out_exactly_when_the_rule_says_so(text: str) -> None:
    heard = gpp.decode(text)
    expected = isinstance(heard, Refused) or opts_out(gpp.described(heard))
    assert (gpp.opts_out(heard, None) is not None) is expected


@given(st.sampled_from(sorted(LAYOUTS)), st.data())
def test_an_opt_out_cut_short_never_becomes_permission(prefix: str, data: st.DataObject) -> None:
    said = data.draw(values(prefix)) | {"SaleOptOut": 1}
    text = us(prefix, said, padding=data.draw(st.sampled_from(PADDINGS)))
    assert gpp.opts_out(gpp.decode(text[: data.draw(st.integers(0, len(text)))]), None) is not None


@given(st.data())
def test_what_is_written_is_what_is_read(data: st.DataObject) -> None:
    prefixes = data.draw(st.lists(st.sampled_from(sorted(LAYOUTS)), unique=True, max_size=4))
    prefixes.sort(key=lambda prefix: LAYOUTS[prefix]["id"])
    padding = data.draw(st.sampled_from(PADDINGS))
    said, texts = {}, {}
    for prefix in prefixes:
        gpc = data.draw(st.sampled_from([None, True, False])) if LAYOUTS[prefix]["gpc"] else None
        items = data.draw(values(prefix))
        texts[LAYOUTS[prefix]["id"]] = section(prefix, items, gpc=gpc, padding=padding)
        said[prefix] = gpp_encoder.expected(prefix, items, gpc=gpc)
    heard = gpp.decode(gpp_encoder.gpp(texts, padding=padding))
    assert isinstance(heard, gpp.GppString)
    assert gpp.described(heard) == {"section_ids": list(texts), "sections": said, "unknown_section_ids": []}


@given(st.lists(st.integers(24, 75_000), unique=True, max_size=12), st.sampled_from(PADDINGS))
def test_any_list_of_ids_is_read_back(numbers: list[int], padding: int) -> None:
    numbers.sort()
    heard = gpp.decode("~".join([header(numbers, padding=padding), *("x" for _ in numbers)]))
    assert isinstance(heard, gpp.GppString)
    assert list(heard.section_ids) == list(heard.unknown_section_ids) == numbers


@given(st.integers(1, 10**9))
def test_a_fibonacci_code_ends_at_its_first_two_ones(number: int) -> None:
    code = fibonacci(number)
    assert code.index("11") == len(code) - 2
