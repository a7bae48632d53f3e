"""Raw contact data is nowhere: not in the store's files, not in a log, not in what a process prints.

A canary visitor goes through every mode an event can meet. Then all bytes that Sluis wrote are searched. The
controls show that the search finds what is there, and that the data was really in hand: the vendors got the
hashed address, and GA4 (in companion mode) the very client id.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import canary
from tests.support.patience import eventually
from tests.support.shopper import BROWSER, accepted, purchase, refused
from tests.support.stack import Stack, ask

pytestmark = pytest.mark.e2e

(EMAIL, *_), (PHONE, *_), (USER_ID,), (CHOICE_ID,) = (
    canary.VALUES[what] for what in ("email", "phone", "user_id", "choice_id")
)
IP, IP6 = canary.VALUES["ip"]
FORWARDED = {"X-Forwarded-For": f"{IP}, {IP6}", "X-Real-IP": IP, "Forwarded": f"for={IP}", "User-Agent": BROWSER}


def canary_event(**changes: Any) -> dict[str, Any]:
    """A purchase that carries everything, in the right fields and in wrong ones."""
    first, last = canary.VALUES["name"]
    event = purchase(client_id=canary.CLIENT_ID, user_id=USER_ID, session_id=canary.VALUES["session_id"][0])
    event["user"] |= {"email": f"  {EMAIL} ", "phone": PHONE, "first_name": first, "last_name": last}
    event["user"] |= {"street": canary.VALUES["street"][0], "city": "Brussels", "country": "BE"}
    event["page"] = {
        "url": f"https://shop.example.com/account/{quote(EMAIL)}?mail={EMAIL}&utm_source={quote(EMAIL)}#{PHONE}",
        "referrer": f"https://shop.example.com/?q={quote(EMAIL)}&ip={IP}",
        "title": f"Thank you {first} {EMAIL}",
    }
    event["properties"] |= {"ip_address": IP, "note": f"call {PHONE} or {EMAIL}", EMAIL: IP6, "user_email": EMAIL}
    return {**event, **changes}


def consent() -> dict[str, Any]:
    return {**accepted(), "choice_id": CHOICE_ID}


@dataclass
class Aftermath:
    """What is left when everything has stopped."""

    folder: Path
    output: str
    received: str
    outcomes: set[str]
    counts: dict[str, int]


def post(stack: Stack, event: Any) -> set[str]:
    """The outcomes that the page is told."""
    _, _, answer = stack.post(event, **FORWARDED)
    return {result["outcome"] for result in answer.get("results", ())}


def deliver_in_every_way(stack: Stack) -> set[str]:
    """Handed over, retried, closed on, refused for good; then the same event again."""
    event = canary_event(consent=consent())
    outcomes = post(stack, event) | post(stack, event)
    stack.fault("meta", status=503)
    stack.fault("ga4", close=True)
    outcomes |= post(stack, canary_event(consent=consent()))
    stack.settled()
    refusal = {"error": {"message": f"Invalid parameter {EMAIL}", "code": 100, "error_user_msg": f"{PHONE} {IP}"}}
    stack.fault("meta", status=400, body=refusal)
    stack.fault("ga4", status=404, body=f"nothing known of {EMAIL}")
    outcomes |= post(stack, canary_event(consent=consent()))
    stack.settled()
    return outcomes


def break_the_rules(stack: Stack) -> set[str]:
    """Refused, filtered and invalid events, and requests that are none."""
    outcomes = post(stack, canary_event(consent=refused(), client_id="another", user_id=None))
    outcomes |= post(stack, canary_event(context={"user_agent": f"Googlebot/2.1 {EMAIL}"}))
    for broken in ({"name": EMAIL}, {"timestamp": EMAIL}, {"client_id": [EMAIL]}, {"user": {"email": {EMAIL: IP}}}):
        outcomes |= post(stack, canary_event(consent=consent(), **broken))
    outcomes |= post(stack, canary_event(properties={EMAIL: {PHONE: "\0"}}, consent=consent()))
    json_text = json.dumps(canary_event())
    for body in (json_text[:-20].encode(), json_text.encode("utf-16"), (json_text + " " * 300_000).encode()):
        assert stack.post(body, **FORWARDED)[0] in (400, 413)
    assert stack.post(canary_event(), **FORWARDED, Origin=f"https://{quote(EMAIL)}.example")[0] == 403
    assert stack.post(canary_event(), **{"Content-Type": f"text/html; mail={EMAIL}"})[0] == 415
    return outcomes


def use_the_other_routes(stack: Stack) -> None:
    """The pixel, the consent routes and pages that do not exist, with the canary in path, query and body."""
    pixel = f"name=page_view&client_id={canary.CLIENT_ID}&page.url={quote(canary_event()['page']['url'], safe='')}"
    for query in (pixel, f"{pixel}&user.email={quote(EMAIL)}", f"{pixel}&user_id={USER_ID}"):
        ask("GET", f"{stack.shop}/v1/pixel.gif?{query}", headers=FORWARDED)
    act = {**consent(), "client_id": canary.CLIENT_ID, "user_id": USER_ID}
    status, _, _ = ask("POST", f"{stack.shop}/v1/consent", act, FORWARDED)
    assert status == 201
    ask("POST", f"{stack.shop}/v1/consent", {**act, "language": {EMAIL: PHONE}}, FORWARDED)
    for path in (f"/v1/consent/{quote(EMAIL)}", f"/{quote(EMAIL)}?ip={IP}", f"/demo/en/?mail={quote(EMAIL)}"):
        ask("GET", stack.shop + path, headers=FORWARDED)


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """The canary's whole life, and the end of it: one event waits for Meta, and everything is stopped."""
    stack = Stack(tmp_path_factory.mktemp("canary"), {"SLUIS_DESTINATION__GA4__IDENTITY": "companion"})
    try:
        stack.start()
        eventually(lambda: "rewrite_started" in (stack.folder / "var/log/janitor.log").read_text())
        outcomes = deliver_in_every_way(stack) | break_the_rules(stack)
        use_the_other_routes(stack)
        stack.fault("meta", status=401, body={"error": {"message": EMAIL, "code": 190}}, times=1000)
        post(stack, canary_event(consent=accepted(ago_s=0)))
        eventually(lambda: stack.balance()["destinations"]["meta"]["due"] == 1)
        received = json.dumps([stack.received("ga4"), stack.received("meta")])
        counts = stack.counts()
        assert stack.stop() == 0
        yield Aftermath(stack.folder, stack.output, received, outcomes, counts)
    finally:
        stack.kill()


def test_the_canary_met_every_fate(aftermath: Aftermath) -> None:
    assert aftermath.outcomes == {"accepted", "duplicate", "refused", "filtered", "invalid"}
    assert aftermath.counts == {  # two plain ones and the pixel; a refusal for good; and one that waits for Meta
        "ga4 accepted": 5,
        "ga4 handed_over": 4,
        "ga4 dead:http_404": 1,
        "meta accepted": 5,
        "meta handed_over": 3,
        "meta dead:meta_100": 1,
    }


def test_nothing_sluis_wrote_gives_the_canary_away(aftermath: Aftermath) -> None:
    assert canary.found_below(aftermath.folder, canary.needles()) == {}


def test_nothing_sluis_printed_gives_the_canary_away(aftermath: Aftermath) -> None:
    assert "Sluis is up." in aftermath.output
    assert canary.found_in(aftermath.output.encode(), canary.needles()) == set()


def test_the_searched_files_hold_the_records_themselves(aftermath: Aftermath) -> None:
    written = b"".join(file.read_bytes() for file in aftermath.folder.rglob("*.aof"))
    for key in (b"{s0}:stream:meta", b"{s0}:due:meta", b"{s0}:dead:meta", b"{s0}:stream:ga4", b"{s0}:choice:"):
        assert key in written


def test_the_search_finds_each_thing_that_is_planted(aftermath: Aftermath, tmp_path: Path) -> None:
    wanted = canary.needles()
    for what, forms in wanted.items():
        for form in forms:
            (tmp_path / "planted.aof").write_bytes(b"\x00\xff$36\r\n" + form.upper() + b"\r\n")
            assert what in canary.found_below(tmp_path, wanted)["planted.aof"]
    planted = aftermath.folder / "var" / "log" / "planted.log"
    planted.write_text(f"a careless line about {EMAIL}\n")
    try:
        assert canary.found_below(aftermath.folder, wanted) == {"var/log/planted.log": {"email"}}
    finally:
        planted.unlink()


def test_the_vendors_got_what_the_disk_did_not_keep(aftermath: Aftermath) -> None:
    given_away = canary.found_in(aftermath.received.encode(), canary.needles())
    assert hashlib.sha256(EMAIL.lower().encode()).hexdigest() in aftermath.received
    assert {"sha256 of email", "client_id"} <= given_away
    assert "email" not in given_away
    assert "street" not in given_away
