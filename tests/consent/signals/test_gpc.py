from typing import Any

import pytest

from consent.signals import gpc
from tests.consent.signals.vectors import rows


@pytest.mark.parametrize("row", rows("consent_misc", "sec_gpc"))
def test_a_vector_is_heard_with_its_lines_joined(row: dict[str, Any]) -> None:
    header = ", ".join(row["headers"]) if row["headers"] else None
    assert (gpc.read(header, None) is not None) is row["gpc"]
