"""Whatever is sent: never a 5xx, and what is accepted is stored as it was said."""

import asyncio
import json
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from collector.intake.minimise import is_plain
from tests.collector.intake.shop import GRANTED, NAMES, NOW, event
from tests.collector.web.asgi import Answer
from tests.collector.web.whole import Collector, collector

OUTCOMES = {"accepted", "refused", "duplicate", "filtered", "invalid"}
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([NOW, 2**53, 2**53 + 1, -(2**64), 1e308, "\0", "\ud800", "granted", "denied", "a@b.example", ""])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
purposes = st.dictionaries(st.sampled_from(NAMES), scalars)
consents = (
    st.just(GRANTED)
    | anything
    | st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(NAMES, st.sampled_from(["granted", "denied"]) | scalars),
            "recipients": anything | st.dictionaries(st.sampled_from(["google", "meta", "x"]), purposes | anything),
            "decided_at": scalars,
            **dict.fromkeys(("choice_id", "origin", "notice_version", "region", "gpc"), anything),
        },
    )
)
contexts = anything | st.dictionaries(
    st.sampled_from(["user_agent", "language", "fbp", "fbc", "ga_cookie", "ga_session_cookie"]), scalars
)
events = st.fixed_dictionaries(
    {"name": st.sampled_from(["page_view", "purchase", "session_start"]) | scalars},
    optional={
        **dict.fromkeys(("event_id", "timestamp", "client_id", "session_id", "user_id"), scalars),
        "page": anything | st.dictionaries(st.sampled_from(["url", "referrer", "title"]), scalars),
        "user": anything | st.dictionaries(st.sampled_from(["email", "phone", "country", "gender"]), scalars),
        "properties": anything | st.dictionaries(st.text(max_size=8), anything, max_size=3),
        "consent": consents,
        "context": contexts,
    },
)
batches = st.fixed_dictionaries(
    {"events": st.lists(events | anything, max_size=4) | anything},
    optional={"consent": consents, "context": contexts, "site": scalars},
)
bodies = st.one_of(anything, events, batches).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=60)


async def taken(body: bytes, **headers: str | None) -> tuple[Answer, Collector]:
    async with collector() as shop:
        return await shop.post(body, **headers), shop


@given(body=bodies)
@example(b'{"name": "page_view", "timestamp": "0001-01-01T00:00:00+14:00"}')
@example(b'{"name": "page_view", "consent": {"decided_at": "9999-12-31T23:59:59-14:00"}}')
@settings(deadline=None, database=None, max_examples=300)
def test_no_body_makes_the_server_answer_5xx(body: bytes) -> None:
    answer, _ = asyncio.run(taken(body))
    assert answer.status in (202, 400, 403, 413)
    for result in answer.json.get("results", ()):
        assert result["outcome"] in OUTCOMES
        assert (result["outcome"] == "accepted") == ("queued" in result["destinations"].values())
        assert result["outcome"] == "accepted" or result["reason"]


@given(
    body=bodies,
    headers=st.dictionaries(
        st.sampled_from(["user_agent", "accept_language", "sec_gpc", "referer"]),
        st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40),
    ),
)
@settings(deadline=None, database=None, max_examples=100)
def test_no_body_makes_the_consent_route_answer_5xx(body: bytes, headers: dict[str, str]) -> None:
    async def sent() -> list[Answer]:
        async with collector() as shop:
            return [await shop.ask(method, "/v1/consent", body, **headers) for method in ("POST", "DELETE")]

    for answer in asyncio.run(sent()):
        assert answer.status in (200, 201, 400)


@given(query=st.binary(max_size=40) | st.text('user.pageconsent=&%[]{}:1"', max_size=40).map(str.encode))
@settings(deadline=None, database=None, max_examples=100)
def test_no_query_makes_the_pixel_answer_5xx(query: bytes) -> None:
    async def sent() -> Answer:
        async with collector() as shop:
            target = "/v1/pixel.gif?" + "".join(
                f"%{byte:02X}" if byte > 126 or byte < 33 else chr(byte) for byte in query
            )
            return await shop.ask("GET", target, origin=None)

    assert asyncio.run(sent()).status in (200, 400)


numbers = st.integers(-(2**53), 2**53) | st.floats(-(2.0**53), 2.0**53, allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0@%"), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(
    properties=st.dictionaries(texts, values, max_size=5),
    title=texts,
    event_id=texts.filter(bool),
    name=st.from_regex(r"[a-z][a-z0-9_]{3,38}x", fullmatch=True).filter(
        lambda name: not name.startswith(("ga_", "google_", "firebase_"))
    ),
)
@settings(deadline=None, database=None, max_examples=200)
def test_what_is_accepted_comes_back_out_of_the_store_as_it_was_said(
    properties: dict[str, Any], title: str, event_id: str, name: str
) -> None:
    assume(is_plain(properties))  # contact fields, click ids and URLs are cut; test_minimise shows how

    async def through() -> Any:
        async with collector() as shop:
            said = event(name=name, event_id=event_id, properties=properties, page={"title": title})
            result = await shop.result(said)
            assert (result["outcome"], result["event_id"]) == ("accepted", event_id)
            (record,) = await shop.records("ga4")
            return record

    record = asyncio.run(through())
    assert (record.event_id, record.name, record.page_title) == (event_id, name, title)
    assert record.properties == properties
    # What the vendor's JSON will say is what the page's JSON said.
    assert json.dumps(record.properties) == json.dumps(properties)
