"""Write a log through a bounded queue, so that logging never blocks.

A pipe without a reader, a stopped terminal and a stalled disk can block a write indefinitely.
One thread writes; all others add to a queue of `QUEUE_BYTES`. A line that finds it full is dropped and
counted.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

QUEUE_BYTES: Final = 1_000_000
GATHER_SECONDS: Final = 0.05
"""The pause before a write. Without it, each turn of a busy event loop would wake the thread and wait for the
interpreter's lock."""
FLUSH_SECONDS: Final = 1.0

log = logging.getLogger("fleet.log")


def open_log(file: Path) -> int:
    """Return a descriptor that writes at the end of `file`, which is made if need be. Raises `OSError`."""
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o640)


class LogWriter:
    """Writes lines to the descriptor `fd`, from the block's beginning to its end. Thread-safe.

    `name` is the log's name in messages. `dropped` counts lines that were dropped because the queue was full
    or writing failed (a full disk, a closed pipe).
    """

    def __init__(self, fd: int = 2, name: str = "standard error") -> None:
        self.dropped = 0
        self._name = name
        self._fd = fd
        self._queue: list[tuple[bytes, int]] = []
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._filled = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the queued lines, for at most `FLUSH_SECONDS`; a blocked thread ends with the process."""
        self._closing.set()
        self._filled.set()
        self._thread.join(FLUSH_SECONDS)

    def __call__(self, lines: bytes, count: int = 1) -> None:
        """Queue `count` lines."""
        with self._lock:
            if self._queued_bytes + len(lines) > QUEUE_BYTES:
                self.dropped += count
                return
            self._queued_bytes += len(lines)
            self._queue.append((lines, count))
        if not self._filled.is_set():
            self._filled.set()

    def reopen(self, file: Path) -> None:
        """Append to `file` from now on, which may be a new file with the same name. Raises
        `OSError`."""
        fd = open_log(file)
        os.dup2(fd, self._fd, inheritable=False)
        os.close(fd)

    def _run(self) -> None:
        reported = 0
        while not (self._closing.is_set() and not self._queue):
            self._filled.wait()
            self._closing.wait(GATHER_SECONDS)
            self._filled.clear()
            self._write_queued()
            if self.dropped != reported:
                lost, reported = self.dropped - reported, self.dropped
                log.warning("dropped %d log lines: %s could not be written in time", lost, self._name)

    def _write_queued(self) -> None:
        """Write the queued lines; their bytes count against the limit until they are written."""
        with self._lock:
            queue, self._queue = self._queue, []
        data = memoryview(b"".join([lines for lines, _ in queue]))
        size = len(data)
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            with self._lock:
                self.dropped += sum(count for _, count in queue)
        with self._lock:
            self._queued_bytes -= size
