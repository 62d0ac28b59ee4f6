"""Standard error behind a bounded queue, so that logging never waits for the reader of the log.

A pipe that nobody reads, a stopped terminal and a stalled disk all block a write for as long as they like.
One thread writes; all others add to a queue of `QUEUE_BYTES`. A line that finds it full is dropped and
counted.
"""

from __future__ import annotations

import logging
import os
import threading
from types import TracebackType
from typing import Final, Self

QUEUE_BYTES: Final = 1_000_000
GATHER_SECONDS: Final = 0.01
"""The pause before a write. Without it, each turn of a busy event loop would wake the thread and wait for the
interpreter's lock."""
FLUSH_SECONDS: Final = 1.0

log = logging.getLogger("fleet.log")


class LogWriter:
    """Writes lines to the descriptor `fd`, from the block's beginning to its end. Thread-safe.

    `dropped` counts the lines that found the queue full or could not be written (a full disk, a closed pipe).
    """

    def __init__(self, fd: int = 2) -> None:
        self.dropped = 0
        self._fd = fd
        self._queue: list[bytes] = []
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
        """Write what is queued, for at most `FLUSH_SECONDS`; the thread of a blocked write ends with the
        process."""
        self._closing.set()
        self._filled.set()
        self._thread.join(FLUSH_SECONDS)

    def __call__(self, line: bytes) -> None:
        with self._lock:
            if self._queued_bytes + len(line) > QUEUE_BYTES:
                self.dropped += 1
                return
            self._queued_bytes += len(line)
            self._queue.append(line)
        if not self._filled.is_set():
            self._filled.set()

    def _run(self) -> None:
        reported = 0
        while not (self._closing.is_set() and not self._queue):
            self._filled.wait()
            self._closing.wait(GATHER_SECONDS)
            self._filled.clear()
            self._write_queued()
            if self.dropped != reported:
                lost, reported = self.dropped - reported, self.dropped
                log.warning("dropped %d log lines: standard error did not take them in time", lost)

    def _write_queued(self) -> None:
        """Write what is queued now; its bytes count against the limit until they are written."""
        with self._lock:
            lines, self._queue = self._queue, []
        data = memoryview(b"".join(lines))
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            with self._lock:
                self.dropped += len(lines)
        with self._lock:
            self._queued_bytes -= sum(map(len, lines))
