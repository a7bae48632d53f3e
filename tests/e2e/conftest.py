"""One `sluis up` for all end-to-end tests that do not stop it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("up")
    stack = Stack(folder).start()
    yield stack
    assert stack.stop() == 0


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The running stack: nothing waits, the sandbox is empty and does nothing wrong."""
    running.mend()
    running.settled()
    running.clear()
    return running
