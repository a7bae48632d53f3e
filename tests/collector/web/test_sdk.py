import gzip
import re

import pytest
from starlette.applications import Starlette

from collector.web.sdk import SOURCE, sdk_route, squeezed
from tests.collector.web.asgi import Answer, get


@pytest.fixture
def served() -> Answer:
    return get(Starlette(routes=[sdk_route()]), "/sluis.js")


def test_the_served_sdk_is_at_most_three_kilobytes_gzipped(served: Answer) -> None:
    assert len(gzip.compress(served.body, 9)) <= 3 * 1024


def test_the_sdk_is_javascript_that_browsers_may_keep_for_an_hour(served: Answer) -> None:
    assert served.status == 200
    assert served.headers["content-type"] == "text/javascript; charset=utf-8"
    assert served.headers["cache-control"] == "public, max-age=3600"


def test_a_browser_that_has_this_version_gets_304(served: Answer) -> None:
    app = Starlette(routes=[sdk_route()])
    again = get(app, "/sluis.js", if_none_match=f'"other", W/{served.headers["etag"]}')
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == served.headers["etag"]
    assert get(app, "/sluis.js", if_none_match='"other"').status == 200


def test_only_comments_and_white_space_outside_strings_are_removed() -> None:
    source = SOURCE.read_text("utf-8")
    without_comments = re.sub(r"^\s*//.*\n", "", source, flags=re.MULTILINE)
    assert re.sub(r"\s", "", squeezed(source)) == re.sub(r"\s", "", without_comments)
    literals = re.compile(r'"[^"\n]*"|`[^`\n]*`')
    assert literals.findall(squeezed(source)) == literals.findall(without_comments)


def test_white_space_that_separates_words_stays() -> None:
    assert squeezed('  // note\n  const a = (b) => "x = y";\n  return a in b;\n') == (
        'const a=(b)=>"x = y";return a in b;\n'
    )


def test_the_sdk_names_no_vendor_host_and_evaluates_no_text(served: Answer) -> None:
    assert not re.search(r"https?://|eval\(|new Function|localStorage|sessionStorage|indexedDB", served.body.decode())
