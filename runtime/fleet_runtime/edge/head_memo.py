"""Cache what the headers of a request lead to, by a keyed digest of their bytes.

Clients repeat their headers, except for the length of the body. Everything that follows from the other bytes
alone (access, key, route, the block of forwarded headers) is worked out once per snapshot. The memo holds no
byte of a client's key: the digest is keyed with a secret of this process, and a remembered head keeps no key.

A head is looked up only if it came complete in one read at a message's beginning, and only heads that
`RequestHead` has read completely are remembered, so that a remembered head means what it meant then.
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
"""Bytes; longer heads are read every time."""

_KEYED: Final = hashlib.blake2b(digest_size=32, key=os.urandom(32))
_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d{1,9})(?![^\r])")


@dataclass(slots=True)
class Admission:
    """A request with this head may pass, to `route`; every response to it gets the header block `cors`."""

    head: RequestHead
    route: Route
    cors: bytes


class HeadMemo:
    """The admissions of one snapshot, dropped with it; `known` has them by `head_key`.

    A head is remembered when it comes for the second time: most of those with a trace id never do. With
    `remembers` false none is, so that every request has its own head.
    """

    __slots__ = ("_remembers", "_seen", "known")

    def __init__(self, *, remembers: bool = True) -> None:
        self._remembers = remembers
        self.known: dict[bytes, Admission] = {}
        self._seen: set[bytes] = set()

    def keep(self, key: bytes, head: RequestHead, route: Route, cors: bytes) -> None:
        """Note that a head came, which from then on keeps no key of the client if it is remembered."""
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
        self.known[key] = Admission(head, route, cors)


def head_key(raw: bytes) -> tuple[bytes, int] | None:
    """Return a digest of a head without the digits of its Content-Length, and that length; None for a head
    that is not remembered: a long one, or one whose Content-Length is missing or spelled in a rare way."""
    length = _LENGTH.search(raw) if len(raw) <= MAX_HEAD else None
    if length is None:
        return None
    begin, end = length.span(1)
    digest = _KEYED.copy()
    digest.update(raw[:begin] + raw[end:])
    return digest.digest(), int(length[1])
