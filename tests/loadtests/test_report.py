"""Targets are met, missed, or not judged; and the docs page takes the result."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadtests.bench import Found, plan_from, result_of
from loadtests.consent_speed import ConsentSpeed, measure
from loadtests.report import BEGIN, END, Memory, passed, save, show, verdicts, write_page
from loadtests.rounds import Round

FAST = ConsentSpeed(59.9, 0.9, 7.9)
FLAT = [Memory(60_000, 80.0), Memory(110_000, 81.0), Memory(260_000, 82.0)]


def found(cpu_s: float = 0.1) -> Found:
    one = Round(1000, 1000, cpu_s, wall_s=0.5, p50_ms=1, p95_ms=2, p99_ms=3)
    bare = Round(1000, 1000, 0.04, wall_s=0.5, p50_ms=1, p95_ms=2, p99_ms=3)
    batch = Round(1000, 20_000, 0.8, wall_s=1, p50_ms=1, p95_ms=2, p99_ms=3)
    return Found([one] * 3, [bare] * 3, [one], [batch] * 5, FLAT, FAST)


def result(cpu_s: float = 0.1, *arguments: str) -> dict[str, Any]:
    return result_of(found(cpu_s), plan_from(["--seed", "1", *arguments])[0], (0, 1))


def test_everything_met() -> None:
    assert [verdict.met for verdict in verdicts(2.8, 22_000, FLAT, FAST)] == [True] * 7


@pytest.mark.parametrize(
    ("ratio", "events", "memory", "consent"),
    [
        (2.81, 22_000, FLAT, FAST),
        (2.0, 21_999, FLAT, FAST),
        (2.0, 30_000, [Memory(110_000, 90.5), Memory(200_000, 90.5)], FAST),
        (2.0, 30_000, [Memory(110_000, 70.0), Memory(200_000, 74.0)], FAST),
        (2.0, 30_000, FLAT, FAST._replace(decode_uncached_us=60.0)),
        (2.0, 30_000, FLAT, FAST._replace(decode_cached_us=1.0)),
        (2.0, 30_000, FLAT, FAST._replace(decide_us=8.0)),
    ],
    ids=["ratio", "batches", "size", "growth", "decoding", "remembering", "deciding"],
)
def test_each_target_can_be_missed_alone(
    ratio: float, events: float, memory: list[Memory], consent: ConsentSpeed
) -> None:
    judged = verdicts(ratio, events, memory, consent)
    assert [verdict.met for verdict in judged].count(False) == 1
    assert not passed(judged)


def test_memory_is_not_judged_before_200_000_events() -> None:
    judged = verdicts(2.0, 30_000, [Memory(100_000, 200.0), Memory(199_999, 300.0)], FAST)
    assert [verdict.met for verdict in judged] == [True, True, None, None, True, True, True]
    assert passed(judged)


def test_the_result_has_ratio_and_verdicts() -> None:
    made = result()
    assert made["ratio"] == pytest.approx(2.5)
    assert [verdict["met"] for verdict in made["verdicts"]] == [True] * 7


def test_a_quick_run_judges_nothing_and_says_so() -> None:
    made = result(0.9, "--quick")
    assert {verdict["met"] for verdict in made["verdicts"]} == {None}
    assert any("quick run" in remark for remark in made["remarks"])


def test_an_unsteady_machine_is_named() -> None:
    shaky = found()
    shaky.bare[0] = Round(1000, 1000, 0.09, wall_s=0.5, p50_ms=1, p95_ms=2, p99_ms=3)
    made = result_of(shaky, plan_from(["--seed", "1"])[0], (0, 1))
    assert any("not quiet" in remark for remark in made["remarks"])
    assert not any("not quiet" in remark for remark in result()["remarks"])


def test_a_person_is_told_what_was_missed() -> None:
    terminal = Console(record=True, width=160, file=None, quiet=False)
    with terminal.capture() as shown:
        show(result(0.2), terminal)
    assert "5.00 x" in shown.get()
    assert "MISSED" in shown.get()


def test_the_page_keeps_its_prose_and_takes_the_newest_table(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_page(result(0.2), page)
    write_page(result(), page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "2.50 x" in text
    assert "5.00 x" not in text
    assert "old" not in text


def test_a_page_without_the_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="marks"):
        write_page(result(), page)


def test_a_result_can_be_kept(tmp_path: Path) -> None:
    save(result(), tmp_path / "results" / "bench.json")
    assert b'"ratio"' in (tmp_path / "results" / "bench.json").read_bytes()


def test_the_page_of_the_docs_has_the_marks() -> None:
    text = (Path(__file__).parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")
    assert text.index(BEGIN) < text.index(END)


def test_the_consent_decision_is_measured_on_strings_that_are_read_and_statements_that_are_granted() -> None:
    assert all(microseconds > 0 for microseconds in measure())
