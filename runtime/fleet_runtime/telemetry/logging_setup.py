"""Set up the log on standard error: text or JSON."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from fleet_runtime.telemetry.access_log import LogFormat

NOISY: Final = ("httpx",)
"""Loggers whose records below a warning are not written."""


class JsonFormatter(logging.Formatter):
    """One JSON object per record: ``time`` (RFC 3339, UTC), ``level``, ``message``, ``logger``, and
    ``traceback`` where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class TextFormatter(logging.Formatter):
    """``<time> LEVEL message``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


class LineHandler(logging.Handler):
    """Hands each formatted record to `write` as one line, which must not block."""

    def __init__(self, formatter: logging.Formatter, write: Callable[[bytes], object]) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except Exception:
            self.handleError(record)


def log_to(write: Callable[[bytes], object], form: LogFormat) -> None:
    """Pass everything that is logged from now on to `write`, in `form`."""
    handler = LineHandler(JsonFormatter() if form == "json" else TextFormatter(), write)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
