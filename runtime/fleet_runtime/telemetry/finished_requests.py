"""The requests that are over: their records are collected, and noted for many of them together.

One by one, the log line, the tallies and the row of a request cost twice as much, and each a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from fleet_runtime.proxy.request_record import RequestRecord

GATHER_SECONDS: Final = 0.1
"""How long the first of the collected records waits for others."""
MOST: Final = 64
"""Records that are collected before they are noted: a third of a millisecond of work."""


class FinishedRequests:
    """`sinks` get the records in the order in which the requests ended. `on_pause` is called afterwards, at
    most every `GATHER_SECONDS`."""

    def __init__(self) -> None:
        self.sinks: list[Callable[[Sequence[RequestRecord]], object]] = []
        self.on_pause: Callable[[], object] = lambda: None
        self._records: list[RequestRecord] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, record: RequestRecord) -> None:
        """Collect the record of a request that is over."""
        records = self._records
        records.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._due)
        elif len(records) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Give the sinks what is collected, before somebody reads what they have."""
        records, self._records = self._records, []
        if records:
            for sink in self.sinks:
                sink(records)

    def _due(self) -> None:
        self._timer = None
        self.flush()
        self.on_pause()
