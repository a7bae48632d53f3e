"""`sluis consent` beside a running `sluis up`: what the page said is shown, and what is withdrawn here holds there."""

import json

import pytest

from tests.support.shopper import a_visitor, accepted, purchase
from tests.support.stack import Stack, ask

pytestmark = pytest.mark.e2e


def test_what_a_page_recorded_is_shown_and_a_withdrawal_here_stops_its_events(stack: Stack) -> None:
    visitor = a_visitor()
    said = {"client_id": visitor, "choice_id": f"{visitor}-chosen", **accepted()}
    status, _, raw = ask("POST", f"{stack.shop}/v1/consent", said)
    assert status == 201, raw
    named = json.dumps({"client_id": visitor})

    (shown,) = json.loads(stack.sluis("consent", "show", "-", "--json", text=named).stdout)
    assert shown["choice"]["decided_at"] == json.loads(raw)["decided_at"]
    assert sorted(shown["choice"]["granted"]) == ["google", "meta"]
    assert shown["choice"]["linked"] == 1
    assert stack.post(purchase(client_id=visitor))[2]["results"][0]["outcome"] == "accepted"

    done = stack.sluis("consent", "withdraw", "-", "--yes", "--json", text=named)
    assert done.returncode == 0, done.stderr
    (withdrawn,) = json.loads(done.stdout)
    assert (withdrawn["site"], withdrawn["identifiers"]) == ("demo", 2)
    assert stack.post(purchase(client_id=visitor))[2]["results"][0]["outcome"] == "refused"
    assert "granted to meta    nothing" in stack.sluis("consent", "show", "--choice-id", f"{visitor}-chosen").stdout


def test_deleting_over_http_and_withdrawing_here_write_the_same(stack: Stack) -> None:
    rows = []
    for here in (True, False):
        visitor = a_visitor()
        ask("POST", f"{stack.shop}/v1/consent", {"client_id": visitor, "user_id": f"{visitor}-u", **accepted()})
        if here:
            (answer,) = json.loads(stack.sluis("consent", "withdraw", "--yes", "--json", "--client-id", visitor).stdout)
        else:
            answer = json.loads(ask("DELETE", f"{stack.shop}/v1/consent", {"client_id": visitor})[2])
        (shown,) = json.loads(stack.sluis("consent", "show", "--json", "--user-id", f"{visitor}-u").stdout)
        assert shown["choice"]["decided_at"] == answer["withdrawn_at"]
        told = [(one["recipient"], one["purposes"]) for one in answer["notify"]]
        fields = sorted(answer.keys() - {"site"})
        rows.append((fields, answer["identifiers"], told, shown["choice"]["granted"], shown["choice"]["linked"]))
    assert rows[0] == rows[1]
    assert rows[0][1] == 2
    assert rows[0][3] == {"google": [], "meta": []}
