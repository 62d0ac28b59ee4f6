"""Receive the body of an inference request, within its limits."""

from __future__ import annotations

import asyncio
from typing import Final

from fleet_runtime.errors import request_error
from fleet_runtime.proxy.json_body import JsonBody
from fleet_runtime.proxy.memory_budget import body_too_large, gateway_busy
from fleet_runtime.proxy.multipart_body import MultipartBody, multipart_boundary
from fleet_runtime.proxy.parse_process import VERY_LONG, LongJsonBody, parse_in_process
from fleet_runtime.proxy.request_context import RequestContext

PARSED_AT_ONCE: Final = 1_000_000
"""Bodies up to this size in bytes are parsed on the event loop; longer ones in a thread, very long ones in a
process."""

RequestBody = JsonBody | LongJsonBody | MultipartBody


class IncomingBody:
    """Receives a body: JSON in memory, a form in a temporary file.

    The constructor reads only the headers. All methods raise `RequestError` for rejected bodies. Call
    `give_back` when the bytes are no longer needed; it may be called more than once.
    """

    __slots__ = ("_form", "_limits", "_memory", "_pieces", "_size")

    def __init__(self, context: RequestContext) -> None:
        head = context.head
        limits = self._limits = context.fleet.limits
        if context.content_length > limits.body:
            raise body_too_large(limits.body)
        if head.is_encoded:
            encoding = head.content_encoding.decode("latin-1")
            raise request_error(
                "invalid_json", f"a body compressed with '{encoding}' cannot be routed: send it uncompressed"
            )
        self._memory = context.memory
        self._pieces: list[bytes] = []
        self._size = 0
        self._form = MultipartBody(multipart_boundary(head.content_type)) if head.is_form else None

    def feed(self, piece: bytes) -> None:
        limits, size = self._limits, self._size + len(piece)
        if size > limits.body:
            raise body_too_large(limits.body)
        if self._form is not None:
            self._form.feed(piece)
        elif self._memory.take(len(piece), limits.memory):
            self._pieces.append(piece)
        else:
            raise gateway_busy()
        self._size = size

    @property
    def is_long(self) -> bool:
        """Return whether `parse` would block the event loop."""
        return self._form is None and self._size > PARSED_AT_ONCE

    def parse(self) -> RequestBody:
        """Return the parsed body, which must be complete."""
        if self._form is not None:
            self._form.finish(self._size)
            return self._form
        return JsonBody(self._take())

    async def parse_aside(self) -> RequestBody:
        """Parse a long JSON body while other requests continue."""
        if self._size <= VERY_LONG:
            return await asyncio.to_thread(JsonBody, self._take())
        pieces, self._pieces = self._pieces, []
        async with self._memory.very_long:
            return await parse_in_process(pieces)

    def _take(self) -> bytes:
        pieces = self._pieces
        raw = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return raw

    def give_back(self) -> None:
        if self._form is not None:
            self._form.close()
            return
        self._memory.give_back(self._size)
        self._size = 0
        self._pieces.clear()
