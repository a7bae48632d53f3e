"""Logs: one JSON line per entry on stderr, closed words only.

No personal data gets here by construction: entries carry an event name and closed labels; an exception is written
as its type and the places it passed, never its message, which may quote input.
"""

import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog


def fault(error: BaseException) -> dict[str, Any]:
    """An exception as safe fields: type names and file:line, without messages."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "cause": type(error.__cause__).__name__ if error.__cause__ else None,
        "at": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-6:]],
    }


def _safe_exceptions(_logger: Any, _name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = entry.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    return {**entry, **fault(error)} if isinstance(error, BaseException) else entry


_PROCESSORS: list[Callable[..., Any]] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _safe_exceptions,
]


def set_up(process: str) -> None:
    """Configure logging of this process. Libraries' own records take the same road."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_PROCESSORS,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for quiet in ("uvicorn", "uvicorn.error", "uvicorn.access", "aiohttp", "asyncio"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(process=process)


def logger(name: str) -> Any:
    """A logger for one module."""
    return structlog.get_logger(name)
