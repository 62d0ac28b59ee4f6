"""Activity: the running requests and the last 1000 finished ones.

Theory of operation. The records of finished requests arrive in batches. Their token counts are read from the
stored parts of the responses, and observers are called; ten times a second, one event per surface announces
them. A row is made only when it is read. Above `COUNTED` requests in that time, or `COUNTED_BYTES` of stored
responses, token counts of the rest are not read; the requests are still listed.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from fleet_runtime.errors import ErrorResponse, request_error
from fleet_runtime.event_log import EventLog
from fleet_runtime.events import ActivityChange
from fleet_runtime.proxy.exchange_state import ExchangeState
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.activity_row import RequestActivity, describe_request
from fleet_runtime.telemetry.token_counts import Tokens, read_tokens

ROWS: Final = 1_000
COUNTED: Final = 50
COUNTED_BYTES: Final = 1_000_000

_CANCELLED: Final = request_error("request_cancelled", "the request was cancelled").answer


class RunningRequest(Protocol):
    """A running exchange."""

    @property
    def record(self) -> RequestRecord: ...

    @property
    def state(self) -> ExchangeState: ...

    def stop(self, error: ErrorResponse, /) -> None: ...


Finished = tuple[RequestRecord, Tokens | None, float]
"""A finished request, its token counts, and its start in unix seconds."""


Observer = Callable[[Sequence[Finished]], object]


class Activity:
    """`running` returns the running exchanges, `earlier` the requests of previous runs, newest first.
    `collect` is called before each read, to add all finished requests. `observers` get the added requests."""

    def __init__(self, events: EventLog) -> None:
        self.running: Callable[[], Iterable[RunningRequest]] = tuple
        self.collect: Callable[[], object] = lambda: None
        self.earlier: tuple[RequestActivity, ...] = ()
        self.observers: list[Observer] = []
        self._events = events
        self._finished: deque[Finished] = deque(maxlen=ROWS)
        self._news: dict[str | None, RequestRecord] = {}
        self._left, self._left_bytes = COUNTED, COUNTED_BYTES

    def add(self, records: Sequence[RequestRecord]) -> None:
        """Add finished requests; only those for inference count."""
        offset = time.time() - time.perf_counter()
        finished: list[Finished] = []
        for record in records:
            if record.inference:
                tokens = self._read_tokens(record) if record.first_chunk else None
                finished.append((record, tokens, record.started_at + offset))
                self._news[record.surface] = record
        self._finished.extend(finished)
        for observe in self.observers:
            observe(finished)

    def _read_tokens(self, record: RequestRecord) -> Tokens | None:
        """Return a response's token counts, unless a limit is reached, and drop its stored parts."""
        tokens = None
        if self._left > 0 and self._left_bytes > 0:
            self._left -= 1
            self._left_bytes -= record.kept_bytes
            tokens = read_tokens(record.first_chunk, record.last_chunks, streamed=record.streamed)
        record.drop_chunks()
        return tokens

    def announce(self) -> None:
        """Announce finished requests, and reset the limits on counting."""
        news, self._news = self._news, {}
        for surface, record in news.items():
            self._events.publish(ActivityChange(surface=surface, newest=self.id_of(record)))
        self._left, self._left_bytes = COUNTED, COUNTED_BYTES

    def rows(self) -> Iterator[RequestActivity]:
        """Yield the finished requests, newest first."""
        self.collect()
        for finished in reversed(self._finished):
            yield self.row(finished)
        yield from self.earlier[: ROWS - len(self._finished)]

    def row(self, finished: Finished) -> RequestActivity:
        """Return one of `since`; may be called in any thread."""
        record, tokens, started_at = finished
        state, now = ExchangeState.DONE, record.started_at
        return describe_request(self.id_of(record), record, tokens, started_at, state, now)

    def since(self, last: Finished | None) -> list[Finished]:
        """Return the stored requests that ended after `last`, oldest first."""
        self.collect()
        new = list(itertools.takewhile(lambda each: each is not last, reversed(self._finished)))
        return new[::-1]

    def running_rows(self) -> list[RequestActivity]:
        """Return the running requests, newest first."""
        now = time.perf_counter()
        offset = time.time() - now
        running = sorted(self.running(), key=lambda exchange: exchange.record.started_at, reverse=True)
        return [
            describe_request(
                self.id_of(each.record), each.record, None, each.record.started_at + offset, each.state, now
            )
            for each in running
        ]

    def cancel(self, id: str) -> RequestActivity | None:
        """Cancel a running request, and return it; None if there is none with that id."""
        for exchange in self.running():
            record = exchange.record
            if self.id_of(record) == id:
                exchange.stop(_CANCELLED)
                return next((row for row in self.rows() if row.id == id), None)
        return None

    def id_of(self, record: RequestRecord) -> str:
        """Return the id under which a request is listed."""
        return f"{self._events.run}-{record.number}"
