"""The shapes of a captured request."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from fleet_runtime.api_shape import ApiShape


class MessageHead(ApiShape, frozen=True, kw_only=True):
    """The first line and headers of a message, with names in lower case; credentials are replaced by `***`.
    `size` is the number of bytes of the body that arrived; null if unknown."""

    start: str
    headers: tuple[tuple[str, str], ...]
    omitted: Annotated[int, Meta(description="headers that are left out: of a head, 8 KB are kept")]
    size: int | None


class Message(MessageHead, frozen=True, kw_only=True):
    """A message with the beginning of its body: as text, or encoded if it is not UTF-8. Of a stream that is
    longer than what is kept, `body_end` has the last events. A compressed body is not decompressed."""

    body: str | None
    body_base64: Annotated[str | None, Meta(description="instead of `body`, if that is not text")]
    body_end: Annotated[
        str | None, Meta(description="the end of a truncated stream; what is between is not kept")
    ]
    truncated: Annotated[bool, Meta(description="whether the body is longer than what is kept of it")]


class RequestCapture(ApiShape, frozen=True, kw_only=True):
    """One request: `request` as the client sent it, `sent` is the start and headers of the request to the
    provider, whose body is the same with the provider's model id, `received` those of its response, and
    `response` is what the client got. Null means "not yet", or "never". Credentials are masked, prompts and
    responses are not."""

    id: str
    request_id: str
    request: Message
    sent: MessageHead | None
    received: MessageHead | None
    response: Message | None
    curl: Annotated[
        str | None,
        Meta(description="a command that repeats the request; null if its body was truncated"),
    ]
