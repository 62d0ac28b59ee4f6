"""The requests and responses between a probe and its transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet_runtime.dialects.status_reason import StatusReason


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """A GET of `path`, below the server's root, or below its ``api_base`` if `api` is set.

    `path` is percent-encoded and may carry a query. With a `body` it is a POST of that JSON instead, only for
    requests that need one and change nothing, and for `commands`. Transports ask for the encoding
    ``identity``.
    """

    path: str
    api: bool = False
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class ProbeResponse:
    """A server's response; header names in lower case, the body as received.

    `reason` says why it cannot be used, None if it can: with `status` 0 there was no response, else what came
    is a redirect, or too large, or incomplete.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reason: StatusReason | None = None
