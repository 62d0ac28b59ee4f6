"""JSON request bodies: which model they name, and the same body naming another.

Only the value of the top-level `model` changes; every other member's bytes pass as they came. The body is
written anew from its members, so that a key which came twice or in another spelling cannot make the router
and a machine read two different models.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from itertools import islice
from typing import Any, Final

import msgspec

from fleet_runtime.errors import RequestError, request_error

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MAX_MEMBERS: Final = 100_000
"""Members of all objects in a body: each takes memory that a limit in bytes does not bound."""

_member: Final = re.compile(rb'(?<!\\)"[ \t\r\n]*:')
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text: Final = msgspec.json.Decoder(str)
_encode: Final = msgspec.json.Encoder().encode


class ClientDisconnectedError(Exception):
    """The client closed its connection before the request was whole."""


def body_too_large(limit: int) -> RequestError:
    return request_error(
        "body_too_large", f"the body is larger than the {limit} bytes that this gateway takes"
    )


async def read_body(receive: Receive, limit: int) -> bytes:
    """A request's whole body; raises `RequestError` (`body_too_large`) beyond `limit` bytes, or
    `ClientDisconnectedError`."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnectedError
    body: bytes = message["body"]
    if not message["more_body"] and len(body) <= limit:
        return body
    pieces = [body]
    size = len(body)
    while message["more_body"]:
        if size > limit:
            raise body_too_large(limit)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        pieces.append(message["body"])
        size += len(message["body"])
    if size > limit:
        raise body_too_large(limit)
    return b"".join(pieces)


class JsonBody:
    """A request body that is a JSON object. Raises `RequestError` (`invalid_json`, `model_required`) where it
    is none, is not UTF-8, or holds a `model` that is no text."""

    __slots__ = ("_members", "_raw", "length", "model")

    def __init__(self, raw: bytes) -> None:
        if raw.count(b":") > MAX_MEMBERS and _too_many(_member.finditer(raw)):
            raise request_error("invalid_json", f"the body holds more than {MAX_MEMBERS} members")
        try:
            if not raw.isascii():
                raw.decode()
            self._members = _members.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise request_error("invalid_json", f"the body is not a JSON object: {_reason(error)}") from None
        self._raw = raw
        self.length = len(raw)
        self.model: str | None = None
        model = self._members.get("model")
        if model is not None:
            self.model = _model(model)
        for key in self._members:
            if len(key) == 5 and key != "model" and key.lower() == "model":
                message = f"member '{key}' could be read as 'model': remove it"
                raise request_error("invalid_json", message, key)

    def naming(self, model: str) -> bytes:
        """The body with `model` as its model."""
        self._members["model"] = msgspec.Raw(_encode(model))
        return _encode(self._members)

    def unchanged(self) -> bytes:
        """The body as it came."""
        return self._raw

    def close(self) -> None:
        """Nothing is held but memory."""


def _too_many(members: Iterator[object]) -> bool:
    return next(islice(members, MAX_MEMBERS, None), None) is not None


def _model(raw: msgspec.Raw) -> str:
    try:
        return _text.decode(raw)
    except msgspec.ValidationError:
        raise request_error("model_required", "'model' is not a string", "model") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise request_error("invalid_json", f"the value of 'model' is not valid: {error}", "model") from None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start}"
    return str(error)[:1].lower() + str(error)[1:]
