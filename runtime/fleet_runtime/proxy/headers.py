"""Which headers go on to a machine, and which of its own come back."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

Header = tuple[bytes, bytes]

_HOP_BY_HOP: Final = frozenset(
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
_NEVER_SENT: Final = _HOP_BY_HOP | {
    b"host",
    b"content-length",
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
}
_NEVER_SENT_PREFIXES: Final = (b"proxy-", b"x-forwarded-", b"x-fleet-")
_HARMLESS_CONNECTION: Final = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close"))


class RequestHead:
    """What the gateway reads of a request's headers, in one pass, and those that a machine gets.

    `key` is the key that the client shows: a bearer token, else ``x-api-key``.
    `onward` lacks all that is between the client and the gateway: hop-by-hop headers and those that
    `Connection` names, credentials, cookies, claims about who the client is, and those that describe the
    body. Names are lower case.
    """

    __slots__ = (
        "content_encoding",
        "content_length",
        "content_type",
        "host",
        "key",
        "onward",
        "origin",
        "request_id",
    )

    def __init__(self, headers: list[Header]) -> None:
        self.host = b""
        self.key: bytes | None = None
        self.origin: bytes | None = None
        self.content_type = b""
        self.content_length = 0
        self.content_encoding = b""
        request_id = b""
        encoded = False
        connection: set[bytes] | None = None
        onward: list[Header] = []
        for header in headers:
            name = header[0]
            if name in _NEVER_SENT:
                if name == b"host":
                    self.host = header[1]
                elif name == b"origin":
                    self.origin = header[1]
                elif name == b"content-length":
                    self.content_length = int(header[1])
                elif name == b"authorization":
                    if header[1][:7].lower() == b"bearer ":
                        self.key = header[1][7:].strip()
                elif name == b"x-api-key":
                    self.key = self.key or header[1]
                elif name == b"connection" and header[1] not in _HARMLESS_CONNECTION:
                    connection = (connection or set()) | _tokens(header[1])
            elif name == b"x-request-id":
                request_id = header[1]
            elif name == b"content-type":
                self.content_type = header[1]
            elif name == b"content-encoding":
                self.content_encoding = header[1]
            elif not name.startswith(_NEVER_SENT_PREFIXES):
                if name == b"accept-encoding":
                    encoded = True
                onward.append(header)
        if not encoded:
            onward.append((b"accept-encoding", b"identity"))
        if connection:
            onward = [header for header in onward if header[0] not in connection]
        self.onward = onward
        # as long as a UUID: llama-cpp-python answers 400 to an id that is none
        self.request_id = request_id if _is_valid_request_id(request_id) else os.urandom(16).hex().encode()


def strip_hop_by_hop(headers: list[Header]) -> list[Header]:
    """The headers of a machine's answer that are meant for the client: order, duplicates and spelling of
    values kept; taken out are hop-by-hop headers, those that `Connection` names, and those that the gateway
    says itself."""
    kept: list[Header] = []
    connection: set[bytes] | None = None
    for name, value in headers:
        name = name.lower()
        if name in _HOP_BY_HOP:
            if name == b"connection" and value not in _HARMLESS_CONNECTION:
                connection = (connection or set()) | _tokens(value)
        elif name != b"x-request-id" and not name.startswith(b"x-fleet-"):
            kept.append((name, value))
    if connection:
        kept = [header for header in kept if header[0] not in connection or header[0] == b"content-length"]
    return kept


def find(headers: list[Header], name: bytes) -> bytes | None:
    """The first value of a header, by its lower-case name."""
    for key, value in headers:
        if key == name:
            return value
    return None


@lru_cache(maxsize=4096)
def percent_encoded(text: str) -> bytes:
    """`text` as a header value: UTF-8, all but unreserved characters and ``/:@`` percent-encoded."""
    return quote(text, safe="/:@", errors="replace").encode()


def without_model(query: bytes) -> bytes:
    """The query without its `model` parameters, which some machines read before the body's."""
    if b"model" not in query.lower() and b"%" not in query:
        return query
    pairs = (pair for pair in query.split(b"&") if _name(pair) != b"model")
    return b"&".join(pairs)


def _name(pair: bytes) -> bytes:
    return unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" ")).strip().lower()


def _is_valid_request_id(request_id: bytes) -> bool:
    """Whether a client's own request id may stand in our headers and log."""
    return 0 < len(request_id) <= 128 and request_id.translate(None, b"._-:").isalnum()


def _tokens(value: bytes) -> set[bytes]:
    return {token.strip().lower() for token in value.split(b",")}
