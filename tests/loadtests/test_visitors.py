"""What the bench sends is granted, distinct, and the same bytes for both servers."""

from datetime import UTC, datetime

import orjson
import pytest

from loadtests.visitors import BATCH, Body, purchase, purchase_with_contact_data, requests, seeded, walk
from tests.loadtests.spine import decide

ORIGIN = "http://127.0.0.1:8080"


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("body", [purchase, purchase_with_contact_data, walk])
def test_every_event_is_accepted_for_both_destinations(body: Body) -> None:
    now = datetime.now(UTC)
    for admission in decide(body(seeded(1), now), int(now.timestamp() * 1000)):
        assert admission.destinations == {"ga4": "queued", "meta": "queued"}, admission.reason


def test_contact_data_becomes_match_keys_in_both_records() -> None:
    now = datetime.now(UTC)
    (admission,) = decide(purchase_with_contact_data(seeded(1), now), int(now.timestamp() * 1000))
    assert all(record.match_keys for record in admission.records)


def test_no_two_events_share_an_id_and_a_seed_gives_the_same_ids_again() -> None:
    def ids(seed: int) -> list[str]:
        single = [orjson.loads(body_of(one))["event_id"] for one in requests(50, purchase, seeded(seed), ORIGIN)]
        batches = [orjson.loads(body_of(one))["events"] for one in requests(5, walk, seeded(seed + 1), ORIGIN)]
        return single + [event["event_id"] for events in batches for event in events]

    assert len(set(ids(1))) == 50 + 5 * BATCH
    assert ids(1) == ids(1)
    assert not set(ids(1)) & set(ids(10))


def test_a_batch_is_of_one_visitor_and_single_events_are_of_many() -> None:
    (batch,) = requests(1, walk, seeded(1), ORIGIN)
    assert len({event["client_id"] for event in orjson.loads(body_of(batch))["events"]}) == 1
    singles = requests(50, purchase, seeded(1), ORIGIN)
    assert len({orjson.loads(body_of(one))["consent"]["choice_id"] for one in singles}) == 50


def test_a_request_says_its_length_its_host_and_its_origin() -> None:
    (request,) = requests(1, purchase, seeded(1), ORIGIN)
    head = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert head[0] == "POST /v1/events HTTP/1.1"
    assert "Host: 127.0.0.1:8080" in head
    assert f"Origin: {ORIGIN}" in head
    assert f"Content-Length: {len(body_of(request))}" in head
