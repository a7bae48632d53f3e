"""Locust's side of `make load`: shoppers who walk through a shop with a consent mix. Think times are short.

Also for Locust's own page: `locust -f loadtests/locustfile.py --host http://127.0.0.1:8080`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
from locust import FastHttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopTest

from loadtests.aim import OWN, refusal
from loadtests.sessions import Step, kind_of, visit
from loadtests.tally import Tally


class Shopper(FastHttpUser):
    """One visitor after another, as fast as a hurried person clicks."""

    wait_time = between(0.05, 0.25)

    def on_start(self) -> None:
        self._rng = Random()
        self._steps = self._new_visit()

    def _new_visit(self) -> Iterator[Step]:
        return visit(kind_of(self._rng), self._rng, datetime.now(UTC), self._shop())

    def _shop(self) -> str:
        """The origin of the pages."""
        options = self.environment.parsed_options
        return str((options and options.origin) or self.host)

    @task
    def next_step(self) -> None:
        """The next request of this visit, or the first of the next one."""
        step = next(self._steps, None)
        if step is None:
            self._steps = self._new_visit()
            step = next(self._steps)
        self._send(step)

    def _send(self, step: Step) -> None:
        headers = {"Origin": self._shop(), "Content-Type": "text/plain;charset=UTF-8"}
        name = f"{step.method} {step.path}"
        # `context` travels to the listeners: what the answer may say depends on who asked.
        self.client.request(
            step.method,
            step.path,
            data=orjson.dumps(step.body).decode(),
            headers=headers,
            name=name,
            context={"may": step.may},
        )


def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--origin", default="", help="origin of the shop's pages; the host itself if absent")
    parser.add_argument("--tally", default="", help="file for what was answered, as JSON")
    parser.add_argument(OWN, action="store_true", dest="own", help="aim at a host that is not this machine")


def _listen(environment: Environment, **_: Any) -> None:
    why = _refusal(environment) if environment.host else None
    if why is not None:
        raise SystemExit(why)
    tally = Tally()
    options = environment.parsed_options

    def heard(response: Any, context: Any, **_: Any) -> None:
        status = response.status_code or 0
        retry_after = response.headers.get("retry-after") if response.headers else None
        tally.count(status, retry_after, response.content or b"", context["may"])

    def done(**_: Any) -> None:
        if options is not None and options.tally:
            Path(options.tally).write_bytes(tally.to_json())

    hooks: Any = environment.events  # Locust does not type its hooks
    hooks.request.add_listener(heard)
    hooks.quitting.add_listener(done)


def _aim(environment: Environment, **_: Any) -> None:
    """Locust's page lets a person change the host, so it is looked at again when a test starts."""
    why = _refusal(environment)
    if why is not None:
        raise StopTest(why)


def _refusal(environment: Environment) -> str | None:
    options = environment.parsed_options
    return refusal(environment.host or "", owned=bool(options and options.own))


_HOOKS: Any = events
_HOOKS.init_command_line_parser.add_listener(_options)
_HOOKS.init.add_listener(_listen)
_HOOKS.test_start.add_listener(_aim)
