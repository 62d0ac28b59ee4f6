"""multipart/form-data request bodies (RFC 7578): read the model, and write the body with another model.

The body is written to a temporary file as it arrives. The forwarded body is assembled from its parts, with
their header lines and bytes, so that the resolver and a provider read the same fields; only the value of
`model` changes.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from tempfile import SpooledTemporaryFile
from typing import Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from fleet_runtime.errors import RequestError, request_error

IN_MEMORY: Final = 1_000_000
"""Bodies up to this size in bytes stay in memory; longer ones go to a file."""
PIECE: Final = 128 * 1024
_MAX_MODEL: Final = 4096

_PARAMETER: Final = rb';[ \t]*([A-Za-z0-9_*-]+)=("(?:[^"\\\r\n]|\\.)*"|[^\s";]+)[ \t]*'
_DISPOSITION: Final = re.compile(rb"form-data[ \t]*((?:" + _PARAMETER + rb")*)", re.IGNORECASE)
_PARAMETERS: Final = re.compile(_PARAMETER)


class MultipartBody:
    """Parses a body as it arrives; `model` is the value of its `model` field, None if there is none.

    Raises `RequestError` for what a provider might interpret differently.
    """

    def __init__(self, boundary: bytes) -> None:
        self.model: str | None = None
        self.length = 0
        self._boundary = boundary
        self._hole: int | None = None
        self._value = bytearray()
        self._field = bytearray()
        self._header = bytearray()
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_model = False
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _invalid(str(error)) from None
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115

    streams: Final = False
    """Forms get no keepalive comments."""

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _invalid(str(error)) from None

    def finish(self, size: int) -> None:
        """Finish the body after `size` bytes."""
        if not self._ended:
            raise _invalid("it ends before its closing boundary")
        self.length = size
        if self._hole is not None:
            self.model = _text(bytes(self._value))

    def naming(self, model: str) -> Parts:
        """Return the body with `model` as the value of its `model` field."""
        return Parts(self._file, self._hole, model.encode())

    def unchanged(self) -> Parts:
        return Parts(self._file, self._hole, bytes(self._value))

    def close(self) -> None:
        self._file.close()

    def _part_begin(self) -> None:
        self._headers = []
        self._file.write(b"--" + self._boundary + b"\r\n")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_end(self) -> None:
        name, value = bytes(self._field), bytes(self._header)
        self._field.clear()
        self._header.clear()
        if b"\n" in value or b"\0" in value:
            raise _invalid("a part header contains a control character")
        self._headers.append((name.lower(), value))
        self._file.write(name + b": " + value + b"\r\n")

    def _headers_finished(self) -> None:
        self._file.write(b"\r\n")
        if not self._names_model():
            return
        if self._hole is not None:
            raise request_error("model_required", "the form has more than one 'model' field", "model")
        self._in_model = True
        self._hole = self._file.tell()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_model:
            self._file.write(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _MAX_MODEL:
            raise request_error("model_required", "the form's 'model' field is too long", "model")

    def _part_end(self) -> None:
        self._in_model = False
        self._file.write(b"\r\n")

    def _end(self) -> None:
        self._ended = True
        self._file.write(b"--" + self._boundary + b"--\r\n")

    def _names_model(self) -> bool:
        """Return whether a provider might read the current part as the `model` field."""
        dispositions = [value for name, value in self._headers if name == b"content-disposition"]
        found = _DISPOSITION.fullmatch(dispositions[0]) if len(dispositions) == 1 else None
        if found is None:
            raise _invalid("a part has no valid 'Content-Disposition: form-data'")
        pairs = [(key.lower(), value) for key, value in _PARAMETERS.findall(found[1])]
        keys = [key for key, _ in pairs]
        if (
            keys.count(b"name") != 1
            or len(keys) != len(set(keys))
            or any(k.startswith(b"name*") for k in keys)
        ):
            raise _invalid("a part does not have exactly one valid 'name'")
        written = dict(pairs)[b"name"]
        name = written[1:-1] if written.startswith(b'"') else written
        if name != b"model":
            if name.replace(b"\\", b"").strip().lower() == b"model":
                raise _invalid("a field's name could be read as 'model'")
            return False
        encodings = {
            value.strip().lower() for key, value in self._headers if key == b"content-transfer-encoding"
        }
        if b"filename" in keys or b"filename*" in keys or encodings - {b"7bit", b"8bit", b"binary"}:
            raise request_error("model_required", "the form's 'model' is not a text field", "model")
        return True


class Parts:
    """A body that can be iterated repeatedly, from a file with a gap for the model's name."""

    def __init__(self, file: SpooledTemporaryFile[bytes], hole: int | None, value: bytes) -> None:
        self._file = file
        end = file.seek(0, 2)
        self._hole = end if hole is None else hole
        self._value = b"" if hole is None else value
        self.length = end + len(self._value)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        at = 0
        while at < self._hole:
            piece = self._read(at, min(PIECE, self._hole - at))
            at += len(piece)
            yield piece
        if self._value:
            yield self._value
        while piece := self._read(at, PIECE):
            at += len(piece)
            yield piece

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)


def multipart_boundary(content_type: bytes) -> bytes:
    if content_type.lower().count(b"boundary") != 1:
        raise _invalid("its content type does not name exactly one boundary")
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary or boundary != boundary.strip() or len(boundary) > 70:
        raise _invalid("its content type does not name a usable boundary")
    return boundary


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise request_error("model_required", "the form's 'model' field is not UTF-8", "model") from None


def _invalid(reason: str) -> RequestError:
    return request_error("invalid_multipart", f"the body is not a form that can be read safely: {reason}")
