"""Parse responses strictly (RFC 9112, section 6.3).

After a plain head in one read (`response_lines`), the body is counted. Everything else is parsed by
httptools, which rejects repeated and conflicting lengths; transfer codings other than a single 'chunked' are
rejected here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import httptools

from fleet_runtime.upstream.receiver import Header, ResponseHead
from fleet_runtime.upstream.response_lines import ResponseLines

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of response headers with all interim responses, and of chunk lines and trailers between two parts of
a body."""


class ResponseParser:
    """Reads the responses on one connection, one `begin` each.

    `head` is None until the final head has arrived. `ended`: the response is complete; `reusable`: the
    connection can then be used again. `interim`: the last `feed` completed an interim response. `refusal` is
    the problem of the response, None if there is none. `received`: any byte of the response has arrived.
    """

    __slots__ = (
        "_bodiless",
        "_headers",
        "_keep_alive",
        "_left",
        "_lines",
        "_overhead",
        "_parser",
        "_pieces",
        "_surplus",
        "ended",
        "head",
        "interim",
        "received",
        "refusal",
    )

    def __init__(self, lines: ResponseLines) -> None:
        self._lines = lines
        self._parser: httptools.HttpResponseParser | None = None
        self._pieces: list[bytes] = []
        self._surplus = False
        self.begin(bodiless=False)

    def begin(self, *, bodiless: bool) -> None:
        """Expect the next response; `bodiless`: it is the response to a HEAD."""
        self._bodiless = bodiless
        self._headers: list[Header] = []  # may hold the trailers of the last response
        self._left: int | None = None
        self._overhead = 0
        self._keep_alive = True
        self.head: ResponseHead | None = None
        self.ended = False
        self.interim = False
        self.received = False
        self.refusal: str | None = None

    @property
    def reusable(self) -> bool:
        return self._keep_alive and not self._surplus

    def forget(self) -> None:
        """Let go of the response, which has ended: the connection may be idle for long."""
        self.head = None
        self._headers = []

    def release(self) -> None:
        """Release httptools' parser, which refers to this object; do not call `feed` after this."""
        self._parser = None

    def feed(self, data: bytes) -> bytes:
        """Parse received data and return the bytes of the body in it."""
        if not self.received:
            self.received = True
            if not self._bodiless and (end := data.find(b"\r\n\r\n", 0, HEAD_LIMIT)) > 0:
                head = self._lines.read(data[:end])
                if head is not None:
                    self.head = head
                    self._left = head.content_length
                    data = data[end + 4 :]
        if self._left is None:
            return self._parse(data)
        left = self._left = self._left - len(data)
        if left <= 0:
            self.ended = True
            if left:
                self._surplus = True
                return data[:left]
        return data

    # httptools; an exception in a callback would be lost, hence `refusal`

    def _parse(self, data: bytes) -> bytes:
        self._overhead += len(data)
        self.interim = False
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._surplus = True
            if not self.ended and self.refusal is None:
                self.refusal = f"sent something that is not HTTP/1.1: {str(error).lower()}"
        if self._overhead > HEAD_LIMIT and not self.ended and self.refusal is None:
            self.refusal = f"sent more than {HEAD_LIMIT} bytes of headers"
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def on_message_begin(self) -> None:
        if self.ended:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        headers, self._headers = self._headers, []
        if self._surplus or self.refusal is not None:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        try:
            length, until_close = body_length(status, headers)
        except ValueError as error:
            self.refusal = str(error)
            return
        if self._overhead > HEAD_LIMIT and sum(len(n) + len(v) + 4 for n, v in headers) > HEAD_LIMIT:
            self.refusal = f"sent more than {HEAD_LIMIT} bytes of headers"
            return
        self.head = ResponseHead(status, headers, length, until_close=until_close)
        if self._bodiless:
            self.ended = True
            self._keep_alive = False

    def on_body(self, body: bytes) -> None:
        if self.ended or self.head is None:
            self._surplus = True
        else:
            self._overhead = 0
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self.head is None:
            self.interim = True
        elif not self.ended:
            self.ended = True
            assert self._parser is not None
            self._keep_alive = self._parser.should_keep_alive()


def body_length(status: int, headers: Iterable[Header]) -> tuple[int | None, bool]:
    """Return the declared length of a final response's body, and whether the body ends with the connection,
    because it has neither a length nor chunks. ValueError has the problem of an invalid response."""
    if not 200 <= status <= 599:
        raise ValueError(f"responded with status {status}")
    length: int | None = None
    chunked = False
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length":
            length = int(value)
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                raise ValueError("sent a transfer-encoding other than 'chunked'")
            chunked = True
    return length, length is None and not chunked
