"""How a child tells `sluis up` that it can do its work: a file in {var}/run that holds its process id."""

import os

from collector.configuration import Settings


def announce(settings: Settings, name: str) -> None:
    """Say that this process is ready; quietly nothing where there is no run folder (not under `up`)."""
    folder = settings.var / "run"
    if folder.is_dir():
        (folder / f"{name}.ready").write_text(str(os.getpid()), encoding="ascii")
