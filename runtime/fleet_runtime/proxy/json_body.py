"""JSON request bodies: read the model, and write the body with another model.

Only the value of the top-level `model` changes; the bytes of all other members are forwarded unchanged. A
duplicate or escaped key must not make the resolver and a provider read different models, so a body is
assembled from its decoded members, without copying long values.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from fleet_runtime.errors import RequestError, request_error

MAX_MEMBERS: Final = 100_000
"""The maximum number of members of a body, whose memory is not bounded by the limit in bytes."""
COUNTED: Final = 4_000_000
"""In bodies of at least this many bytes, members are counted before decoding; shorter bodies take at most 100
MB."""
LONG: Final = 32 * 1024
"""Values of at least this many bytes are not copied."""
FEW: Final = 1000
"""The maximum number of members with which a long body is assembled from parts."""

PART: Final = 256 * 1024

_OTHER_SPELLINGS: Final = frozenset(map("".join, itertools.product(*zip("model", "MODEL", strict=True)))) - {
    "model"
}
_TRUNCATED: Final = "Input data was truncated"
_member: Final = re.compile(rb'(?<!\\)"[ \t\r\n]*:')
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
        if len(raw) > COUNTED and _has_too_many(raw):
            raise _too_many_members()
        try:
            if not raw.isascii():
                raw.decode()
            self._members = _members.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise request_error("invalid_json", describe_invalid(raw, error)) from None
        if len(self._members) > MAX_MEMBERS:
            raise _too_many_members()
        self._raw = raw
        self.length = len(raw)
        self.model: str | None = None
        model = self._members.get("model")
        if model is not None:
            self.model = _model(model)
        if not _OTHER_SPELLINGS.isdisjoint(self._members):
            key = next(key for key in self._members if key in _OTHER_SPELLINGS)
            raise request_error("invalid_json", f"member '{key}' could be read as 'model': remove it", key)

    def naming(self, model: str) -> bytes | tuple[bytes | memoryview, ...]:
        """Return the body with `model` as its model, in one part or in several."""
        members = self._members
        members["model"] = msgspec.Raw(_encode(model))
        if self.length < LONG or len(members) > FEW:
            return _encode(members)
        return tuple(_parts(members))

    @property
    def members(self) -> Mapping[str, msgspec.Raw]:
        """Return the body's members; the last one of a duplicate key."""
        return self._members

    @property
    def streams(self) -> bool:
        """Return whether the client requests an event stream."""
        return bytes(self._members.get("stream", b"")) == b"true"

    def unchanged(self) -> bytes:
        """Return the body as received."""
        return self._raw

    def close(self) -> None:
        """Do nothing: only memory is held."""


def _parts(members: Mapping[str, msgspec.Raw]) -> Iterator[bytes | memoryview]:
    """Yield the text of an object, with long values as views."""
    text = bytearray(b"{")
    for key, value in members.items():
        text += _encode(key) + b":"
        view = memoryview(value)
        if len(view) < LONG:
            text += view
        else:
            yield bytes(text)
            yield view
            text.clear()
        text += b","
    text[-1:] = b"}"
    yield bytes(text)


def describe_invalid(raw: bytes, error: Exception) -> str:
    """Return the problem of a body that the decoder rejected with `error`."""
    if not raw.strip():
        return "the body is empty"
    if raw.startswith(codecs.BOM_UTF8):
        return "the body begins with a byte order mark: remove it"
    return f"the body is not a JSON object: {_reason(raw, error)}"


def _too_many_members() -> RequestError:
    return request_error("invalid_json", f"the body has more than {MAX_MEMBERS} members")


def _has_too_many(raw: bytes) -> bool:
    """Return whether a body has too many members, searching it in parts so that other threads can run in
    between."""
    if min(raw.count(b":"), raw.count(b'"')) <= MAX_MEMBERS:
        return False
    found = 0
    for start in range(0, len(raw), PART):
        found += sum(
            1 for _ in itertools.islice(_member.finditer(raw, start, start + PART), MAX_MEMBERS + 1 - found)
        )
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
        return f"'{raw[at : at + 6].decode()}' at byte {at} is an unpaired surrogate"
    if message == _TRUNCATED:
        return "it ends too early"
    return message if message.startswith("JSON") else message[:1].lower() + message[1:]
