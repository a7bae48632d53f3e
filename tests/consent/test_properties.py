"""What holds for every input: total, deterministic, monotone; two statements never grant more than either alone."""

from dataclasses import replace
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from consent.decide import decide
from consent.hearing import hear
from consent.model import ADS, EVERYTHING, NOTHING, Choice, Decision, Purpose, Purposes, Reason, Regime, Signal, Source
from consent.policy import MAY_BE_REQUIRED, MAY_GRANT, ConsentSource, Notice, SitePolicy
from consent.recheck import still_allowed
from consent.signals import gpc, recorded, site
from consent.signals.site import DAY_MS, MAX_AHEAD_MS
from tests.consent.scenarios import moment
from tests.consent.signals.tcf_encoder import encode

NOW_MS = moment("2026-11-21T10:00:00Z")
RECIPIENTS = ("google", "meta", "tiktok")
ACCEPTED_IN_TCF = encode(
    purposes=range(1, 12), vendors=[755], disclosed=[755], created=NOW_MS - DAY_MS, updated=NOW_MS - DAY_MS, policy=5
)
REFUSED_IN_TCF = encode(vendors=[], disclosed=[755], created=NOW_MS - DAY_MS, updated=NOW_MS - DAY_MS, policy=5)
NOTICES = (
    Notice(version="1", recipients=frozenset({"google"})),
    Notice(version="2", recipients=frozenset({"google", "meta"})),
)

POLICIES = st.builds(
    SitePolicy,
    site=st.just("shop"),
    establishment=st.just("US"),
    consent_source=st.sampled_from(ConsentSource),
    recipients=st.frozensets(st.sampled_from(RECIPIENTS), min_size=1),
    elsewhere=st.sampled_from(Regime),
    choice_max_age_days=st.sampled_from([1, 183, 395]),
    notices=st.sampled_from([(), NOTICES]),
    grants=st.frozensets(st.sampled_from(sorted(MAY_GRANT))),
    requires=st.frozensets(st.sampled_from(sorted(MAY_BE_REQUIRED)), max_size=1),
    tcf_analytics=st.booleans(),
)
PURPOSES = st.frozensets(st.sampled_from(Purpose))
GIVEN = st.dictionaries(st.sampled_from([*RECIPIENTS, "*"]), PURPOSES, max_size=3)
SIGNALS = st.builds(Signal, source=st.just("any"), grants=GIVEN, denies=GIVEN)
DENIALS = st.builds(Signal, source=st.just("any"), denies=GIVEN)
REGIONS = st.sampled_from([None, "US", "US-CA", "BE", "XX"])
CHOICES = st.none() | st.builds(
    Choice, decided_ms=st.integers(0, NOW_MS), granted=st.dictionaries(st.sampled_from(RECIPIENTS), PURPOSES)
)

JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WORDS: st.SearchStrategy[Any] = st.sampled_from(
    ["granted", "granted", "granted", "denied", "", "yes", None, True, 1, ["granted"], {}]
)
MOMENTS: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(NOW_MS + away for away in (0, -DAY_MS, -200 * DAY_MS, MAX_AHEAD_MS, MAX_AHEAD_MS + 1)),
        *("2026-11-21T09:58:00Z", "2026-11-21T09:58:00", "0001-01-01T00:00:00+14:00", None, True, 0),
    ]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **{purpose.value: WORDS for purpose in Purpose},
    "recipients": st.none()
    | st.dictionaries(
        st.sampled_from([*RECIPIENTS, "*"]),
        st.none() | st.just(5) | st.dictionaries(st.sampled_from([*Purpose]), WORDS, max_size=2),
        max_size=3,
    )
    | st.just(["google"]),
    "origin": st.sampled_from(["choice", "choice", "default", None, 1]),
    "decided_at": MOMENTS,
    "notice_version": st.sampled_from(["1", "2", "3", 2, None, ["2"]]),
    "region": st.sampled_from(["US", "US-CA", "BE", "UK", None, ["US"]]),
    "gpc": st.sampled_from([True, False, None, 1, "1"]),
    "tc_string": st.sampled_from([ACCEPTED_IN_TCF, REFUSED_IN_TCF, ACCEPTED_IN_TCF[:40], "", None, 5, ["C"]]),
    "gdpr_applies": st.sampled_from([True, True, False, 1, "0", None, "perhaps"]),
    "event_status": st.sampled_from(["tcloaded", "useractioncomplete", "cmpuishown", None, 5]),
    "additional_consent": st.sampled_from(["2~89~dv.", "2~~dv.89", "1~89", "junk", None, 5]),
    "gpp_string": st.sampled_from(["DBAA", f"DBABMA~{ACCEPTED_IN_TCF}", f"DBABMA~{REFUSED_IN_TCF}", "junk", None, 5]),
    "gpp_sid": st.sampled_from([[2], [7], [], [-1], "2,7", "x", None, 7]),
    "us_privacy": st.sampled_from(["1YNN", "1YYN", "1---", "junk", None, 5]),
    "gcs": st.sampled_from(["G111", "G100", "junk", None, 5]),
    "gcd": st.sampled_from(["13r3r3r3r5l1", "13p3p3p3p5l1", "13l3l3l3l1l1", "junk", None, 5]),
}
STATEMENTS = st.fixed_dictionaries({}, optional=FIELDS)
SAID = st.none() | STATEMENTS | st.sampled_from(["granted", ["granted"], 5])
ACCEPTED: dict[str, Any] = {**dict.fromkeys(map(str, Purpose), "granted"), "decided_at": NOW_MS, "region": "US"}


def heard(said: Any, policy: SitePolicy, header: str | None = None) -> Decision:
    """The decision on one statement, as intake makes it without the ledger."""
    return hear(said, header, policy, NOW_MS).decision


def given_to(decision: Decision) -> set[tuple[str, Purpose]]:
    return {(name, purpose) for name, purposes in decision.granted.items() for purpose in purposes}


@given(st.lists(SIGNALS, max_size=4), DENIALS, st.integers(0, 4), POLICIES, REGIONS)
def test_another_signal_that_only_denies_never_grants_more(
    signals: list[Signal], denial: Signal, place: int, policy: SitePolicy, region: str | None
) -> None:
    more = [*signals[:place], denial, *signals[place:]]
    assert given_to(decide(more, policy, region)) <= given_to(decide(signals, policy, region))


@given(st.lists(SIGNALS, min_size=1, max_size=4), GIVEN, POLICIES, REGIONS)
def test_a_signal_that_denies_more_never_grants_more(
    signals: list[Signal], denies: dict[str, Purposes], policy: SitePolicy, region: str | None
) -> None:
    first = signals[0]
    harsher = {name: first.denies.get(name, NOTHING) | denies.get(name, NOTHING) for name in {*first.denies, *denies}}
    harsh = [replace(first, denies=harsher), *signals[1:]]
    assert given_to(decide(harsh, policy, region)) <= given_to(decide(signals, policy, region))


@given(st.lists(SIGNALS, max_size=4), POLICIES, REGIONS)
def test_what_anybody_denies_is_denied_and_what_nobody_grants_is_not_granted(
    signals: list[Signal], policy: SitePolicy, region: str | None
) -> None:
    decision = decide(signals, policy, region)
    assert decision.granted.keys() == policy.recipients
    for name, purposes in decision.granted.items():
        assert not purposes & NOTHING.union(*[signal.denied_to(name) for signal in signals])
        if decision.regime is Regime.OPT_IN:
            assert purposes <= NOTHING.union(*[signal.granted_to(name) for signal in signals])


@given(st.lists(SIGNALS, max_size=4), POLICIES, REGIONS, st.randoms())
def test_the_order_of_the_signals_does_not_matter(
    signals: list[Signal], policy: SitePolicy, region: str | None, chance: Any
) -> None:
    shuffled = list(signals)
    chance.shuffle(shuffled)
    assert decide(shuffled, policy, region).granted == decide(signals, policy, region).granted


@given(st.lists(SIGNALS, max_size=4), POLICIES, REGIONS)
def test_a_reason_is_always_there(signals: list[Signal], policy: SitePolicy, region: str | None) -> None:
    decision = decide(signals, policy, region)
    for name in policy.recipients:
        for purpose in EVERYTHING - decision.granted[name]:
            assert isinstance(decision.why_not(name, frozenset({purpose})), Reason)


@given(JUNK, JUNK, POLICIES)
@example(
    batch=[],
    event={"region": ["US"]},
    policy=SitePolicy(
        site="shop",
        establishment="US",
        consent_source=ConsentSource.PAGE,
        recipients=frozenset({"google"}),
        elsewhere=Regime.OPT_OUT,
    ),
)
def test_no_input_raises_and_none_but_a_statement_grants(batch: Any, event: Any, policy: SitePolicy) -> None:
    strict = replace(policy, elsewhere=Regime.OPT_IN)
    for said in (batch, event, site.combine(batch, event)):
        assert given_to(heard(said, strict)) == set()
        statement = site.read(said, policy, NOW_MS, recorded=True)
        assert statement is None or not any(statement.signal.grants.values())


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JUNK)), POLICIES)
def test_junk_in_every_field_neither_raises_nor_grants(said: dict[str, Any], policy: SitePolicy) -> None:
    assume("granted" not in [said.get(purpose) for purpose in Purpose])
    statement = site.read(said, policy, NOW_MS, recorded=True)
    assert statement is not None
    assert not any(statement.signal.grants.values())
    gpc.read(None, said)


@given(SAID, POLICIES)
@example(
    ACCEPTED,
    SitePolicy(site="shop", establishment="US", consent_source=ConsentSource.PAGE, recipients=frozenset(RECIPIENTS)),
)
def test_the_same_statement_is_always_read_the_same(said: Any, policy: SitePolicy) -> None:
    assert repr(heard(said, policy)) == repr(heard(said, policy))


@given(STATEMENTS, st.sampled_from(Purpose), WORDS.filter(lambda word: word != "granted"), POLICIES)
def test_a_purpose_that_is_not_granted_any_more_never_grants_more(
    said: dict[str, Any], purpose: Purpose, word: Any, policy: SitePolicy
) -> None:
    assert given_to(heard({**said, purpose.value: word}, policy)) <= given_to(heard(said, policy))


@given(STATEMENTS, FIELDS["recipients"], POLICIES)
def test_recipients_only_narrow(said: dict[str, Any], recipients: Any, policy: SitePolicy) -> None:
    without = {key: value for key, value in said.items() if key != "recipients"}
    assert given_to(heard({**without, "recipients": recipients}, policy)) <= given_to(heard(without, policy))


@given(STATEMENTS, POLICIES, st.sampled_from([None, "", "0", "true", "1", "0, 1"]))
def test_a_header_never_grants(said: dict[str, Any], policy: SitePolicy, header: str | None) -> None:
    assert given_to(heard(said, policy, header)) <= given_to(heard(said, policy))


@given(STATEMENTS, POLICIES)
def test_a_default_never_grants_where_silence_is_no(said: dict[str, Any], policy: SitePolicy) -> None:
    strict = replace(policy, elsewhere=Regime.OPT_IN, grants=frozenset())
    assert given_to(heard({**said, "origin": "default"}, strict)) == set()


@given(STATEMENTS, POLICIES)
def test_where_choices_must_be_recorded_a_page_never_grants(said: dict[str, Any], policy: SitePolicy) -> None:
    strict = replace(policy, elsewhere=Regime.OPT_IN, consent_source=ConsentSource.RECORDED, grants=frozenset())
    statement = site.read(said, strict, NOW_MS)
    assert statement is not None
    assert given_to(heard(said, strict)) == set()
    assert statement.act is None


@given(STATEMENTS, POLICIES)
def test_strings_grant_to_google_and_meta_alone_and_never_analytics_by_tcf(
    said: dict[str, Any], policy: SitePolicy
) -> None:
    by_tcf = replace(policy, elsewhere=Regime.OPT_IN, consent_source=ConsentSource.RECORDED, grants={Source.TCF})
    opened = given_to(heard(said, by_tcf))
    assert {name for name, _ in opened} <= {"google", "meta"}
    assert {purpose for _, purpose in opened} <= ADS


OBJECTIONS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"us_privacy": "1YYN"},
        {"us_privacy": "rubbish"},
        {"gcs": "G100"},
        {"gcd": "13q3q3q3q5l1"},
        {"gcd": "rubbish"},
        {"gpc": True},
        {"gpp_string": "rubbish"},
        {"tc_string": REFUSED_IN_TCF, "gdpr_applies": True},
        {"tc_string": "rubbish", "gdpr_applies": True},
        {"tc_string": ACCEPTED_IN_TCF, "gdpr_applies": True, "event_status": "cmpuishown"},
    ]
)


@given(STATEMENTS, OBJECTIONS, POLICIES)
def test_an_objection_in_any_string_closes_advertising_whatever_else_is_said(
    said: dict[str, Any], objection: dict[str, Any], policy: SitePolicy
) -> None:
    opened = given_to(heard(said | objection, policy))
    assert not {purpose for _, purpose in opened} & {Purpose.AD_STORAGE}


@given(SAID, SAID, POLICIES)
def test_two_statements_never_grant_more_than_either_alone(batch: Any, event: Any, policy: SitePolicy) -> None:
    assume(batch is not None)
    assume(event is not None)
    together = given_to(heard(site.combine(batch, event), policy))
    assert together <= given_to(heard(batch, policy))
    assert together <= given_to(heard(event, policy))


@given(SAID, POLICIES)
def test_a_statement_beside_none_or_beside_itself_is_itself(said: Any, policy: SitePolicy) -> None:
    alone = given_to(heard(said, policy))
    for combined in (site.combine(said, None), site.combine(None, said), site.combine(said, said)):
        assert given_to(heard(combined, policy)) == alone


SOMETHING = SAID.filter(lambda said: said is not None)


@given(SOMETHING, SOMETHING, SOMETHING, POLICIES)
def test_combining_twice_is_as_strict(one: Any, two: Any, three: Any, policy: SitePolicy) -> None:
    all_three = given_to(heard(site.combine(site.combine(one, two), three), policy))
    assert all_three <= given_to(heard(site.combine(one, two), policy))
    assert all_three <= given_to(heard(three, policy))


@given(st.lists(CHOICES, max_size=3), CHOICES, POLICIES)
def test_another_recorded_choice_never_grants_more(
    latest: list[Choice | None], another: Choice | None, policy: SitePolicy
) -> None:
    assume(any(latest))
    before, after = (recorded.read(rows, policy, NOW_MS) for rows in (latest, [*latest, another]))
    assert before is not None
    assert after is not None
    assert given_to(decide([after], policy, "US")) <= given_to(decide([before], policy, "US"))


@given(PURPOSES, PURPOSES, st.sampled_from(Regime), st.lists(CHOICES, max_size=3))
def test_what_leaves_has_every_purpose_then_and_now_and_no_later_no(
    granted: Purposes, required: Purposes, regime: Regime, latest: list[Choice | None]
) -> None:
    if still_allowed("google", granted, required, regime, latest, now_ms=NOW_MS, max_age_days=183) is None:
        assert required
        assert required <= granted
        known = [choice for choice in latest if choice is not None]
        assert all(required <= choice.granted.get("google", NOTHING) for choice in known)
        assert known or regime is Regime.OPT_OUT
        if regime is Regime.OPT_IN:
            assert all(choice.decided_ms >= NOW_MS - 183 * DAY_MS for choice in known)


@given(st.datetimes(timezones=st.timezones(), allow_imaginary=False))
def test_a_moment_means_the_same_in_text_and_in_milliseconds(when: Any) -> None:
    when = when.replace(microsecond=when.microsecond // 1000 * 1000)
    said = site.read_moment(when.isoformat())
    assert said == moment(when.isoformat())
    assert said is not None
    if 0 < said < 1e14:
        assert site.read_moment(said) == said


@given(st.text(max_size=40) | st.integers() | st.floats())
def test_no_moment_raises(value: Any) -> None:
    said = site.read_moment(value)
    assert said is None or isinstance(said, int)
