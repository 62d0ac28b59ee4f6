"""Requests and responses as they were sent and received, for the person who runs the gateway.

Theory of operation. With `gateway.captures`, each admitted inference request gets a `Capture`, which a
`CapturingSink` and a `CapturedExchange` fill while the bytes are forwarded unchanged. Heads are masked before
they are stored, bodies when they are shown and permanently when the request ends. `Captures` has the last
ones, including running requests, and drops the bodies of older ones, so that the configuration limits memory.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fleet_runtime.artifacts.gateway_parts import CaptureSettings
from fleet_runtime.proxy.capture_masking import Masking
from fleet_runtime.proxy.request_head import RequestHead
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.upstream.receiver import Header

HEAD_LIMIT: Final = 8_192
"""The maximum bytes of a stored head."""

_STREAM: Final = re.compile(rb"^content-type: *(text/event-stream|application/x-ndjson)", re.I | re.M)
_EVENT: Final = re.compile(rb"\n(?=data:|event:|id:|:|\{)")
"""The header of a stream, and the line break before an event, a comment or a line of JSON."""

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class CapturedHead:
    """The first line of a message and its header lines; `omitted` counts those that are not stored."""

    start: bytes
    headers: tuple[Header, ...]
    omitted: int = 0


class CapturedBody:
    """The first bytes of a body, and its `size`; after `keep_end`, its last lines too."""

    __slots__ = ("_begin", "_begin_limit", "_end", "_end_limit", "size")

    def __init__(self, limit: int) -> None:
        self._begin_limit, self._end_limit = limit, 0
        self._begin, self._end = bytearray(), bytearray()
        self.size = 0

    @property
    def is_cut(self) -> bool:
        return self.size > self._begin_limit + self._end_limit

    def keep_end(self) -> None:
        """Leave a quarter of the limit to the end; called before the first byte."""
        self._end_limit = self._begin_limit // 4
        self._begin_limit -= self._end_limit

    def add(self, data: bytes) -> None:
        room = max(self._begin_limit - self.size, 0)
        self.size += len(data)
        if room:
            self._begin += data[:room]
        if self._end_limit and len(data) > room:
            self._end += data[max(room, len(data) - self._end_limit) :]
            del self._end[: -self._end_limit]

    def shown(self, masking: Masking) -> bytes:
        """Return the beginning, or the body if it is not cut."""
        if self.is_cut:
            return masking.body(bytes(self._begin), is_cut=True)
        return masking.body(bytes(self._begin + self._end), is_cut=False)

    def shown_end(self, masking: Masking) -> bytes | None:
        """Return the end of a body that is cut, from the beginning of an event on: what is before that may be
        a part of a credential. None if there is none."""
        match = _EVENT.search(self._end) if self.is_cut else None
        return None if match is None else masking.body(bytes(self._end[match.end() :]), is_cut=True)

    def mask(self, masking: Masking) -> None:
        end = self.shown_end(masking)
        self._begin = bytearray(self.shown(masking))
        self._end = bytearray() if end is None else bytearray(b"\n" + end)

    def drop(self) -> None:
        self._begin_limit = self._end_limit = 0
        self._begin, self._end = bytearray(), bytearray()


class Capture:
    """One request with its response, as far as received. `sent` and `received` are the heads between
    the gateway and the provider, of the last attempt; `sent_bytes` is the size of the body sent there."""

    def __init__(self, head: RequestHead, record: RequestRecord, limit: int) -> None:
        version = "1.1" if head.http11 else "1.0"
        target = head.path + b"?" + head.query if head.query else head.path
        start = b"%b %b HTTP/%b" % (head.method.encode(), target, version.encode())
        self.record = record
        self._masking = Masking()
        self.request_head = self._head(start, head.headers())
        self.request = CapturedBody(limit)
        self.sent: CapturedHead | None = None
        self.sent_bytes = 0
        self.received: CapturedHead | None = None
        self.response_head: CapturedHead | None = None
        self.response = CapturedBody(limit)

    def send(self, lines: bytes, size: int, secrets: Iterable[Header]) -> None:
        """Store the head of the provider's request, which contains `secrets`, and the size of its body."""
        self._masking.know(secrets)
        start, *rest = lines.split(b"\r\n")
        self.sent = self._head(start, _fields(rest))
        self.sent_bytes = size
        self.received = None
        self.request_head = self._again(self.request_head)

    def receive(self, status: int, headers: Iterable[Header]) -> None:
        """Store the head of the provider's response."""
        self.received = self._head(_status_line(status), headers)

    def respond(self, status: int, block: bytes) -> None:
        """Store the head of the response to the client, whose lines are a block."""
        self.response_head = self._head(_status_line(status), _fields(block.split(b"\r\n")))
        if _STREAM.search(block):
            self.response.keep_end()

    def shown(self, body: CapturedBody) -> bytes:
        """Return the stored part of a body, without credentials."""
        return body.shown(self._masking)

    def shown_end(self, body: CapturedBody) -> bytes | None:
        """Return what is kept of the end of a body, without credentials."""
        return body.shown_end(self._masking)

    def finish(self) -> None:
        """Finish at the end of the request: mask everything with all known secrets, and forget the
        secrets."""
        self.request_head = self._again(self.request_head)
        self.sent, self.received, self.response_head = (
            None if head is None else self._again(head)
            for head in (self.sent, self.received, self.response_head)
        )
        self.request.mask(self._masking)
        self.response.mask(self._masking)
        self._masking = Masking()

    def drop(self) -> None:
        """Drop the bodies, and store none from now on."""
        self.request.drop()
        self.response.drop()

    def _head(self, start: bytes, headers: Iterable[Header]) -> CapturedHead:
        kept: list[Header] = []
        omitted, left = 0, HEAD_LIMIT
        masked = [(name.lower(), self._masking.header(name, value)) for name, value in headers]
        for name, value in masked:
            left -= len(name) + len(value)
            if left > 0:
                kept.append((name, value))
            else:
                omitted += 1
        return self._again(CapturedHead(start[:HEAD_LIMIT], tuple(kept), omitted))

    def _again(self, head: CapturedHead) -> CapturedHead:
        """Return a head without the secrets that are known now."""
        text = self._masking.text
        headers = tuple((name, text(value)) for name, value in head.headers)
        return CapturedHead(text(head.start), headers, head.omitted)


class Captures:
    """The captures of the last requests, iterated newest first."""

    def __init__(self, settings: CaptureSettings) -> None:
        self.settings = settings
        self._kept: deque[Capture] = deque()

    def __iter__(self) -> Iterator[Capture]:
        return reversed(self._kept)

    def begin(self, head: RequestHead, record: RequestRecord) -> Capture:
        """Return the capture of a new request, which replaces the oldest one."""
        capture = Capture(head, record, self.settings.body)
        if len(self._kept) >= self.settings.keep:
            self._kept.popleft().drop()
        self._kept.append(capture)
        return capture

    def close(self) -> None:
        """Drop everything."""
        while self._kept:
            self._kept.popleft().drop()


def _fields(lines: Iterable[bytes]) -> Iterator[Header]:
    """Yield name and value of each line, without validation."""
    for line in filter(None, lines):
        name, _, value = line.partition(b":")
        yield name, value.strip()


def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b" % (status, _PHRASES.get(status, b""))
