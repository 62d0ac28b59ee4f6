"""Cache the results of parsing a request's headers, by a keyed digest of their bytes.

Clients repeat their headers, except for the length of the body. Everything that depends only on the other
bytes (access, key, route, the block of forwarded headers) is computed once per snapshot. The cache contains
no byte of a client's key: the digest is keyed with a secret of this process, and a cached head keeps no key.
A head is looked up only if it arrived complete in one read at the beginning of a message, and only heads that
`RequestHead` has parsed completely are cached, so that both have the same meaning.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Final

from fleet_runtime.proxy.endpoints import Route
from fleet_runtime.proxy.request_head import RequestHead

MAX_HEADS: Final = 2048
MAX_HEAD: Final = 4096
"""The maximum size of a cached head in bytes; longer ones are always parsed."""

_KEYED: Final = hashlib.blake2b(digest_size=32, key=os.urandom(32))
_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d{1,9})(?![^\r])")


@dataclass(slots=True)
class Admission:
    """A request with these headers is admitted, to `route`; every response to it gets the header block
    `cors`."""

    head: RequestHead
    route: Route
    cors: bytes
    key: str | None


class HeadMemo:
    """The admissions of one snapshot, dropped with it; `known` has them by `head_key`.

    A head is cached when it arrives for the second time, because most heads with a trace id arrive only once.
    If `remembers` is false, nothing is cached, so that every request has its own head.
    """

    __slots__ = ("_remembers", "_seen", "known")

    def __init__(self, *, remembers: bool = True) -> None:
        self._remembers = remembers
        self.known: dict[bytes, Admission] = {}
        self._seen: set[bytes] = set()

    def keep(self, key: bytes, head: RequestHead, route: Route, cors: bytes, name: str | None) -> None:
        """Note a head; if it is cached, it keeps no key of the client from then on."""
        if not self._remembers:
            return
        if key not in self._seen:
            if len(self._seen) >= MAX_HEADS:
                self._seen.clear()
            self._seen.add(key)
            return
        if len(self.known) >= MAX_HEADS:
            self.known.clear()
        head.forget_client()
        self.known[key] = Admission(head, route, cors, name)


def head_key(raw: bytes) -> tuple[bytes, int] | None:
    """Return a digest of a head without the digits of its Content-Length, and that length. None for heads
    that are not cached: long ones, and those without a Content-Length in the usual notation."""
    length = _LENGTH.search(raw) if len(raw) <= MAX_HEAD else None
    if length is None:
        return None
    begin, end = length.span(1)
    digest = _KEYED.copy()
    digest.update(raw[:begin] + raw[end:])
    return digest.digest(), int(length[1])
