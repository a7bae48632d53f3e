"""The console's one page: counters of a real Valkey, or the last copy of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as redis

from collector.configuration import Settings
from collector.console.app import Console, duration
from collector.settings import parse
from collector.store.balance import BalanceCopy, count_door, read_balance
from collector.store.buffer import Append, Dead, Dropped, HandedOver, RedisBuffer
from collector.store.connection import connect_readers
from tests.collector.test_settings import META, MINIMAL
from tests.collector.web.asgi import Answer, ask

pytestmark = pytest.mark.anyio
HOST = {"host": "127.0.0.1:8081"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = parse(MINIMAL + META, tmp_path / "sluis.toml", {})
    (made.var / "janitor").mkdir(parents=True)
    return made


@pytest.fixture
async def nobody(settings: Settings) -> AsyncIterator[redis.Redis]:
    """A client of a store that is not there."""
    made = connect_readers(f"unix://{settings.var}/none.sock", 0.2, 1)
    yield made
    await made.aclose()


async def page(settings: Settings, client: redis.Redis, target: str = "/") -> Answer:
    return await ask(Console(settings, client).app(), "GET", target, headers=HOST)


async def some_traffic(client: redis.Redis) -> None:
    buffer = RedisBuffer(client)
    made = [Append("shop", bytes([number]) * 10, ("ga4", "old"), (b"x", b"x")) for number in range(5)]
    await buffer.append(made)
    first, second, third, *_ = await buffer.claim("ga4", 10, 0)
    await buffer.settle("ga4", [(first, HandedOver()), (second, Dropped("withdrawn")), (third, Dead("http_400"))])
    await count_door(client, {("shop", "refused"): 7})


async def test_the_page_shows_each_destination_and_what_became_of_its_records(
    settings: Settings, client: redis.Redis
) -> None:
    await some_traffic(client)
    answer = await page(settings, client)
    assert answer.status == 200
    text = " ".join(answer.text.split())
    assert "<strong>0</strong> <span>unaccounted" in text
    row = text.partition('<th scope="row">ga4')[2].partition("</tr>")[0]
    assert "google" in row
    for shown in ("<td>5</td>", "<td>1</td>", "1 <small>withdrawn</small>", "1 <small>http_400</small>", "<td>2</td>"):
        assert shown in row, shown
    assert '<th scope="row">old<small>removed' in text
    assert "<dt>refused</dt><dd>7</dd>" in text


async def test_the_page_runs_no_script_and_is_kept_by_nobody(settings: Settings, client: redis.Redis) -> None:
    answer = await page(settings, client)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("console_host", "host", "status"),
    [
        *(("127.0.0.1", name, 200) for name in ("127.0.0.1:8081", "localhost", "LOCALHOST:8081", "[::1]:8081")),
        *(("127.0.0.1", name, 400) for name in ("evil.example", "127.0.0.1.evil.example:8081", "")),
        *(("console.internal", name, 200) for name in ("console.internal:8081", "localhost")),
        *(("console.internal", "evil.example", 400), ("fd00::1", "[fd00::1]:8081", 200), ("0.0.0.0", "any.name", 200)),
    ],
)
async def test_a_foreign_page_cannot_read_it_under_a_name_of_its_own(
    tmp_path: Path, nobody: redis.Redis, console_host: str, host: str, status: int
) -> None:
    settings = parse(MINIMAL + META, tmp_path / "sluis.toml", {"SLUIS_LISTEN__CONSOLE_HOST": console_host})
    app = Console(settings, nobody).app()
    for target in ("/", "/healthz", "/api/balance"):
        answer = await ask(app, "GET", target, headers={"host": host})
        assert (answer.status == 400) is (status == 400), target


async def test_before_the_first_event_it_says_where_to_begin(settings: Settings, client: redis.Redis) -> None:
    assert "Nothing has arrived yet." in (await page(settings, client)).text


async def test_a_query_is_not_kept_in_the_address(settings: Settings, client: redis.Redis) -> None:
    answer = await page(settings, client, "/?email=jane@example.com")
    assert answer.status in (302, 303, 307)
    assert answer.headers["location"] == "/"


async def test_the_numbers_can_be_read_by_programs(settings: Settings, client: redis.Redis) -> None:
    await some_traffic(client)
    answer = await page(settings, client, "/api/balance")
    assert answer.status == 200
    assert answer.json["unaccounted"] == 0
    assert answer.json["destinations"]["ga4"]["sites"]["shop"]["handed_over"] == 1


async def test_without_the_store_the_last_copy_is_shown_and_said_to_be_one(
    settings: Settings, client: redis.Redis, nobody: redis.Redis
) -> None:
    await some_traffic(client)
    BalanceCopy.save(settings.var / "janitor" / "balance.json", await read_balance(client, settings.destination))
    answer = await page(settings, nobody)
    assert answer.status == 200
    assert "The store does not answer." in answer.text
    assert "janitor&#39;s last copy" in answer.text or "janitor's last copy" in answer.text
    assert "1 <small>withdrawn</small>" in answer.text


async def test_without_store_and_copy_nothing_is_claimed(settings: Settings, nobody: redis.Redis) -> None:
    text = (await page(settings, nobody)).text
    assert "There is no copy of the balance either." in text
    assert "<strong>?</strong>" in text
    answer = await page(settings, nobody, "/api/balance")
    assert (answer.status, answer.code) == (503, "store_unavailable")


async def test_it_is_alive_without_the_store_and_serves_its_own_style(settings: Settings, nobody: redis.Redis) -> None:
    assert (await page(settings, nobody, "/healthz")).status == 200
    assert (await page(settings, nobody, "/favicon.ico")).status == 204
    assert (await page(settings, nobody, "/static/console.css")).headers["content-type"].startswith("text/css")
    assert (await page(settings, nobody, "/static/../app.py")).status == 404


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, "\u2013"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_600_000, "1 h"),
        (172_800_000, "2 d"),
    ],
)
def test_an_age_is_written_for_people(milliseconds: int | None, shown: str) -> None:
    assert duration(milliseconds) == shown
