"""The shapes of a captured request."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from fleet_runtime.api_shape import ApiShape


class MessageHead(ApiShape, frozen=True, kw_only=True):
    """The first line of a message and its headers, names in lower case; `***` is in the place of a
    credential. `size` is that of the body in bytes, as far as it came; null if it is not known."""

    start: str
    headers: tuple[tuple[str, str], ...]
    omitted: Annotated[int, Meta(description="headers that are left out: of a head, 8 KB are kept")]
    size: int | None


class Message(MessageHead, frozen=True, kw_only=True):
    """A message with the beginning of its body: as text, or encoded if it is not UTF-8. What is compressed
    is not unpacked."""

    body: str | None
    body_base64: Annotated[str | None, Meta(description="instead of `body`, if that is not text")]
    truncated: Annotated[bool, Meta(description="whether the body is longer than what is kept of it")]


class RequestCapture(ApiShape, frozen=True, kw_only=True):
    """One request: `request` as the client sent it, `sent` the head of the provider's request, whose body is
    the same with the provider's name of the model, `received` the head of its response, and `response` as the
    client got it. Null is "not yet", or "never". Credentials are masked, prompts and responses are not."""

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
