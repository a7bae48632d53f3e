import gzip
import re

import pytest
from starlette.applications import Starlette

from collector.web.sdk import CMP_SOURCE, sdk_routes, squeezed
from tests.collector.web.asgi import Answer, get


@pytest.fixture
def served() -> Answer:
    return get(Starlette(routes=sdk_routes()), "/sluis-cmp.js")


def test_the_served_adapter_is_at_most_three_kilobytes_gzipped(served: Answer) -> None:
    assert len(gzip.compress(served.body, 9)) <= 3 * 1024


def test_the_adapter_is_javascript_that_browsers_may_keep_for_an_hour(served: Answer) -> None:
    assert served.status == 200
    assert served.headers["content-type"] == "text/javascript; charset=utf-8"
    assert served.headers["cache-control"] == "public, max-age=3600"
    assert served.headers["cross-origin-resource-policy"] == "cross-origin"


def test_the_sdk_is_still_there_beside_it() -> None:
    assert get(Starlette(routes=sdk_routes()), "/sluis.js").status == 200


def test_only_comments_and_white_space_outside_strings_are_removed() -> None:
    source = CMP_SOURCE.read_text("utf-8")
    without_comments = re.sub(r"^\s*//.*\n", "", source, flags=re.MULTILINE)
    assert re.sub(r"\s", "", squeezed(source)) == re.sub(r"\s", "", without_comments)
    literals = re.compile(r'"[^"\n]*"|`[^`\n]*`')
    assert literals.findall(squeezed(source)) == literals.findall(without_comments)


def test_the_adapter_names_no_host_and_keeps_nothing_outside_cookies(served: Answer) -> None:
    assert not re.search(r"https?://|eval\(|new Function|localStorage|sessionStorage|indexedDB", served.body.decode())
