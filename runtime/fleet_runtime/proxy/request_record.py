"""What is told of one proxied request when it is over, for log and metrics: no body, no key."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from fleet_runtime.artifacts.contract import Via

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

    `inference`: the request was for a machine, not for one of the gateway's own lists or its API.
    `status` is what the client was told (0: nothing), `code` the code of an error of the gateway's own.
    `ok`: the machine's answer was passed on whole, whatever its status.

    Times are seconds of ``time.perf_counter``: `started` when the request's head was read, `received` when
    its body was whole, `asked` when there was nothing to do but wait for the machine, `answered` when its
    answer came, `passed` when the answer's head went on, `first_byte` when the first byte of its body did,
    `finished` at the end. `own` and `waited` are seconds until the answer's head went on: those that the
    gateway took itself, and those that the machine took (None: it was not asked). The client's sending of
    the body is in neither.
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
    inference: bool = True
    started: float = field(default_factory=time.perf_counter)
    received: float | None = None
    asked: float | None = None
    answered: float | None = None
    passed: float | None = None
    first_byte: float | None = None
    finished: float | None = None
    own: float | None = None
    waited: float | None = None

    def refuse(self, status: int, code: str) -> None:
        """The client is told an error of the gateway's own; an end that is already known stands."""
        self.status = status
        self.code = code
        if self.end_reason == "ok":
            self.end_reason = "refused"

    def pass_head(self) -> None:
        """The head of the answer goes on now, which fixes `own` and `waited`."""
        passed = self.passed = time.perf_counter()
        received = self.received or self.started
        if self.asked is None:
            self.own = passed - received
        else:
            answered = self.answered or passed
            self.own = self.asked - received + passed - answered
            self.waited = answered - self.asked

    def server_timing(self) -> bytes:
        """The value of ``server-timing`` (W3C): `own` and `waited` in milliseconds."""
        own = (self.own or 0.0) * 1000
        if self.waited is None:
            return b"gateway;dur=%.3f" % own
        return b"gateway;dur=%.3f, machine;dur=%.3f" % (own, self.waited * 1000)
