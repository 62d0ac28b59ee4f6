"""A captured request as ``fleet activity --capture`` prints it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleet_runtime.text import count, escape

if TYPE_CHECKING:
    from fleet_runtime.api.capture_shapes import Message, MessageHead, RequestCapture


def capture_lines(capture: RequestCapture) -> list[str]:
    """Return the messages of a capture, in the order in which they were sent."""
    lines = [*_head("from the client", capture.request), *_body(capture.request)]
    if capture.sent is not None:
        lines += [*_head("to the provider", capture.sent), "", "(the same body with the provider's model)"]
    if capture.received is not None:
        lines += _head("from the provider", capture.received)
    if capture.response is not None:
        lines += [*_head("to the client", capture.response), *_body(capture.response)]
    return lines[1:]


def _head(title: str, head: MessageHead) -> Iterator[str]:
    yield from ("", f"--- {title}", escape(head.start))
    yield from (escape(f"{name}: {value}") for name, value in head.headers)
    if head.omitted:
        yield f"({count(head.omitted, 'more header')})"


def _body(message: Message) -> Iterator[str]:
    yield ""
    if message.body is None:
        yield f"({message.size} bytes that are not text)"
    else:
        yield from map(escape, message.body.rstrip("\n").split("\n"))
    if message.body_end is not None:
        yield "(…)"
        yield from map(escape, message.body_end.rstrip("\n").split("\n"))
        yield f"(the beginning and the end of {message.size} bytes)"
    elif message.truncated:
        yield f"(the beginning of {message.size} bytes)"
