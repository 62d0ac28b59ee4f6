"""JSON request bodies: which model they name, and the same body naming another.

Only the value of the top-level `model` changes; every other member's bytes pass as they came. A key that
comes twice or in another spelling must not make the router and a provider read two different models: a body
is written again from its members, or, if it is long, goes on around the one place where the value is.
"""

from __future__ import annotations

import codecs
import re
from itertools import islice
from typing import Final

import msgspec

from fleet_runtime.errors import request_error

MAX_MEMBERS: Final = 100_000
"""Members of all objects in a body: each takes memory that a limit in bytes does not bound."""
LONG: Final = 32 * 1024
"""Bytes from which a body is not copied."""

PART: Final = 256 * 1024

_TRUNCATED: Final = "Input data was truncated"
_member: Final = re.compile(rb'(?<!\\)"[ \t\r\n]*:')
_model_key: Final = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*')
_half_pair: Final = re.compile(
    rb"(?<!\\)(?:\\\\)*(?:(?<!\\u[dD][89abAB][0-9a-fA-F]{2})(\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(\\u[dD][89abAB][0-9a-fA-F]{2})(?!\\u[dD][c-fC-F]))"
)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text: Final = msgspec.json.Decoder(str)
_encode: Final = msgspec.json.Encoder().encode


class JsonBody:
    """A request body that is a JSON object. Raises `RequestError` (`invalid_json`, `model_required`) if it is
    not, is not UTF-8, or holds a `model` that is not a string."""

    __slots__ = ("_members", "_raw", "length", "model")

    def __init__(self, raw: bytes) -> None:
        if min(raw.count(b":"), raw.count(b'"')) > MAX_MEMBERS and _too_many(raw):
            raise request_error("invalid_json", f"the body holds more than {MAX_MEMBERS} members")
        try:
            if not raw.isascii():
                raw.decode()
            self._members = _members.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise request_error("invalid_json", describe_invalid(raw, error)) from None
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

    def naming(self, model: str) -> bytes | tuple[bytes | memoryview, ...]:
        """Return the body with `model` as its model, in one part or in several."""
        if self.length >= LONG and (span := self.model_span()) is not None:
            return splice_model(self._raw, span, model)
        self._members["model"] = msgspec.Raw(_encode(model))
        return _encode(self._members)

    def unchanged(self) -> bytes:
        """Return the body as it came."""
        return self._raw

    def close(self) -> None:
        """Nothing is held but memory."""

    def model_span(self) -> tuple[int, int] | None:
        """Return where the model's value is; None if it is not certain that every reader finds it there.

        It is if ``"model"`` comes once in the body, at any depth, and no key can be an escaped spelling of
        it: since the object has such a member, that one place must be its key.
        """
        raw = self._raw
        if self.model is None or raw.count(b'"model"') != 1 or b"\\u00" in raw:
            return None
        key = _model_key.search(raw)
        if key is None:
            return None
        value = bytes(self._members["model"])
        return (key.end(), key.end() + len(value)) if raw.startswith(value, key.end()) else None


def splice_model(raw: bytes, span: tuple[int, int], model: str) -> tuple[bytes | memoryview, ...]:
    """Return the parts of `raw` with the JSON text of `model` in the place of `span`; nothing is copied."""
    view = memoryview(raw)
    return view[: span[0]], _encode(model), view[span[1] :]


def describe_invalid(raw: bytes, error: Exception) -> str:
    """Return what is wrong with a body that the decoder rejected with `error`."""
    if not raw.strip():
        return "the body is empty"
    if raw.startswith(codecs.BOM_UTF8):
        return "the body begins with a byte order mark: remove it"
    return f"the body is not a JSON object: {_reason(raw, error)}"


def _too_many(raw: bytes) -> bool:
    """Whether more members than are allowed are found, looking at a part at a time: other threads run between
    two parts."""
    found = 0
    for start in range(0, len(raw), PART):
        found += sum(1 for _ in islice(_member.finditer(raw, start, start + PART), MAX_MEMBERS + 1 - found))
        if found > MAX_MEMBERS:
            return True
    return False


def _model(raw: msgspec.Raw) -> str:
    try:
        return _text.decode(raw)
    except msgspec.ValidationError:
        raise request_error("model_required", "'model' is not a string", "model") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise request_error("invalid_json", f"the value of 'model' is not valid: {error}", "model") from None


def _reason(raw: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start}"
    message = str(error)
    # behind the first half of a pair, the decoder takes the end of the text for the end of the body
    escaped = message == _TRUNCATED or "surrogate" in message or "hex" in message
    half = _half_pair.search(raw) if escaped else None
    if half is not None:
        at = half.start(half.lastindex or 0)
        return f"'{raw[at : at + 6].decode()}' at byte {at} is half of a surrogate pair"
    if message == _TRUNCATED:
        return "it ends too early"
    return message if message.startswith("JSON") else message[:1].lower() + message[1:]
