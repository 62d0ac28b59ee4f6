"""``/api/activity/{id}/capture``: a request and its response in full, for keys without a limit."""

from __future__ import annotations

import codecs
from base64 import b64encode
from typing import Annotated

from fleet_runtime.api.call import Call
from fleet_runtime.api.capture_shapes import Message, MessageHead, RequestCapture
from fleet_runtime.api.curl import curl_command
from fleet_runtime.api.operation import PathPart, operation
from fleet_runtime.errors import request_error
from fleet_runtime.proxy.capture import Capture, CapturedBody, CapturedHead
from fleet_runtime.text import count

RequestId = Annotated[
    str, PathPart("the `id` of a request, or its `request_id` (`x-request-id`)", "1f0c9a3e-41")
]


@operation(
    "GET",
    "/api/activity/{id}/capture",
    "Show a request and its response as they were sent and received, if they are captured",
    "not_found",
)
async def get_capture(call: Call, id: RequestId) -> RequestCapture:
    captures, activity = call.live.captures, call.service.activity
    if captures is None:
        message = (
            "captures are off: to keep the next requests, write `captures: {}` below `gateway:` in"
            " fleet.yaml, then `fleet build`"
        )
        raise request_error("not_found", message)
    ids = [(activity.id_of(each.record), each) for each in captures]
    for own_id, capture in ids:
        if own_id == id:
            return _describe(call, own_id, capture)
    for own_id, capture in ids:
        if capture.record.request_id == id:
            return _describe(call, own_id, capture)
    kept = count(captures.settings.keep, "request")
    message = f"no capture of a request '{id}': those of the last {kept} are kept, until the gateway restarts"
    raise request_error("not_found", message, "id")


OPERATIONS = (get_capture,)


def _describe(call: Call, id: str, capture: Capture) -> RequestCapture:
    head, body = capture.request_head, capture.request
    curl = None
    if not body.is_cut and capture.record.body_received_at is not None:
        host = next((value for name, value in head.headers if name == b"host"), b"")
        url = call.live.gateway.url if call.service.listen is None else f"http://{host.decode('latin-1')}"
        curl = curl_command(url, head, capture.shown(body), needs_key=bool(call.live.keys))
    begun = capture.response_head
    return RequestCapture(
        id=id,
        request_id=capture.record.request_id,
        request=_message(capture, head, body),
        sent=None if capture.sent is None else _head(capture.sent, capture.sent_bytes),
        received=None if capture.received is None else _head(capture.received, None),
        response=None if begun is None else _message(capture, begun, capture.response),
        curl=curl,
    )


def _head(head: CapturedHead, size: int | None) -> MessageHead:
    return MessageHead(start=_text(head.start), headers=_headers(head), omitted=head.omitted, size=size)


def _message(capture: Capture, head: CapturedHead, body: CapturedBody) -> Message:
    kept = capture.shown(body)
    is_complete = capture.record.finished_at is not None and not body.is_cut
    text = _decode(kept, is_complete=is_complete)
    end = None if text is None else capture.shown_end(body)
    return Message(
        start=_text(head.start),
        headers=_headers(head),
        omitted=head.omitted,
        size=body.size,
        body=text,
        body_base64=None if text is not None else b64encode(kept).decode(),
        body_end=None if end is None else end.decode("utf-8", "replace"),
        truncated=body.is_cut,
    )


def _headers(head: CapturedHead) -> tuple[tuple[str, str], ...]:
    return tuple((_text(name), _text(value)) for name, value in head.headers)


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _decode(body: bytes, *, is_complete: bool) -> str | None:
    """Return a body as text, None if it is not UTF-8. An incomplete body may end within a character, which is
    dropped."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(body, final=is_complete)
    except UnicodeDecodeError:
        return None
