"""The receipt of an act: what it states, whom it names, and the list of recipients to notify."""

from typing import Any

import pytest

from collector.intake.domains import Mac
from collector.intake.receipt import Act, NothingShown, notify, proofs, receipt, takes_back
from collector.intake.site import Site
from collector.web.sites import Sites
from consent import evidence
from consent.model import ADS, EVERYTHING, NOTHING, Choice, Purpose, Regime
from tests.collector.intake.shop import DAY_MS, NOW_MS, configured
from tests.collector.test_settings import META, MINIMAL

ANALYTICS = frozenset({Purpose.ANALYTICS_STORAGE})
KEY = Mac(b"k" * 32)
TC_STRING = "CQgYw8AQgYw8A__AHAELAwFgAIAAAEJAACiQE5wAQE5glfABgkiCV4ARCADAAEAyCQAGAR4CrAAA.IF5wAQF5gAAA.c-wAAEQAAAAA"
NOBODY = {"google": NOTHING, "meta": NOTHING}


def a_site(establishment: str = "BE", elsewhere: str = "opt_in") -> Site:
    toml = MINIMAL.replace('establishment = "BE"', f'establishment = "{establishment}"\nelsewhere = "{elsewhere}"')
    (made,) = Sites(configured(toml + META)).all
    assert made.policy.establishment == establishment
    return made


OPT_OUT = a_site("US", "opt_out")


def act(site: Site | None = None, before: list[Choice | None] | None = None, **changes: Any) -> Act:
    """Everything granted, two minutes ago, unless said otherwise."""
    stated = {
        "id": "0" * 32,
        "site": site or a_site(),
        "choice": Choice(NOW_MS - 120_000, {"google": ANALYTICS | ADS, "meta": ANALYTICS | ADS}),
        "recorded_ms": NOW_MS,
        "subjects": [b"\1" * 16],
        "before": before or [],
        "stated": ANALYTICS | ADS,
        "regime": Regime.OPT_IN,
    }
    return Act(**{**stated, **changes})


def refusal(**changes: Any) -> dict[str, Any]:
    return {"choice": Choice(NOW_MS - 1000, NOBODY), **changes}


def given(ago_ms: int, **granted: Any) -> Choice:
    return Choice(NOW_MS - ago_ms, granted)


def test_a_receipt_says_what_we_were_told_and_what_follows() -> None:
    everything = dict.fromkeys(["ad_personalization", "ad_storage", "ad_user_data", "analytics_storage"], "granted")
    made = receipt(act(shown=NothingShown("3", "nl", "banner-2")))
    policy = made.pop("policy")
    assert policy
    assert made == {
        "schema": "sluis-receipt/1",
        "receipt_id": "0" * 32,
        "subjects": ["01" * 16],
        "site": "shop",
        "establishment": "BE",
        "state": "given",
        "recorded_at": "2026-11-21T10:00:00.000Z",
        "decided_at": "2026-11-21T09:58:00.000Z",
        "expires_at": "2027-05-23T09:58:00.000Z",
        "notice_version": "3",
        "language": "nl",
        "ui_version": "banner-2",
        "lawful_basis": "consent",
        "regime": "opt_in",
        "recipients": {"google": everything, "meta": everything},
        "withdraw_by": "DELETE /v1/consent",
        "evidence": [],
        "gpc": False,
        "notify": [],
    }


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "given"),
        ({"choice": Choice(NOW_MS, {"google": ANALYTICS, "meta": NOTHING})}, "given"),
        (refusal(), "refused"),
        (refusal(before=[None, given(5, google=NOTHING)]), "refused"),
        (refusal(before=[None, given(5, google=ANALYTICS)]), "withdrawn"),
        (refusal(is_withdrawal=True), "withdrawn"),
        ({"choice": Choice(NOW_MS, {})}, "refused"),
    ],
)
def test_its_state_follows_from_the_act_and_what_was_before(changes: dict[str, Any], state: str) -> None:
    assert receipt(act(**changes))["state"] == state


def test_only_what_was_given_expires() -> None:
    assert receipt(act())["expires_at"] is not None
    assert receipt(act(**refusal()))["expires_at"] is None


def test_what_a_string_granted_beside_the_statement_is_among_the_answers() -> None:
    choice = Choice(NOW_MS, {"google": ANALYTICS | {Purpose.AD_STORAGE}})
    made = receipt(act(choice=choice, stated=ANALYTICS | {Purpose.AD_USER_DATA}))
    assert made["recipients"]["google"] == {
        "ad_storage": "granted",
        "ad_user_data": "denied",
        "analytics_storage": "granted",
    }


# ── Evidence ──────────────────────────────────────────────────────────────────────────────────────


def test_of_a_string_a_digest_is_kept_its_version_and_its_platform() -> None:
    said = {"notice_version": "3", "decided_at": "2026-11-21T09:58:00Z", "tc_string": TC_STRING, "us_privacy": "1YNN"}
    site, tcf, us_privacy, gpc = proofs(evidence.gather(said, "1"), KEY)
    assert site == {"signal": "site", "version": "3", "at": "2026-11-21T09:58:00.000Z", "digest": None}
    digest = tcf["digest"]
    assert tcf == {
        "signal": "tcf",
        "version": "2, policy 5",
        "at": "2026-03-01T00:00:00.000Z",
        "digest": digest,
        "cmp_id": 4095,
        "cmp_version": 7,
    }
    assert len(bytes.fromhex(digest)) == 16
    assert (us_privacy["signal"], us_privacy["version"], us_privacy["at"]) == ("us_privacy", "1", None)
    assert gpc["signal"] == "gpc"
    everything = repr((site, tcf, us_privacy, gpc))
    assert TC_STRING not in everything
    assert "1YNN" not in everything


def test_a_digest_proves_a_string_to_whoever_has_the_key_and_to_nobody_else() -> None:
    said = evidence.gather({"tc_string": TC_STRING}, None)
    digests = [proofs(said, key)[-1]["digest"] for key in (KEY, KEY, Mac(b"o" * 32))]
    assert digests[0] == digests[1] != digests[2]
    other = evidence.gather({"tc_string": TC_STRING[:-1] + "B"}, None)
    assert proofs(other, KEY)[-1]["digest"] != digests[0]


@pytest.mark.parametrize("moment", [0, 99_999_999_999_999])
def test_a_date_beyond_the_calendar_is_no_date(moment: int) -> None:
    (proof,) = proofs([evidence.Evidence("tcf", "2", moment * 100, "unreadable")], KEY)
    assert (proof["at"] is None) == (moment > 0)
    assert "cmp_id" not in proof


# ── Whom to notify ────────────────────────────────────────────────────────────────────────────────


def test_a_withdrawal_lists_who_had_been_granted_what_and_since_when() -> None:
    before = [given(10 * DAY_MS, google=ANALYTICS, meta=NOTHING), given(DAY_MS, google=ANALYTICS | ADS, meta=ADS)]
    assert notify(act(**refusal(before=before, recorded_ms=NOW_MS))) == [
        {
            "recipient": "google",
            "purposes": ["ad_personalization", "ad_storage", "ad_user_data", "analytics_storage"],
            "granted_at": "2026-11-11T10:00:00.000Z",
            "until": "2026-11-21T10:00:00.000Z",
        },
        {
            "recipient": "meta",
            "purposes": ["ad_personalization", "ad_storage", "ad_user_data"],
            "granted_at": "2026-11-20T10:00:00.000Z",
            "until": "2026-11-21T10:00:00.000Z",
        },
    ]


def test_a_recipient_that_keeps_what_it_had_is_not_listed() -> None:
    """Control: with one purpose less it is."""
    before: list[Choice | None] = [given(DAY_MS, google=ANALYTICS | ADS, meta=ANALYTICS | ADS)]
    assert notify(act(before=before)) == []
    less = Choice(NOW_MS, {"google": ANALYTICS | ADS, "meta": ANALYTICS})
    (found,) = notify(act(before=before, choice=less))
    assert (found["recipient"], found["purposes"]) == ("meta", ["ad_personalization", "ad_storage", "ad_user_data"])


def test_a_grant_that_had_expired_ended_when_it_did() -> None:
    (found,) = notify(act(**refusal(before=[given(200 * DAY_MS, google=ANALYTICS)])))
    assert found["granted_at"] == "2026-05-05T10:00:00.000Z"
    assert found["until"] == "2026-11-04T10:00:00.000Z"


def test_one_that_is_not_configured_any_more_is_listed_all_the_same() -> None:
    (found,) = notify(act(**refusal(before=[given(DAY_MS, tiktok=ADS)])))
    assert found["recipient"] == "tiktok"


@pytest.mark.parametrize("before", [[], [None], [given(DAY_MS, google=NOTHING, meta=NOTHING)]])
def test_who_was_granted_nothing_is_not_listed(before: list[Choice | None]) -> None:
    assert notify(act(**refusal(before=before))) == []


def test_where_silence_may_have_been_a_yes_everybody_is_listed() -> None:
    silent = {"purposes": [], "granted_at": None, "until": "2026-11-21T10:00:00.000Z"}
    listed = [{"recipient": name, **silent} for name in ("google", "meta")]
    assert notify(act(OPT_OUT, **refusal(before=[None]))) == listed
    assert notify(act(OPT_OUT, before=[None])) == [], "nobody loses anything by a yes"
    assert notify(act(OPT_OUT, **refusal(before=[given(5, **NOBODY)]))) == [], "they had objected before"
    assert notify(act(a_site(), **refusal(before=[None]))) == []


# ── What is kept in a file that survives the store ────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("granted", "regime", "is_kept"),
    [
        ({"google": NOTHING, "meta": NOTHING}, Regime.OPT_IN, True),
        ({}, Regime.OPT_IN, True),
        ({"google": ANALYTICS, "meta": NOTHING}, Regime.OPT_IN, False),
        ({"google": EVERYTHING, "meta": EVERYTHING}, Regime.OPT_IN, False),
        ({"google": NOTHING, "meta": NOTHING}, Regime.OPT_OUT, True),
        ({"google": ANALYTICS, "meta": NOTHING}, Regime.OPT_OUT, True),
        ({"google": ANALYTICS}, Regime.OPT_OUT, True),
        ({"google": EVERYTHING, "meta": EVERYTHING}, Regime.OPT_OUT, False),
    ],
)
def test_what_forgetting_would_open_again_is_kept(granted: Any, regime: Regime, is_kept: bool) -> None:
    assert takes_back(OPT_OUT, Choice(NOW_MS, granted), regime) is is_kept
