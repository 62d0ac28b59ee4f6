"""A line that shows what a command waits for, on a terminal, after half a second."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

import click

QUIET = "quiet"
"""The key of ``-q`` in a command's context."""

DELAY_SECONDS = 0.5
REFRESH_SECONDS = 0.2
CLEAR = "\r\x1b[2K"
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_SPINNER = "|/-\\"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class WaitLine:
    """The line of one `wait_line` block."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._shown = False

    def above(self, print_line: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """Wrap `print_line` so that its output appears above this line."""

        def run(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            with self._lock:
                self._clear()
                return print_line(*arguments, **named)

        return run

    def end(self) -> None:
        """Remove the line now; the block may continue without it."""
        with self._lock:
            self._ended.set()
            self._clear()

    def follow(self, started: float) -> None:
        """Show the line until `end`, with the seconds since `started` (monotonic)."""
        spinner = SPINNER if (sys.stderr.encoding or "").lower().startswith("utf") else PLAIN_SPINNER
        pause, turn = DELAY_SECONDS, 0
        while not self._ended.wait(pause):
            seconds = int(time.monotonic() - started)
            text = f"{spinner[turn % len(spinner)]} {self._text}" + (f", {seconds} s" if seconds else "")
            with self._lock:
                if not self._ended.is_set():
                    self._write(CLEAR + text[: shutil.get_terminal_size().columns - 1])
                    self._shown = True
            pause, turn = REFRESH_SECONDS, turn + 1

    def _clear(self) -> None:
        if self._shown:
            self._write(CLEAR)
            self._shown = False

    def _write(self, text: str) -> None:
        with suppress(OSError):  # nothing depends on this line
            os.write(2, text.encode(sys.stderr.encoding or "ascii", "replace"))


@contextmanager
def wait_line(text: str) -> Iterator[WaitLine]:
    """Show `text` on standard error, if it is a terminal, while the block runs for longer than half a second.

    Not with ``-q``.
    """
    line = WaitLine(text)
    context = click.get_current_context(silent=True)
    is_quiet = context is not None and bool(context.meta.get(QUIET))
    if is_quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield line
        return
    thread = threading.Thread(target=line.follow, args=(time.monotonic(),), daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.end()
        thread.join()
