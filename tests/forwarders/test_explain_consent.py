"""`sluis explain` says who decided each purpose, and on what evidence; the policy cases of TCF through the pipeline."""

from datetime import datetime
from typing import Any

import pytest

from tests.consent.signals.vectors import rows
from tests.forwarders.test_explain import one

PAGE = "page_view"
CASES = [parameter.values[0] for parameter in rows("consent_misc", "tcf_policy")]
ADS = ("ad_storage", "ad_user_data", "ad_personalization")


def case(row: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """An event with the strings of a policy case and the site's own choice of analytics, and the moment of the case."""
    names = {"tc_string": "tc_string", "gdpr_applies": "gdpr_applies", "addtl_consent": "additional_consent"}
    said = {field: row[name] for name, field in names.items() if row.get(name) is not None}
    now_ms = int(datetime.fromisoformat(row["now"]).timestamp() * 1000)
    statement = {"analytics_storage": "granted", "decided_at": now_ms, **said}
    return {"name": PAGE, "client_id": "1.2", "consent": statement}, str(now_ms)


@pytest.mark.parametrize("row", CASES, ids=lambda row: f"{row['id']} {row['note']}")
def test_a_policy_case_opens_exactly_what_it_says(row: dict[str, Any]) -> None:
    event, now = case(row)
    explained = one(event, "--now", now)
    google = explained["decision"]["granted"]["google"]
    opened = {purpose: purpose in google for purpose in ADS} | {
        "meta": explained["destinations"]["meta"]["outcome"] == "queued"
    }
    assert opened == (row["expected"]["google_and_meta"] or dict.fromkeys(opened, False))
    assert explained["destinations"]["ga4"]["outcome"] == "queued"


def test_each_answer_names_its_signal_and_its_reason() -> None:
    row = next(row for row in CASES if row["note"] == "malformed AC string: Google unaffected, Meta refused")
    event, now = case(row)
    event["consent"]["us_privacy"] = "1YNN"
    decision = one(event, "--now", now)["decision"]
    assert decision["answers"]["google"]["ad_storage"] == {"granted": True, "signal": "tcf", "reason": None}
    assert decision["answers"]["google"]["analytics_storage"] == {"granted": True, "signal": "site", "reason": None}
    refused = {"granted": False, "signal": "tcf", "reason": "tcf_not_granted"}
    assert decision["answers"]["meta"]["ad_user_data"] == refused


def test_evidence_is_a_keyed_digest_with_version_and_date_and_never_the_string() -> None:
    row = CASES[0]
    event, now = case(row)
    event["consent"]["gpp_string"] = "DBAA"
    explained = one(event, "--now", now)
    evidence = {said["signal"]: said for said in explained["decision"]["evidence"]}
    assert list(evidence) == ["site", "tcf", "additional_consent", "gpp"]
    assert evidence["tcf"]["version"].startswith("2, policy ")
    assert datetime.fromisoformat(evidence["tcf"]["at"]) <= datetime.fromisoformat(row["now"])
    assert len(evidence["tcf"]["digest"]) == 32
    assert row["tc_string"] not in str(explained)
    again = {said["signal"]: said for said in one(event, "--now", now)["decision"]["evidence"]}
    assert again["tcf"]["digest"] != evidence["tcf"]["digest"], "keys are thrown away"
