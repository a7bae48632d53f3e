"""Waiting for other processes, with an end."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(question: Callable[[], T], seconds: float = 20.0) -> T:
    """The first truthy answer within `seconds`; fails with the last answer otherwise."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"not within {seconds:g} s; the last answer was {answer!r}"
        time.sleep(0.05)
    return answer
