"""Scenarios a lawyer can read: tests/fixtures/consent/*.json, and what the code says about each.

In `expect` each recipient has its purposes, each either "granted" or the reason why it is not. `ad_*` stands for the
three advertising purposes, `*` for all purposes not named. `but_if` is the control: the same scenario with one thing
changed, so that a refusal is shown to rest on that one thing. `writes` is what the ledger is told, null for nothing.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from consent.hearing import Hearing, hear
from consent.model import ADS, Choice, Decision, Purpose, Regime, Source, purposes
from consent.policy import ConsentSource, Notice, SitePolicy
from consent.signals import site
from consent.signals.site import Statement

FOLDER = Path(__file__).parents[1] / "fixtures" / "consent"
GRANTED = "granted"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHANGED_BY_CONTROL = ("policy", "batch", "statement", "headers", "recorded", "regions", "now", "expect")


@dataclass(frozen=True)
class Scenario:
    """One row of a fixture, with what its file says for all rows."""

    title: str
    said: dict[str, Any]

    @property
    def policy(self) -> SitePolicy:
        return policy_of(self.said["policy"])

    @property
    def now_ms(self) -> int:
        return moment(self.said["now"])

    def statement(self) -> Statement | None:
        return self.hear().statement

    def decide(self) -> Decision:
        return self.hear().decision

    def hear(self) -> Hearing:
        latest = [row and Choice(moment(row["decided_at"]), granted(row)) for row in self.said.get("recorded", [])]
        return hear(
            site.combine(self.said.get("batch"), self.said.get("statement")),
            self.said.get("headers", {}).get("Sec-GPC"),
            self.policy,
            self.now_ms,
            latest=latest,
            regions=self.said.get("regions", ()),
        )

    def expected(self) -> dict[str, dict[str, str]]:
        return {name: _every_purpose(said) for name, said in self.said["expect"].items()}


def answers(scenario: Scenario) -> dict[str, dict[str, str]]:
    """For every recipient and purpose "granted", or why not."""
    decision = scenario.decide()
    return {
        name: {
            purpose: GRANTED if purpose in given else decision.why_not(name, frozenset({purpose}))
            for purpose in Purpose
        }
        for name, given in decision.granted.items()
    }


def granted(row: dict[str, Any]) -> dict[str, frozenset[Purpose]]:
    return {name: purposes(names) for name, names in row["granted"].items()}


def moment(value: str | int) -> int:
    """Epoch milliseconds, worked out here and not by the code under test."""
    if isinstance(value, int):
        return value
    return (datetime.fromisoformat(value) - _EPOCH) // timedelta(milliseconds=1)


def policy_of(said: dict[str, Any]) -> SitePolicy:
    return SitePolicy(
        site="shop",
        establishment=said["establishment"],
        consent_source=ConsentSource(said["consent_source"]),
        recipients=frozenset(said["recipients"]),
        elsewhere=Regime(said.get("elsewhere", "opt_in")),
        choice_max_age_days=said.get("choice_max_age_days", 183),
        grants=frozenset(Source(name) for name in said.get("grants", ["tcf"])),
        requires=frozenset(Source(name) for name in said.get("requires", [])),
        tcf_analytics=said.get("tcf_analytics", False),
        since={name: moment(when) for name, when in said.get("since", {}).items()},
        notices=tuple(
            Notice(version=one["version"], recipients=frozenset(one["recipients"])) for one in said.get("notices", [])
        ),
    )


def read_scenarios() -> list[Scenario]:
    """Every row of every file, `recheck.json` apart; each control is a row too."""
    files = sorted(path for path in FOLDER.glob("*.json") if path.name != "recheck.json")
    return [scenario for path in files for scenario in _of_file(path)]


def refusals_with_control() -> list[tuple[Scenario, Scenario]]:
    rows = {scenario.title: scenario for scenario in read_scenarios()}
    return [(rows[row.title.split(" | but if ")[0]], row) for row in rows.values() if " | but if " in row.title]


def _of_file(path: Path) -> list[Scenario]:
    file = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for row in file["scenarios"]:
        said = {"now": file["now"], **row, "policy": file["policy"] | row.get("policy", {})}
        title = f"{path.stem}: {row['title']}"
        found.append(Scenario(title, said))
        control = row.get("but_if")
        if control is not None:
            changed = {key: control[key] for key in _CHANGED_BY_CONTROL if key in control}
            changed["policy"] = said["policy"] | control.get("policy", {})
            kept = {key: value for key, value in said.items() if key not in ("writes", "destinations", "regime")}
            found.append(Scenario(f"{title} | but if {control['because']}", kept | changed))
    return found


def _every_purpose(said: dict[str, str]) -> dict[str, str]:
    expected = {}
    for purpose in Purpose:
        group = "ad_*" if purpose in ADS and "ad_*" in said else "*"
        expected[purpose.value] = said.get(purpose, said.get(group, ""))
    return expected
