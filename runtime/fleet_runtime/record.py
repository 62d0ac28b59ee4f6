"""What is told of one proxied request when it is over, for log and metrics: no body, no key."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from fleet_runtime.contract import Via

EndReason = Literal[
    "ok",
    "client_gone",
    "upstream_cut",
    "upstream_error",
    "connect_failed",
    "first_byte_timeout",
    "idle_timeout",
    "refused",
]


@dataclass(slots=True)
class Record:
    """One request, filled in as it goes on.

    `status` is what the client was told (0: nothing), `code` the code of an error of the gateway's own.
    `ok`: the machine's answer was passed on whole, whatever its status. Times are seconds of
    ``time.perf_counter``: `started` when the request's head was read, `answered` when the machine's head
    came, `first_byte` when the first byte of the body went on, `finished` at the end.
    """

    request_id: str
    surface: str | None
    endpoint: str
    requested: str | None = None
    provider: str | None = None
    model: str | None = None
    via: Via | None = None
    fallback: bool = False
    retried: bool = False
    status: int = 0
    code: str | None = None
    end_reason: EndReason = "ok"
    bytes_in: int = 0
    bytes_out: int = 0
    started: float = field(default_factory=time.perf_counter)
    answered: float | None = None
    first_byte: float | None = None
    finished: float | None = None
