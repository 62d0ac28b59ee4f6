"""The requests of late: the last thousand that are over, and those that run.

Theory of operation. A request that is over costs one append; everything else happens ten times a second, for
all that ended since: its token counts are read from what its record kept of the response, observers called,
and one event for each surface says that there is news. A row is made only when somebody reads it. Above
`COUNTED` requests in that time, and above `COUNTED_BYTES` of kept responses, token counts of the rest are not
read; the requests themselves are all there.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from fleet_runtime.errors import ErrorResponse, request_error
from fleet_runtime.event_log import EventLog
from fleet_runtime.events import ActivityChange
from fleet_runtime.proxy.exchange_state import ExchangeState
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.activity_row import RequestActivity, describe_request
from fleet_runtime.telemetry.token_counts import Tokens, read_tokens

ROWS: Final = 1_000
BATCH_SECONDS: Final = 0.1
BATCH: Final = 256
COUNTED: Final = 50
COUNTED_BYTES: Final = 1_000_000

_CANCELLED: Final = request_error("request_cancelled", "the request was cancelled").answer


class RunningRequest(Protocol):
    """An exchange that is not over."""

    @property
    def record(self) -> RequestRecord: ...

    @property
    def state(self) -> ExchangeState: ...

    def stop(self, error: ErrorResponse, /) -> None: ...


class Finished(NamedTuple):
    """A request that is over; `started_at` in unix seconds."""

    record: RequestRecord
    tokens: Tokens | None
    started_at: float


Observer = Callable[[RequestRecord, Tokens | None], object]


class Activity:
    """`running` gives the exchanges of now, `earlier` the requests of former runs, the newest first.
    `observers` get each request that is over, with its tokens, within `BATCH_SECONDS`."""

    def __init__(self, events: EventLog) -> None:
        self.running: Callable[[], Iterable[RunningRequest]] = tuple
        self.earlier: tuple[RequestActivity, ...] = ()
        self.observers: list[Observer] = []
        self._events = events
        self._pending: list[RequestRecord] = []
        self._finished: deque[Finished] = deque(maxlen=ROWS)
        self._news: dict[str | None, RequestRecord] = {}
        self._left, self._left_bytes = COUNTED, COUNTED_BYTES
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None

    def finished(self, record: RequestRecord) -> None:
        """Take the record of a request that is over."""
        if not record.inference:
            return
        pending = self._pending
        if len(pending) >= self._left:
            record.drop_chunks()
        pending.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._due)
        elif len(pending) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Take up now what is over."""
        pending, self._pending = self._pending, []
        offset = time.time() - time.perf_counter()
        for record in pending:
            tokens = None
            if record.first_chunk and self._left > 0 and self._left_bytes > 0:
                self._left -= 1
                self._left_bytes -= record.kept_bytes
                tokens = read_tokens(record.first_chunk, record.last_chunks, streamed=record.streamed)
            record.drop_chunks()
            self._finished.append(Finished(record, tokens, record.started_at + offset))
            self._news[record.surface] = record
            for observe in self.observers:
                observe(record, tokens)

    def _due(self) -> None:
        """Take up what is over, announce it, and allow for as many counts again."""
        self._timer = None
        self.flush()
        news, self._news = self._news, {}
        for surface, record in news.items():
            self._events.publish(ActivityChange(surface=surface, newest=self._id(record)))
        self._left, self._left_bytes = COUNTED, COUNTED_BYTES

    def rows(self) -> Iterator[RequestActivity]:
        """Yield the requests that are over, the newest first."""
        self.flush()
        for finished in reversed(self._finished):
            yield self.row(finished)
        yield from self.earlier[: ROWS - len(self._finished)]

    def row(self, finished: Finished) -> RequestActivity:
        """Return one of `since`; may be called in any thread."""
        record, tokens, started_at = finished
        state, now = ExchangeState.DONE, record.started_at
        return describe_request(self._id(record), record, tokens, started_at, state, now)

    def since(self, last: Finished | None) -> list[Finished]:
        """Return the requests that ended after `last`, the oldest first, as far as they are here."""
        self.flush()
        new = list(itertools.takewhile(lambda each: each is not last, reversed(self._finished)))
        return new[::-1]

    def running_rows(self) -> list[RequestActivity]:
        """Return the requests that run, the newest first."""
        now = time.perf_counter()
        offset = time.time() - now
        running = sorted(self.running(), key=lambda exchange: exchange.record.started_at, reverse=True)
        return [
            describe_request(
                self._id(each.record), each.record, None, each.record.started_at + offset, each.state, now
            )
            for each in running
        ]

    def cancel(self, id: str) -> RequestActivity | None:
        """End a request that runs, and return it; None if none has that id."""
        for exchange in self.running():
            record = exchange.record
            if self._id(record) == id:
                exchange.stop(_CANCELLED)
                return next((row for row in self.rows() if row.id == id), None)
        return None

    def _id(self, record: RequestRecord) -> str:
        if not record.number:
            record.number = next(self._numbers)
        return f"{self._events.run}-{record.number}"
