"""`sluis consent decode` against every vector, and against whatever else may come on a line."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from collector.__main__ import build
from collector.commands import consent_decode, consent_reading
from collector.commands.consent_decode import KINDS, MAX_CHARACTERS, Kind
from consent.signals.refusal import Refusal
from docs.markdown import meanings
from tests.consent.signals.vectors import FOLDER, written
from tests.support.stack import SLUIS

VALID = [
    ("tcf", "tcf", "vectors", "tc_string"),
    ("gpp", "gpp", "vectors", "gpp_string"),
    ("gcd", "consent_misc", "gcd", "gcd"),
    ("gcs", "consent_misc", "gcs", "gcs"),
    ("tcfd", "consent_misc", "tcfd", "tcfd"),
    ("ac", "consent_misc", "ac_string", "addtl_consent"),
    ("usp", "consent_misc", "us_privacy", "us_privacy"),
]
INVALID = [
    ("tcf", "consent_malformed", "tcf", "tc_string"),
    ("gpp", "consent_malformed", "gpp", "gpp_string"),
    ("gcd", "consent_misc", "gcd_invalid", ""),
    ("gcs", "consent_misc", "gcs_invalid", ""),
    ("ac", "consent_misc", "ac_string_invalid", ""),
    ("usp", "consent_misc", "us_privacy_invalid_deny", ""),
]
TC = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"


def vectors(file: str, part: str) -> list[Any]:
    rows: list[Any] = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))[part]
    assert rows
    return rows


def texts(file: str, part: str, name: str) -> list[str]:
    return [written(row, name) if name else row for row in vectors(file, part)]


def decode(*arguments: str, stdin: bytes | None = None) -> Result:
    points = entry_points(group="sluis.commands", name="consent")
    return CliRunner().invoke(build(tuple(points)), ["consent", "decode", *arguments], input=stdin)


def answers(done: Result) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_lines(strings: Sequence[str]) -> bytes:
    return "".join(f"{text}\n" for text in strings).encode()


def refusals(done: Result) -> list[str]:
    """The codes, where every answer is one."""
    found = answers(done)
    assert [list(one) for one in found] == [["refused"]] * len(found)
    return [one["refused"] for one in found]


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize(("kind", "file", "part", "name"), VALID)
def test_every_vector_is_said_with_its_own_field_names_whether_its_kind_is_named_or_recognised(
    kind: str, file: str, part: str, name: str, is_named: bool
) -> None:
    options = ["--kind", kind] if is_named else []
    done = decode("-", "--json", *options, stdin=as_lines(texts(file, part, name)))
    assert answers(done) == [row["expected"] for row in vectors(file, part)]
    assert done.exit_code == 0


@pytest.mark.parametrize(("kind", "file", "part", "name"), INVALID)
def test_every_malformed_vector_is_refused_and_the_exit_code_says_so(
    kind: str, file: str, part: str, name: str
) -> None:
    strings = texts(file, part, name)
    done = decode("--json", "--kind", kind, "--", *strings)
    assert len(refusals(done)) == len(strings)
    assert set(refusals(done)) <= {one.value for one in Refusal}
    assert done.exit_code == 1


def test_without_a_kind_a_malformed_vector_is_read_only_where_it_is_a_good_string_of_another_kind() -> None:
    read = set()
    for kind, file, part, name in INVALID:
        strings = texts(file, part, name)
        found = answers(decode("--json", "--", *strings))
        good = [text for text, said in zip(strings, found, strict=True) if "refused" not in said]
        read |= {(kind, str(consent_decode.read(text).kind)) for text in good}
    assert read == {("tcf", "usp"), ("gpp", "usp"), ("gpp", "tcf"), ("gcd", "gcs")}


@pytest.mark.parametrize(("kind", "file", "part", "name"), VALID)
def test_every_vector_can_be_shown_to_people(kind: str, file: str, part: str, name: str) -> None:
    strings = texts(file, part, name)
    done = decode("-", stdin=as_lines(strings))
    assert done.exit_code == 0
    assert done.stdout.splitlines().count(consent_reading.TITLES[kind]) == len(strings)


def test_only_the_line_ending_is_removed() -> None:
    done = decode("-", "--json", stdin=b"1YNN\r\n1YNN\n1YNN \n 1YNN\n1YNN\r\r\n1YNN\t\n\xef\xbb\xbf1YNN\n1YNN\r")
    assert ["notice" in one for one in answers(done)] == [True, True, *[False] * 6]


def test_an_empty_line_is_an_empty_string_and_the_last_line_needs_no_ending() -> None:
    done = decode("-", "--json", stdin=b"\n\r\n1YNN")
    assert [one.get("refused", "read") for one in answers(done)] == ["empty", "empty", "read"]
    assert refusals(decode("--json", "--kind", "tcf", "")) == ["empty"]
    nothing = decode("-", "--json", stdin=b"")
    assert (nothing.stdout, nothing.exit_code) == ("", 0)


def test_bytes_that_are_no_text_are_refused_and_the_next_line_is_read() -> None:
    done = decode("-", "--json", stdin=b"C\xff\xfe\n1~\xe9\nG1\xc3\xa91\nD\x00\n\xf0\x28\x8c\x28\n1YNN\n")
    *refused, read = answers(done)
    assert [one["refused"] for one in refused] == [
        "bad_alphabet",
        "bad_alphabet",
        "bad_value",
        "bad_alphabet",
        "unrecognised",
    ]
    assert read == {"notice": "Y", "opt_out_sale": "N", "lspa": "N"}


@pytest.mark.parametrize("kind", [None, *Kind])
def test_a_line_of_a_megabyte_is_refused_quickly_and_does_not_swallow_the_next(kind: Kind | None) -> None:
    options = [] if kind is None else ["--kind", kind.value]
    began = process_time()
    done = decode("-", "--json", *options, stdin=b"C" * 1_000_000 + b"\n\n" + b"\xf0\x9f\x92\xa9" * 20_000)
    assert refusals(done) == ["too_long", "empty", "too_long"]
    assert process_time() - began < 1.0


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("character", ["C", "é", "💩"])
def test_the_longest_string_is_looked_at_and_one_character_more_is_not(character: str, ending: bytes) -> None:
    longest = (character * MAX_CHARACTERS).encode() + ending
    assert list(consent_decode.lines(BytesIO(longest))) == [character * MAX_CHARACTERS]
    (longer,) = consent_decode.lines(BytesIO(character.encode() + longest))
    assert len(longer) > MAX_CHARACTERS
    assert consent_decode.read(longer).refused == "too_long"


@given(st.binary(max_size=40) | st.text("CDG12~-YN0.\r\n\x00é", max_size=40).map(str.encode))
def test_whatever_is_on_stdin_each_line_has_one_answer(raw: bytes) -> None:
    read = list(consent_decode.lines(BytesIO(raw)))
    assert len(read) == len(raw.split(b"\n")) - raw.endswith(b"\n") if raw else read == []
    for text in read:
        for kind in (None, *Kind):
            reading = consent_decode.read(text, kind)
            assert (reading.said is None) is (reading.refused is not None)


def test_strings_are_taken_as_arguments_in_their_order_and_a_dash_stands_for_stdin() -> None:
    done = decode("--json", "--", "1YYN", "-", "-abc", "G100", stdin=b"1NNN\n")
    assert [one.get("opt_out_sale") or one.get("refused") for one in answers(done)] == ["Y", "N", "unrecognised", None]
    assert done.exit_code == 1


def test_a_line_feed_within_an_argument_is_part_of_the_string() -> None:
    assert refusals(decode("--json", "1YN\n", "1YNN\n", "13r3r3r3r5l1\n")) == ["unrecognised"] * 3


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TC, Kind.TCF),
        ("DBAA", Kind.GPP),
        ("DBABT~1YNN", Kind.GPP),
        ("1~", Kind.AC),
        ("2~1~dv.", Kind.AC),
        ("G1--", Kind.GCS),
        ("1---", Kind.USP),
        ("13r3r3r3r5", Kind.GCD),
        ("13r3r3r3r5l1", Kind.GCD),
        ("17T53", Kind.TCFD),
        ("3~1", None),
        ("G2--", None),
        ("1yNN", None),
        ("13r3r3r3r5l", None),
        ("BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", None),
        ("null", None),
    ],
)
def test_a_string_is_recognised_by_its_form(text: str, kind: Kind | None) -> None:
    assert consent_decode.read(text).kind is kind
    assert sum(reader.form.fullmatch(text) is not None for reader in KINDS.values()) == (kind is not None)


def test_a_named_kind_is_not_second_guessed() -> None:
    assert refusals(decode("--json", "--kind", "tcf", "1YNN")) == ["bad_version"]
    assert refusals(decode("--json", "--kind", "gpp", TC)) == ["bad_form"]


def test_the_command_says_how_it_is_used() -> None:
    assert decode().exit_code == 2
    assert decode("--kind", "xml", "1YNN").exit_code == 2


def test_people_see_purposes_by_name_dates_and_shortened_lists() -> None:
    by_id = {row["id"]: row["tc_string"] for row in vectors("tcf", "vectors")}
    shown = decode(by_id["lib23-000"]).stdout
    for line in (
        "created                    2026-03-01",
        "purposes_consent           1 storage and access on the device",
        "publisher_restrictions     purpose 8 with consent only: 1-200",
        "allowed_vendors            absent",
    ):
        assert f"  {line}" in shown
    many = "2~" + ".".join(map(str, range(1, 31))) + "~dv"
    assert "11, 12 and 18 more" in decode(many).stdout
    assert "disclosed  none" in decode(many).stdout


def test_people_see_what_answers_mean() -> None:
    assert "opt_out_sale  does not apply" in decode("1---").stdout
    section = decode("DBABL~CVVVVVVVVVVU").stdout
    assert "1 opted out" in section
    google = decode("13r3p3p3p5l1").stdout
    assert "granted, the visitor's act" in google
    assert google.count("the visitor's act") == 1


def test_a_refusal_is_said_in_words_and_quotes_nothing() -> None:
    shown = decode("CQ[red]secret", "hello secret", "--kind", "tcf").stdout
    assert shown.splitlines() == [
        "TC string refused: it holds a character that the format does not have (bad_alphabet)",
        "TC string refused: it holds a character that the format does not have (bad_alphabet)",
    ]
    assert decode("nothing known").stdout.startswith("String refused: it looks like none of the kinds")


def test_every_code_has_its_words() -> None:
    codes = meanings(Refusal)
    assert set(consent_reading.REFUSALS) == {*codes, consent_decode.UNRECOGNISED}
    assert set(consent_reading.TITLES) == set(Kind)


def sluis(folder: Path, *arguments: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """The real command, in a folder without a configuration."""
    return subprocess.run(
        [SLUIS, "consent", "decode", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        cwd=folder,
        env={"PATH": os.defpath, **variables},
        timeout=60,
    )


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}, {"PYTHONUTF8": "0", "LC_ALL": "POSIX"}])
def test_the_real_command_needs_no_configuration_and_reads_bytes_in_any_locale(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    rows = vectors("tcf", "vectors")
    strings = as_lines([row["tc_string"] for row in rows])
    done = sluis(tmp_path, "-", "--json", stdin=strings + b"C\xff\xe9\n\n", **variables)
    *read, alphabet, empty = [json.loads(line) for line in done.stdout.splitlines()]
    assert read == [row["expected"] for row in rows]
    assert (alphabet, empty) == ({"refused": "bad_alphabet"}, {"refused": "empty"})
    assert (done.returncode, done.stderr) == (1, b"")
    argument = sluis(tmp_path, "--json", os.fsdecode(b"C\xff"), **variables)
    assert (argument.stdout, argument.returncode) == (b'{"refused":"bad_alphabet"}\n', 1)
    people = sluis(tmp_path, os.fsdecode(b"C\xff"), TC, **variables)
    assert (people.returncode, people.stderr) == (1, b"")


def test_each_answer_comes_before_the_next_string_is_asked_for(tmp_path: Path) -> None:
    with subprocess.Popen(
        [SLUIS, "consent", "decode", "--json", "-"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for text, answer in ((b"G100\n", b"denied"), (b"x\n", b"unrecognised"), (b"G1--\n", b"unset")):
            running.stdin.write(text)
            running.stdin.flush()
            assert answer in running.stdout.readline()
        running.stdin.close()
        assert running.wait(timeout=20) == 1


def test_decoding_loads_neither_store_nor_keys() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from importlib.metadata import entry_points; "
        "from collector.__main__ import build; "
        "app = build(tuple(entry_points(group='sluis.commands', name='consent'))); "
        "done = CliRunner().invoke(app, ['consent', 'decode', 'G100']); assert done.exit_code == 0; "
        "print(*sorted(name for name in sys.modules if name in "
        "('redis', 'cryptography', 'starlette', 'structlog', 'collector.store', 'collector.intake')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
