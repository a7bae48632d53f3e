"""A real Valkey for tests beside the store's own."""

from tests.collector.store.conftest import client, store_url, valkey_socket

__all__ = ["client", "store_url", "valkey_socket"]
