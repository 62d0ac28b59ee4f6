"""Guard the standard streams of a command: a closed or full stream ends it with at most one line, never with
a traceback."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

NAMES = ("standard input", "standard output", "standard error")


class BrokenStreamError(OSError):
    """Nothing more can be written to the standard stream of descriptor `number`, for the system's `reason`.

    Its own `errno` is not set, so that no handler takes it for an error of a file or socket.
    """

    def __init__(self, number: int, reason: OSError) -> None:
        super().__init__(f"cannot write to {NAMES[number]}: {(reason.strerror or str(reason)).lower()}")
        self.number = number
        self.reason = reason


def run_guarded(run: Callable[[], int]) -> int:
    """Return the exit code of `run`; 1 if its output or messages cannot be written, with an error line if
    stderr works; 0 if the reader of its output left."""
    _open_closed_descriptors()
    try:
        with _guarded_streams():
            return run()
    except BrokenStreamError as broken:
        if broken.number == 1 and broken.reason.errno == errno.EPIPE:
            return 0
        if broken.number != 2:
            with suppress(OSError):
                os.write(2, f"error: {broken}\n".encode())
        return 1


class _GuardedWriter(io.BufferedWriter):
    """The buffer of a standard stream, whose errors are `BrokenStreamError`s.

    Not the file below it: an interrupt that comes right after the file was written to would be raised in code
    of ours, before the buffer knows, and what was written would be written again at the end.
    """

    def __init__(self, number: int, file: io.FileIO) -> None:
        super().__init__(file)
        self._number = number

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise BrokenStreamError(self._number, error) from None

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise BrokenStreamError(self._number, error) from None


def _open_closed_descriptors() -> None:
    """Open the null device in place of each closed stream, so that no file or socket gets its number.

    The replacements cannot be read or written, except standard error, whose text is lost.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)


@contextmanager
def _guarded_streams() -> Iterator[None]:
    """Guard standard output and error, and flush both when the block ends."""
    originals = sys.stdout, sys.stderr
    guards = sys.stdout, sys.stderr = _guard(1, sys.stdout), _guard(2, sys.stderr)
    try:
        yield
        for stream in guards:
            stream.flush()
    finally:
        sys.stdout, sys.stderr = originals
        for stream in guards:
            _discard_unwritten(stream)


def _guard(number: int, stream: TextIO | None) -> TextIO:
    """Return `stream`, or its replacement, on top of a guarded file; one without a file stays as it is."""
    try:
        descriptor = number if stream is None else stream.fileno()
    except (OSError, ValueError):
        assert stream is not None
        return stream
    file = _GuardedWriter(number, io.FileIO(descriptor, "w", closefd=False))
    if isinstance(stream, io.TextIOWrapper):
        encoding, errors, lines = stream.encoding, stream.errors, stream.line_buffering
    else:
        encoding, errors, lines = "utf-8", "backslashreplace", number == 2
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, line_buffering=lines)


def _discard_unwritten(stream: TextIO) -> None:
    """Flush what could not be written to the null device, so that no later flush fails on it."""
    try:
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        broken = os.dup(stream.fileno())
        os.dup2(null, stream.fileno())
        with suppress(OSError):
            stream.flush()
        os.dup2(broken, stream.fileno())
        os.close(null)
        os.close(broken)
