"""Parse the head of a provider's response, and make the header lines for the client."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fleet_runtime.proxy.request_head import HARMLESS_CONNECTION, HOP_BY_HOP, Header, tokens
from fleet_runtime.upstream import ResponseHead

_READ: Final = frozenset(
    (b"content-type", b"content-encoding", b"retry-after", b"location", b"connection", b"content-length")
)
_GATEWAYS_OWN: Final = frozenset(
    (
        *(b"set-cookie", b"set-cookie2", b"clear-site-data", b"refresh", b"service-worker-allowed"),
        *(b"strict-transport-security", b"public-key-pins", b"public-key-pins-report-only", b"expect-ct"),
        *(b"content-security-policy", b"content-security-policy-report-only", b"accept-ch", b"alt-svc"),
        *(b"nel", b"report-to", b"reporting-endpoints", b"x-request-id"),
    )
)
"""Headers that a browser or client would apply to the gateway's origin, and the id that the gateway sets."""
_GATEWAYS_PREFIXES: Final = (b"access-control-", b"x-fleet-")
_NEVER_SAME: Final = (b"x-request-id", b"set-cookie", b"set-cookie2")
_MAX_REMEMBERED: Final = 2048
_MAX_VALUE: Final = 256
_EVENT_STREAM: Final = b"text/event-stream"

Field = tuple[bytes | None, bytes, bytes]
"""A parsed header line: its name if the gateway reads it (else None), its value, and the line for the client
(empty: none)."""


class ForwardedHead:
    """The headers of a response that are meant for the client: order, duplicates and spelling of values kept.

    Left out are hop-by-hop headers, those that `Connection` names, those that would act on the gateway's
    origin (cookies, CORS, policies), and those that the gateway sends itself. `is_stream`: the response is an
    event stream; `is_encoded`: its body is compressed.
    """

    __slots__ = ("_around", "_block", "is_encoded", "is_stream", "location", "retry_after")

    def __init__(self, headers: Iterable[Header], known: dict[Header, Field]) -> None:
        """`known` caches parsed headers."""
        lines: list[bytes] = []
        read: dict[bytes, bytes] = {}
        for header in headers:
            name, value, line = known.get(header) or _interpret(header, known)
            if name == b"connection" and name in read:
                read[name] += b", " + value
            elif name is not None and name not in read:
                read[name] = value
            if line:
                lines.append(line)
        connection = read.get(b"connection")
        if connection is not None and connection not in HARMLESS_CONNECTION:
            named = tokens(connection) - {b"content-length"}
            lines = [line for line in lines if line.partition(b":")[0] not in named]
        self._block = b"".join(lines)
        self._around: tuple[bytes, bytes] | None = None
        self.is_stream = read.get(b"content-type", b"")[:17].lower() == _EVENT_STREAM
        self.is_encoded = b"content-encoding" in read
        self.location = read.get(b"location")
        self.retry_after = read.get(b"retry-after")

    def with_length(self, length: int | None) -> bytes:
        """Return the block of a head of the same shape with this `Content-Length`, if it has one."""
        if length is None:
            return self._block
        if self._around is None:
            lines = self._block.splitlines(keepends=True)
            at = next(at for at, line in enumerate(lines) if line.startswith(b"content-length: "))
            self._around = b"".join(lines[:at]), b"".join(lines[at + 1 :])
        return b"%bcontent-length: %d\r\n%b" % (self._around[0], length, self._around[1])


def forwarded_head(head: ResponseHead, known: dict[Header, Field]) -> ForwardedHead:
    """Return the forwarded headers of a head, computed once per shape."""
    shape = head.shape
    if not isinstance(shape.forwarded, ForwardedHead):
        shape.forwarded = ForwardedHead(head.headers, known)
    return shape.forwarded


def _interpret(header: Header, known: dict[Header, Field]) -> Field:
    name, value = header
    name = name.lower()
    own = name in _GATEWAYS_OWN or name.startswith(_GATEWAYS_PREFIXES)
    kept = name not in HOP_BY_HOP and not own
    line = b"%b: %b\r\n" % (name, value) if kept else b""
    field = (name if name in _READ else None, value, line)
    if len(value) <= _MAX_VALUE and name not in _NEVER_SAME:
        if len(known) >= _MAX_REMEMBERED:
            known.clear()
        known[header] = field
    return field
