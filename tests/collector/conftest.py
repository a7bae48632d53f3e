"""A real Valkey for tests beside the store's own."""

from tests.collector.store.conftest import client as client
from tests.collector.store.conftest import store_url as store_url
from tests.collector.store.conftest import valkey_socket as valkey_socket
