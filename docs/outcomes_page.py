"""`docs/outcomes.md`: every outcome, reason, fate and verdict, from the closed lists in the code."""

from typing import Final

from collector.intake import outcome
from collector.intake.outcome import OUTCOMES, Filtered, Skipped
from collector.store import sealing
from consent.model import Reason
from docs.markdown import code, meanings, sentence, table
from forwarders import transport
from forwarders.contract import Overruled, Skip, Verdict

HEAD: Final = """\
# Outcomes and reasons

Every event has one outcome at the door, and every accepted event has one fate per destination. Outcomes and fates are
coarse and safe as metric labels; reasons are finer. All lists are closed: a word that is not here is a fault.

    at the door      accepted | refused | duplicate | filtered | invalid | internal_error
    per destination  queued | duplicate | skipped:REASON
    afterwards       accepted = handed_over + dropped{reason} + dead{cause} + pending
"""

_FILTERED: Final[dict[str, str]] = {
    Filtered.BOT: "the user agent says that it is a crawler",
    Filtered.PREFETCH: "the page was fetched ahead; no person has seen it (`Sec-Purpose`)",
}
_AT_THE_DOOR: Final = {
    "no_destination_permitted": "the destinations were skipped for different reasons; each says its own",
    "event_id_seen": "with `duplicate`: this visitor's event id was stored within the window",
    "FIELD: fault": "with `invalid`: the path of the field and what is wrong with it, never its value",
    "internal_error": "with `internal_error`: a fault of ours; the log says where",
}
_UNREADABLE: Final[dict[str, str]] = {
    sealing.Cause.KEY_DESTROYED: "its day key was destroyed: retention ended it, as promised",
    sealing.Cause.FORGED: "the seal does not fit, or the record belongs to another destination",
    sealing.Cause.UNKNOWN_FORMAT: "a record of a version this code does not know",
}
_VENDOR: Final = {
    "http_NNN": "the vendor's HTTP status, where it says nothing more precise",
    "meta_CODE_SUBCODE": "Meta's error code and subcode",
    "meta_received_none": "Meta answered success and took no event",
    "refused": "the vendor refuses it and gives no code",
    "internal_error": "a fault of ours while composing or sending; the log says which type",
}
_VERDICTS: Final[dict[str, str]] = {
    Verdict.HANDED_OVER: "the vendor answered that it took the event; GA4 says no more than that"
}
_NO_ANSWER: Final[dict[str, str]] = {transport.Cause.TIMEOUT: "no complete answer in time"}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_door(), *_consent(), *_fates()])


def _door() -> list[str]:
    outcomes = [(code(one), row.sentence, "yes" if row.intended else "**no**") for one, row in OUTCOMES.items()]
    return [
        "## At the door: `outcome`\n\n" + table(("Outcome", "Meaning", "Intended"), outcomes),
        "### `reason` of an outcome\n\n"
        "`refused` carries the reason of its destinations if they all have the same one.\n\n" + _said(_AT_THE_DOOR),
        f"### `reason` of `{outcome.Outcome.FILTERED}`\n\n" + _rows(meanings(Filtered, _FILTERED)),
    ]


def _consent() -> list[str]:
    return [
        "## Per destination: `skipped:REASON`\n\n"
        "Consent first (consent/model.py). The recheck before every hand-over uses the same words, as reasons of\n"
        "`dropped`.\n\n" + _rows(meanings(Reason)),
        "Then what consent would allow (collector/intake/outcome.py):\n\n" + _rows(meanings(Skipped)),
    ]


def _fates() -> list[str]:
    return [
        "## Afterwards: fates\n\n"
        "`handed_over` is the most that can be known: GA4 gives no receipt. `pending` waits in the stream, or for its\n"
        "next attempt.\n\n"
        "### `dropped{reason}`: we decided not to hand it over\n\n"
        "The reasons of consent above, and:\n\n"
        + _rows(meanings(Skip) | meanings(Overruled) | _only(sealing.Cause.KEY_DESTROYED)),
        "### `dead{cause}`: it cannot be handed over\n\n"
        "Dead letters wait `[retention] dead_letter_days` for a person.\n\n"
        + _rows(_only(sealing.Cause.FORGED) | _only(sealing.Cause.UNKNOWN_FORMAT) | _sentences(_VENDOR)),
        "### What a vendor's answer means: verdicts\n\n" + _rows(meanings(Verdict, _VERDICTS)),
        "### When it has to wait\n\nA retry, with one of these causes in the log:\n\n"
        + _rows(meanings(transport.Cause, _NO_ANSWER) | _only(sealing.Cause.KEY_UNREADABLE)),
    ]


def _only(cause: sealing.Cause) -> dict[str, str]:
    return {cause.value: meanings(sealing.Cause, _UNREADABLE)[cause.value]}


def _sentences(said: dict[str, str]) -> dict[str, str]:
    return {word: sentence(text) for word, text in said.items()}


def _said(said: dict[str, str]) -> str:
    return _rows(_sentences(said))


def _rows(said: dict[str, str]) -> str:
    return table(("Word", "Meaning"), [(code(word), text) for word, text in said.items()])
