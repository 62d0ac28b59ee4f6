"""Collect the records of finished requests, and process them in batches.

Processed one by one, log line, tallies and row of a request would cost twice as much, and a timer each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from fleet_runtime.proxy.request_record import RequestRecord

GATHER_SECONDS: Final = 0.1
"""The time that the first record of a batch waits for others."""
MOST: Final = 64
"""The maximum size of a batch, a third of a millisecond of work."""


class FinishedRequests:
    """`sinks` get the records in the order in which the requests ended. `on_pause` is called afterwards, at
    most every `GATHER_SECONDS`."""

    def __init__(self) -> None:
        self.sinks: list[Callable[[Sequence[RequestRecord]], object]] = []
        self.on_pause: Callable[[], object] = lambda: None
        self._records: list[RequestRecord] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, record: RequestRecord) -> None:
        """Collect the record of a finished request."""
        records = self._records
        records.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._due)
        elif len(records) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Pass the collected records to the sinks; call this before reading from them."""
        records, self._records = self._records, []
        if records:
            for sink in self.sinks:
                sink(records)

    def _due(self) -> None:
        self._timer = None
        self.flush()
        self.on_pause()
