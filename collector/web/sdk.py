"""`GET /sluis.js` and `GET /sluis-cmp.js`: the browser SDK and its adapter for consent platforms, without comments.

Rules: what is served is derived from the readable source by removing only comment lines and white space outside
string literals, so that anyone can compare the two; each stays within 3 KB gzipped (tested).
"""

import re
from pathlib import Path

from starlette.routing import Route

from collector.web.files import fixed_file

SOURCE = Path(__file__).with_name("sdk.js")
CMP_SOURCE = Path(__file__).with_name("sdk_cmp.js")
_LITERAL = re.compile(r'("[^"\n]*"|`[^`\n]*`)')
_COMMENT = re.compile(r"^\s*//.*\n", re.MULTILINE)
_AROUND_PUNCTUATION = re.compile(r"\s*([=<>!&|?:;,(){}\[\]+*%-])\s*")


def squeezed(source: str) -> str:
    """The same program without comment lines and without white space that carries no meaning.

    It relies on the style of `sdk.js`: a comment has its own line, every statement ends with `;` or `}`, strings
    use `"` or one-line templates, and regular expressions contain no quotes and no spaces.
    """
    parts = _LITERAL.split(_COMMENT.sub("", source))  # code and literals take turns, code first
    parts[0::2] = [_AROUND_PUNCTUATION.sub(r"\1", re.sub(r"\s+", " ", code)) for code in parts[0::2]]
    return "".join(parts).strip() + "\n"


def sdk_route() -> Route:
    """The route of the SDK; browsers may keep it for an hour and ask again with its ETag."""
    return _script("/sluis.js", SOURCE)


def sdk_routes() -> list[Route]:
    """The routes of all scripts for a site's pages."""
    return [sdk_route(), _script("/sluis-cmp.js", CMP_SOURCE)]


def _script(path: str, source: Path) -> Route:
    return fixed_file(
        path,
        squeezed(source.read_text("utf-8")).encode(),
        "text/javascript",
        {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin"},
    )
