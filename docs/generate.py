"""`python -m docs.generate` (`make docs`): writes the pages that are made from the code.

A test compares the pages with the code, so a setting, reason or command cannot change without its page.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docs import cli_page, configuration_page, consent_matrix, outcomes_page

FOLDER: Final = Path(__file__).parent
NOTE: Final = "<!-- Made from the code by `make docs`. Change the code, not this page. -->\n\n"

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "configuration.md": configuration_page.page,
    "consent-matrix.md": consent_matrix.page,
    "outcomes.md": outcomes_page.page,
    "cli.md": cli_page.page,
}


def made(name: str) -> str:
    """The text of a page as the code has it now."""
    return NOTE + PAGES[name]()


def main() -> None:
    """Write every page."""
    for name in PAGES:
        (FOLDER / name).write_text(made(name), encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    main()
