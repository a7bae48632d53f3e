"""What the store must be set to before Sluis trusts it."""

import pytest
import redis.asyncio as redis

from collector.store.connection import verify, version_faults

pytestmark = pytest.mark.anyio


async def test_a_durable_store_raises_no_objection(client: redis.Redis) -> None:
    assert await verify(client) == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("appendonly", "no", "restart would lose"),
        ("appendfsync", "everysec", "power cut would lose"),
        ("maxmemory-policy", "allkeys-lru", "evict"),
    ],
)
async def test_each_setting_that_breaks_a_promise_gets_a_sentence(
    name: str, value: str, why: str, client: redis.Redis
) -> None:
    before = str((await client.config_get(name))[name])
    await client.config_set(name, value)
    try:
        (sentence,) = await verify(client)
    finally:
        await client.config_set(name, before)
    assert why in sentence
    assert f"has {name} {value}" in sentence
    assert f"Set {name}" in sentence


async def test_a_store_that_hides_its_settings_is_told_so(client: redis.Redis) -> None:
    await client.acl_setuser("blind", enabled=True, nopass=True, commands=["+@all", "-config"], keys=["*"], reset=True)
    path = client.connection_pool.connection_kwargs["path"]
    async with redis.Redis(unix_socket_path=path, username="blind", password="any") as blind:
        (sentence,) = await verify(blind)
    await client.acl_deluser("blind")
    assert "does not let us read its settings" in sentence


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"redis_version": "6.2.14"}, "Redis 6.2.14"),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, "Valkey 7.2.5"),
        ({"redis_version": "7.0.15"}, None),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.1"}, None),
    ],
)
def test_an_old_server_is_named(server: dict[str, str], said: str | None) -> None:
    assert [said is not None and said in fault for fault in version_faults(server)] == [True] * bool(said)
