"""The yardstick reads the body, answers 204, and runs as `serve` does."""

import ast
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collector import app as serve
from collector.web.protocol import Protocol
from loadtests import bare
from loadtests.visitors import PATH

pytestmark = pytest.mark.anyio


async def test_the_bare_route_reads_the_whole_body_and_answers_204() -> None:
    parts = [b"one", b"two"]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": PATH, "headers": [], "query_string": b""}
    await bare.app(scope, receive, send)
    assert parts == []
    assert sent[0]["status"] == 204


def uvicorn_options(module: Any) -> dict[str, Any]:
    """The keywords of the one `uvicorn.Config(...)` in a module, the protocol aside, names replaced by their values."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    (call,) = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "uvicorn.Config"
    ]
    return {
        str(keyword.arg): getattr(module, keyword.value.id)
        if isinstance(keyword.value, ast.Name)
        else ast.literal_eval(keyword.value)
        for keyword in call.keywords
        if keyword.arg != "http"
    }


def test_the_bare_route_has_the_very_uvicorn_options_of_serve() -> None:
    assert uvicorn_options(bare) == uvicorn_options(serve)
    assert 'http="httptools"' in Path(bare.__file__).read_text(encoding="utf-8")
    assert issubclass(Protocol, HttpToolsProtocol)
