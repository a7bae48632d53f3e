"""The only parser of untrusted input: bytes to plain JSON, plain JSON to `Event`.

`Event` is the one place where raw contact data lives. Its repr says so, it is never logged or pickled, and
nothing holds one across an await. A fault of one event is `Invalid`, whose text begins with the field's path
and never quotes a value; a body that is not JSON at all is `NotJson`.

Bounds: numbers at most 2^53 in size (beyond, a double is not exact and vendors read doubles), depth 8, no
NUL, strings and lists as below. orjson refuses lone surrogates and NaN. The types below carry the bounds, so
that a good event is checked at the speed of C; only for a bad one `_explain` walks it to name the field.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import orjson

from consent.signals.site import read_moment

MAX_NUMBER: Final = 2**53
MAX_DEPTH: Final = 8
MAX_KEY: Final = 128
MAX_TEXT: Final = 4096
MAX_LIST: Final = 500

# GA4 Measurement Protocol reference, "Event naming rules" and "Reserved event names".
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
MAX_NAME: Final = 40
_MALFORMED_NAME: Final = "must be 1 to 40 letters, digits or underscores and begin with a letter (GA4)"
_RESERVED_PREFIXES: Final = ("firebase_", "ga_", "google_", "gtag.")
RESERVED_NAMES: Final = frozenset(
    "ad_activeview ad_click ad_exposure ad_impression ad_query ad_reward adunit_exposure app_clear_data "
    "app_exception app_install app_remove app_store_refund app_store_subscription_cancel "
    "app_store_subscription_convert app_store_subscription_renew app_update app_upgrade "
    "dynamic_link_app_open dynamic_link_app_update dynamic_link_first_open error firebase_campaign "
    "firebase_in_app_message_action firebase_in_app_message_dismiss firebase_in_app_message_impression "
    "first_open first_visit in_app_purchase notification_dismiss notification_foreground notification_open "
    "notification_receive notification_send os_update screen_view session_start user_engagement".split(),
)

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Whole = Annotated[int, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Short = Annotated[str, msgspec.Meta(max_length=512)]


class NotJson(Exception):
    """The body is not JSON, or not Unicode. Nothing of it can be kept."""


class Invalid(Exception):
    """One event cannot be taken. `path` names the field, `fault` the trouble; neither quotes a value."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(path, fault)
        self.path = path
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}"


class _Redacted(msgspec.Struct, frozen=True, gc=False):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(<redacted>)"


class Page(_Redacted, frozen=True, gc=False):
    """Where the event happened."""

    url: Text | None = None
    referrer: Text | None = None
    title: Text | None = None


class User(_Redacted, frozen=True, gc=False):
    """Raw contact data. Lives until match keys are made, in the same synchronous step."""

    email: Short | None = None
    phone: Short | None = None
    first_name: Short | None = None
    last_name: Short | None = None
    street: Short | None = None
    city: Short | None = None
    region: Short | None = None
    postal_code: Short | None = None
    country: Short | None = None
    date_of_birth: Short | None = None
    gender: Short | None = None


class Context(_Redacted, frozen=True, gc=False):
    """What the browser knows and the request may not say."""

    user_agent: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    language: Short | None = None
    fbp: Short | None = None
    fbc: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    ga_cookie: Short | None = None
    ga_session_cookie: Short | None = None


def _json(depth: int) -> Any:
    """The type of a JSON value that holds at most `depth` levels of lists and objects."""
    scalar = (
        Annotated[int, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]
        | Annotated[float, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]
        | Text
        | bool
        | None
    )
    if depth == 0:
        return scalar
    below: Any = _json(depth - 1)
    return scalar | Annotated[list[below], msgspec.Meta(max_length=MAX_LIST)] | dict[Key, below]


Key = Annotated[str, msgspec.Meta(max_length=MAX_KEY)]
if TYPE_CHECKING:
    Json = Any
else:
    Json = _json(MAX_DEPTH - 1)

_NO_PAGE: Final = Page()
_NO_CONTEXT: Final = Context()


class Event(msgspec.Struct, kw_only=True, gc=False):
    """One event as PRODUCT.md documents it. Only `name` is required; unknown fields are ignored."""

    name: str
    event_id: Identifier | None = None
    timestamp: str | int | float | None = None
    client_id: Identifier | None = None
    session_id: Identifier | Whole | None = None
    user_id: Identifier | Whole | None = None
    page: Page = _NO_PAGE
    user: User | None = None
    properties: dict[Key, Json] = {}
    consent: Json = None
    context: Context = _NO_CONTEXT
    occurred_ms: int | None = None
    """`timestamp` in epoch milliseconds (set by the parser, whatever the body said)."""
    mentions_at: bool = False
    """Whether a text holds an @ and so may hold an e-mail address (set by the parser)."""

    def __repr__(self) -> str:
        return "Event(<redacted>)"


class Body(msgspec.Struct, frozen=True, gc=False):
    """A parsed body, and two things that are quicker to see in the bytes than in the tree."""

    json: Any
    holds_nul: bool
    holds_at: bool

    def __repr__(self) -> str:
        return "Body(<redacted>)"


def read_json(body: bytes) -> Body:
    """The body as plain JSON; raises NotJson."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJson(f"the body is not valid JSON: {error.msg} at character {error.pos}") from error
    escapes = b"\\" in body  # one byte is looked for at ten times the speed of six, and most bodies have none
    holds_at = b"@" in body or (escapes and b"\\u0040" in body) or (b"%" in body and b"%40" in body)
    return Body(said, escapes and b"\\u0000" in body, holds_at)


def read_event(raw: Any, body: Body) -> Event:
    """One event of a body; raises Invalid with the field's path."""
    if not isinstance(raw, dict):
        raise Invalid("event", "must be an object")
    if body.holds_nul:
        _explain(raw, 0)
    try:
        event = msgspec.convert(raw, Event)
    except msgspec.ValidationError as error:
        _explain(raw, 0)
        raise _located(error) from None
    _check_name(event.name)
    event.occurred_ms = None if event.timestamp is None else read_moment(event.timestamp)
    if event.timestamp is not None and event.occurred_ms is None:
        raise Invalid("timestamp", "must be RFC 3339 with an offset, or epoch milliseconds")
    event.mentions_at = body.holds_at
    return event


def _check_name(name: str) -> None:
    if not name:
        raise Invalid("name", "must not be empty")
    fault = _fault_of_name(name) if len(name) <= MAX_NAME else _MALFORMED_NAME
    if fault:
        raise Invalid("name", fault)


@lru_cache(maxsize=512)
def _fault_of_name(name: str) -> str:
    """Why GA4 would not take a name; empty if it would. Remembered: a site's event names are few and no secret."""
    if not _NAME.fullmatch(name):
        return _MALFORMED_NAME
    return "is reserved by GA4" if name in RESERVED_NAMES or name.startswith(_RESERVED_PREFIXES) else ""


def _located(error: msgspec.ValidationError) -> Invalid:
    fault, _, where = str(error).partition(" - at `$")
    path = where.strip("`.") or "event"
    if fault.startswith("Object missing required field `"):
        missing = fault.split("`")[1]
        return Invalid(missing if path == "event" else f"{path}.{missing}", "is missing")
    return Invalid(path.replace("[...]", ""), fault[:1].lower() + fault[1:])


def _explain(node: Any, depth: int) -> None:
    """Name the first field below `node` that breaks a bound, as Invalid; the path is built on the way out."""
    if depth > MAX_DEPTH:
        raise Invalid("", f"is nested deeper than {MAX_DEPTH}")
    if isinstance(node, list) and len(node) > MAX_LIST:
        raise Invalid("", f"has more than {MAX_LIST} entries")
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        try:
            _explain_one(key, value, depth)
        except Invalid as fault:
            step = _step(key)
            joined = step + fault.path if fault.path[:1] in ("", "[") else f"{step}.{fault.path}"
            raise Invalid(joined, fault.fault) from None


def _explain_one(key: str | int, value: Any, depth: int) -> None:
    if isinstance(key, str) and ("\0" in key or len(key) > MAX_KEY):
        raise Invalid("", f"is a name with a NUL character or of more than {MAX_KEY} characters")
    if isinstance(value, str):
        if "\0" in value or len(value) > MAX_TEXT:
            raise Invalid("", _fault_of_text(value))
    elif isinstance(value, dict | list):
        _explain(value, depth + 1)
    elif isinstance(value, int | float) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise Invalid("", "is a number beyond 2^53; send it as text")


def _fault_of_text(value: str) -> str:
    return "contains a NUL character" if "\0" in value else f"is longer than {MAX_TEXT} characters"


def _step(key: str | int) -> str:
    """One step of a path: names are shown, anything else could be data and is not."""
    if isinstance(key, int):
        return f"[{key}]"
    return key if _NAME.fullmatch(key) else "(name)"
