"""What the gateway writes on standard error: lines for people, or JSON objects for programs."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from contextlib import suppress
from typing import Final

import msgspec

from fleet_runtime.telemetry.access_log import LogFormat

NOISY: Final = ("uvicorn", "uvicorn.error", "httpx")
"""Loggers that are heard from a warning on."""


class JsonFormatter(logging.Formatter):
    """One JSON object per record: ``time`` (RFC 3339, UTC), ``level``, ``message``, ``logger``, and
    ``traceback`` where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode()


class TextFormatter(logging.Formatter):
    """``<time> LEVEL message``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


def log_to_stderr(form: LogFormat) -> None:
    """Everything that is logged from now on is written in `form`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


class StandardError:
    """Lines go out beside the loggers, which cost ten times as much; those of one turn of the running loop
    together. One that cannot be written (a full disk, a closed pipe) is lost."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def __call__(self, line: bytes) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(line)

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        with suppress(OSError):
            os.write(2, b"".join(lines))
