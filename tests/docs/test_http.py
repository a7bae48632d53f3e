"""docs/http.md: every example runs, and every answer the code can give is there."""

import json
import re
from pathlib import Path
from typing import Any

from starlette.routing import Route

from collector.app import _cool_routes
from collector.intake import event
from tests.docs.serving import answers, examples, settings_of_up

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
SHOWN = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODES = re.compile(r"(?:Refusal\((\d{3}), |NotAllowed\()\"([a-z_]+)\"")


def _shape(value: Any) -> Any:
    """The names of an answer, without its values."""
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    return [_shape(one) for one in value] if isinstance(value, list) else type(value).__name__


def test_the_examples_answer_what_the_page_shows() -> None:
    asked = examples(PAGE)
    single, batch, pixel, consent, receipt, withdrawn, sdk, ready, broken = answers(asked)
    shown = [json.loads(text) for text in SHOWN.findall(PAGE)]
    assert [single.status, json.loads(single.body)] == [202, shown[0]]
    assert [batch.status, json.loads(batch.body)] == [202, shown[1]]
    assert [consent.status, _shape(json.loads(consent.body))] == [201, _shape(shown[2])]
    assert [receipt.status, json.loads(receipt.body)] == [404, shown[3]]
    assert [withdrawn.status, _shape(json.loads(withdrawn.body))] == [200, _shape(shown[4])]
    assert [ready.status, json.loads(ready.body)] == [200, shown[5]]
    assert [pixel.status, pixel.headers["sluis-outcome"], pixel.body[:4]] == [200, "accepted", b"GIF8"]
    assert [sdk.status, sdk.headers["content-type"][:15]] == [200, "text/javascript"]
    assert [broken.status, json.loads(broken.body)["error"]["code"]] == [400, "not_json"]


def test_every_error_the_code_answers_has_its_row_and_no_row_is_left_over() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "collector/web").glob("*.py")))
    said = {(status or "403", code) for status, code in CODES.findall(source)}
    rows = set(re.findall(r"^\| (\d{3}) \| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    assert said
    assert rows == said


def test_every_public_route_is_in_the_first_table() -> None:
    settings = settings_of_up().model_copy(
        update={"listen": settings_of_up().listen.model_copy(update={"demo": False})}
    )
    health: Any = type("_NoHealth", (), {"routes": lambda _self: []})()
    nothing: Any = None
    routes = _cool_routes(settings, nothing, nothing, nothing, nothing, health, nothing).routes
    paths = {one.path for one in routes if isinstance(one, Route)} - {"/v1/{rest:path}"}
    table = PAGE.partition("\n\n**Which site?**")[0]
    assert paths
    for path in [*paths, "/v1/events", "/healthz", "/readyz"]:
        assert f" {path}`" in table, path


def test_the_limits_are_those_of_the_parser() -> None:
    assert f"| text | {event.MAX_TEXT:,} characters" in PAGE
    assert f"| nesting | {event.MAX_DEPTH} levels" in PAGE
    assert f"| lists | {event.MAX_LIST} entries" in PAGE
    assert f"| names of properties | {event.MAX_KEY} characters" in PAGE
    limits = settings_of_up().limits
    assert f"| body | {limits.body_bytes:,} bytes" in PAGE
    assert f"| events in a batch | {limits.batch_events} " in PAGE
