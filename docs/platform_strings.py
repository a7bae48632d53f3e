"""Strings of an invented consent platform (CMP 31), for the tables of docs/consent-matrix.md. Dated 2026-11-20."""

from typing import Any, Final

ALL: Final = "CQt-4cAQt-4cAAfABBENB4FgAP_gAAAAAAIgF5wAYF5gXmAAAAAA.IF5wAYF5gXmA"
NO_GOOGLE: Final = "CQt-4cAQt-4cAAfABBENB4FgAP_gAAAAAAIgAAAAAAAA.IF5wAYF5gXmA"
NONE: Final = "CQt-4cAQt-4cAAfABBENB4FgAAAAAAAAAAIgAAAAAAAA.IF5wAYF5gXmA"
STORAGE: Final = "CQt-4cAQt-4cAAfABBENB4FgAIAAAAAAAAIgF5wAYF5gXmAAAAAA.IF5wAYF5gXmA"
NOT_DISCLOSED: Final = "CQt-4cAQt-4cAAfABBENB4FgAP_gAAAAAAIgF5wAYF5gXmAAAAAA"
OLD: Final = "CQgYw8AQgYw8AAfABBENB4FgAP_gAAAAAAIgF5wAYF5gXmAAAAAA.IF5wAYF5gXmA"
META_YES, META_NO = "2~89~dv.", "2~~dv.89"
CALIFORNIA_OUT: Final = "DBABBg~BAQAAAAA"
NATIONAL_IN: Final = "DBABL~CAAqAAAAAAAA"
CHILD: Final = "DBABL~CAAAAAAAACAA"


def tcf(tc_string: str, additional_consent: str | None = None, **more: Any) -> dict[str, Any]:
    """The fields of a statement that carries these strings, where the GDPR applies."""
    both = {"tc_string": tc_string, "gdpr_applies": True, **more}
    return both if additional_consent is None else {**both, "additional_consent": additional_consent}
