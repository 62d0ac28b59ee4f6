"""Parse the head of a client's request, and make the header block for the provider."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from fleet_runtime.errors import ErrorResponse, head_too_large, malformed_head
from fleet_runtime.header_lines import HeaderLines, InvalidLineError, split_line

Header = tuple[bytes, bytes]
Field = tuple[bytes | None, bytes, bytes]
"""A parsed header line: its name if the gateway reads it (else None), its value, and the line to forward
(empty: none)."""

METHODS: Final = {
    method.encode(): method
    for method in (
        *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "ACL", "BIND"),
        *("CHECKOUT", "COPY", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE"),
        *("PROPFIND", "PROPPATCH", "PURGE", "REBIND", "REPORT", "SEARCH", "UNBIND", "UNLINK", "UNLOCK"),
    )
}
"""The methods of the IANA registry; each path decides which of them it accepts."""
HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
HARMLESS_CONNECTION: Final = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close"))
_NEVER_SENT: Final = HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"content-encoding",
    b"expect",
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"x-goog-api-key",
    b"cookie",
    b"forwarded",
    b"x-real-ip",
    b"origin",
    b"referer",
    # sent in another form, from what is read of them:
    b"content-type",
    b"x-request-id",
}
_NEVER_SENT_PREFIXES: Final = (b"proxy-", b"x-forwarded-", b"x-fleet-")
_READ: Final = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"expect",
        b"content-type",
        b"content-encoding",
        b"accept-encoding",
        b"authorization",
        b"x-api-key",
        b"origin",
        b"x-request-id",
        b"if-none-match",
        b"cdn-loop",
    )
)
_ONCE: Final = {
    b"host": "a request must have exactly one Host header",
    b"origin": "a request can have only one Origin header",
    b"content-length": "a request can have only one Content-Length header",
    b"transfer-encoding": "the only transfer encoding is 'chunked', on HTTP/1.1",
}
_TARGET: Final = bytes(range(0x21, 0x7F))
_VERSIONS: Final = {b"HTTP/1.1": True, b"HTTP/1.0": False}
_LONGEST_METHOD: Final = max(map(len, METHODS))
_IDS_AT_ONCE: Final = 256


class InvalidHeadError(Exception):
    """The headers of a request are rejected."""

    def __init__(self, error: ErrorResponse) -> None:
        super().__init__(error.message)
        self.error = error


class RequestHead:
    """The headers of a request, read in one pass. Header values are those of the last line with the name.

    `key` is the client's key: a bearer token, else ``x-api-key``. `forwarded` is the block of
    header lines for a provider, names in lower case: it lacks all that is between the client and
    the gateway (hop-by-hop headers and those that `Connection` names, credentials, cookies, claims about who
    the client is) and those that describe the body, except its type. `request_id` is the client's own, if it
    has a valid one. `loop`: the value of ``CDN-Loop``, which `forwarded` has too. `is_form`: the body is a
    multipart form; `is_encoded`: it is compressed.
    """

    __slots__ = (
        "_lines",
        "chunked",
        "content_encoding",
        "content_length",
        "content_type",
        "expects_continue",
        "forwarded",
        "host",
        "http11",
        "if_none_match",
        "is_encoded",
        "is_form",
        "keep_alive",
        "key",
        "loop",
        "method",
        "origin",
        "path",
        "query",
        "request_id",
    )

    def __init__(self, raw: bytes, lines: HeaderLines[Field]) -> None:
        """Read `raw`, the head without the empty line at its end; raises `InvalidHeadError`."""
        first, *self._lines = raw.split(b"\r\n")
        self._read_request_line(first)
        known = lines.known
        block: list[bytes] = []
        read: dict[bytes, bytes] = {}
        try:
            for line in self._lines:
                name, value, forwarded = known.get(line) or lines.read(line)
                if name is None:
                    block.append(forwarded)
                    continue
                if name in read:
                    value = _repeated(name, read[name], value)
                read[name] = value
                if forwarded:
                    block.append(forwarded)
        except InvalidLineError as error:
            raise InvalidHeadError(malformed_head(f"the request is not HTTP/1.1: {error}")) from None
        get = read.get
        host = get(b"host")
        if host is None:
            raise InvalidHeadError(malformed_head("the Host header is missing"))
        self.host = host
        self.origin = get(b"origin")
        self.content_type = get(b"content-type", b"")
        self.is_form = self.content_type[:19].lower() == b"multipart/form-data"
        self.content_encoding = get(b"content-encoding", b"")
        self.is_encoded = self.content_encoding.lower() not in (b"", b"identity")
        self.if_none_match = get(b"if-none-match")
        self.loop = get(b"cdn-loop")
        self._read_framing(get(b"content-length"), get(b"transfer-encoding"))
        self.expects_continue = b"expect" in read and read[b"expect"].lower() == b"100-continue"
        authorization = get(b"authorization")
        if authorization is not None and authorization[:7].lower() == b"bearer ":
            self.key: bytes | None = authorization[7:].strip()
        else:
            self.key = get(b"x-api-key")
        if b"accept-encoding" not in read:
            block.append(b"accept-encoding: identity\r\n")
        self.keep_alive = self.http11
        connection = get(b"connection")
        if connection is not None:
            block = self._read_connection(connection, block)
        block.append(_content_type_line(self.content_type))
        self.forwarded = b"".join(block)
        request_id = get(b"x-request-id")
        self.request_id = request_id if request_id and _is_valid_id(request_id) else None

    def forget_client(self) -> None:
        """Forget everything that could identify the client, because the head is cached from now on."""
        self.key = None
        self._lines = []

    def wanting_plain(self) -> RequestHead:
        """Return this head for a provider whose response must not be compressed."""
        head = copy(self)
        lines = self.forwarded.splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(b"accept-encoding:")]
        head.forwarded = b"".join([b"accept-encoding: identity\r\n", *kept])
        return head

    def headers(self) -> list[Header]:
        """Return all headers, names in lower case."""
        return [(name.lower(), value) for name, value in map(split_line, self._lines)]

    def _read_request_line(self, line: bytes) -> None:
        parts = line.split(b" ")
        if len(parts) != 3 or parts[1].translate(None, _TARGET):
            raise InvalidHeadError(malformed_head("the request is not HTTP/1.1: its first line is malformed"))
        name, target, version = parts
        if version not in _VERSIONS:
            raise InvalidHeadError(malformed_head("the request is not HTTP/1.1 or HTTP/1.0"))
        method = METHODS.get(name)
        if method is None:
            raise InvalidHeadError(malformed_head("the request's method is not supported"))
        if target[:1] != b"/":
            raise InvalidHeadError(malformed_head("the target of a request begins with '/'"))
        self.method = method
        self.path, _, self.query = target.partition(b"?")
        self.http11 = _VERSIONS[version]

    def _read_framing(self, length: bytes | None, transfer_encoding: bytes | None) -> None:
        """Parse the framing: one length or chunked, never both (RFC 9112, 6.3), because servers could
        interpret the request differently."""
        self.content_length = 0
        self.chunked = transfer_encoding is not None
        if transfer_encoding is not None:
            if transfer_encoding.lower() != b"chunked" or not self.http11:
                raise InvalidHeadError(malformed_head(_ONCE[b"transfer-encoding"]))
            if length is not None:
                raise InvalidHeadError(malformed_head("a request has a Content-Length or chunks, not both"))
        elif length is not None:
            if not length.isdigit() or len(length) > 18:
                raise InvalidHeadError(malformed_head("the Content-Length is not a number"))
            self.content_length = int(length)

    def _read_connection(self, value: bytes, block: list[bytes]) -> list[bytes]:
        """Note whether the connection is kept alive; return the block without headers named in
        `Connection`."""
        named = tokens(value)
        if b"close" in named:
            self.keep_alive = False
        elif b"keep-alive" in named:
            self.keep_alive = True
        if value in HARMLESS_CONNECTION:
            return block
        return [line for line in block if line.partition(b":")[0] not in named]


def check_beginning(head: bytes, limit: int) -> None:
    """Reject an incomplete head that cannot become valid; raises `InvalidHeadError`."""
    if len(head) > limit:
        raise InvalidHeadError(head_too_large(limit))
    line, end, _ = head.partition(b"\r\n")
    method = line[:_LONGEST_METHOD].partition(b" ")[0]
    fits = head == b"\r" or any(name.startswith(method) for name in METHODS)
    fits = fits and head.count(b"\n") == head.count(b"\r\n")
    if not fits or (end and not line.endswith((b" HTTP/1.1", b" HTTP/1.0"))):
        raise InvalidHeadError(malformed_head("the request is not HTTP/1.1"))


def interpret_field(name: bytes, value: bytes) -> Field:
    """Interpret a header line of a request, for `HeaderLines`."""
    name = name.lower()
    sent = name not in _NEVER_SENT and not name.startswith(_NEVER_SENT_PREFIXES)
    if name in _READ:
        return name, value, b"%b: %b\r\n" % (name, value) if sent else b""
    return None, value, b"%b: %b\r\n" % (name, value) if sent else b""


def request_ids() -> Iterator[bytes]:
    """Yield random ids in the form of a UUID, because llama-cpp-python returns 400 for others. Random bytes
    are read in batches."""
    while True:
        block = os.urandom(16 * _IDS_AT_ONCE).hex().encode()
        for at in range(0, len(block), 32):
            yield block[at : at + 32]


def percent_encoded(text: str) -> bytes:
    """Return `text` as a header value: UTF-8, all but unreserved characters and ``/:@`` percent-encoded."""
    return quote(text, safe="/:@", errors="replace").encode()


def without_model(query: bytes) -> bytes:
    """Return the query without `model` parameters, to which some providers give precedence over the body."""
    if b"model" not in query.lower() and b"%" not in query:
        return query
    pairs = (pair for pair in query.split(b"&") if _parameter(pair) != b"model")
    return b"&".join(pairs)


def header_block(headers: Sequence[Header]) -> bytes:
    """Return header lines as bytes. ValueError if a header holds a line break or NUL."""
    block = b"".join([b"%b: %b\r\n" % header for header in headers])
    if len(block.translate(None, b"\r\n\0")) != len(block) - 2 * len(headers):
        raise ValueError("a header contains characters that are not allowed")
    return block


def tokens(value: bytes) -> set[bytes]:
    return {token.strip().lower() for token in value.split(b",")}


def _content_type_line(value: bytes) -> bytes:
    """Return the line for a provider: the client's content type if it is supported, else JSON."""
    if value != b"application/json":
        lower = value.lower()
        if b"application/json" in lower or lower.startswith(b"multipart/form-data"):
            return b"content-type: %b\r\n" % value
    return b"content-type: application/json\r\n"


def _repeated(name: bytes, first: bytes, second: bytes) -> bytes:
    """Return the combined value of a repeated header."""
    if name in _ONCE:
        raise InvalidHeadError(malformed_head(f"{_ONCE[name]}, not 2" if name == b"host" else _ONCE[name]))
    if name in (b"connection", b"cdn-loop"):
        return b"%b, %b" % (first, second)
    return first if name == b"x-api-key" else second


def _parameter(pair: bytes) -> bytes:
    return unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" ")).strip().lower()


def _is_valid_id(request_id: bytes) -> bool:
    """Return whether a client's request id is valid for our headers and log."""
    return len(request_id) <= 128 and request_id.translate(None, b"._-:").isalnum()
