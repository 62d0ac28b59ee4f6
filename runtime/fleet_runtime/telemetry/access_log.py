"""The access log: one line per finished request, without bodies and keys."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final, Literal, Protocol

import msgspec

from fleet_runtime.proxy.request_record import RequestRecord

LogFormat = Literal["text", "json"]

QUIET: Final = frozenset(("/health", "/ready", "/metrics", "/api/fleet"))
"""Paths that monitoring and `fleet status --watch` request constantly; they are logged only if rejected."""

MAX_TEXT: Final = 256
"""The maximum length of logged text from clients (model names, paths)."""


class LineSink(Protocol):
    """Takes `count` lines together; must not block."""

    def __call__(self, lines: bytes, count: int, /) -> object: ...


class AccessLog:
    """Passes lines for the records of finished requests to `write`.

    One in `sample` successful requests is logged; all others always are.
    """

    def __init__(self, form: LogFormat, write: LineSink, sample: int = 1) -> None:
        self._line = json_line if form == "json" else text_line
        self._write = write
        self._sample = sample
        self._skipped = 0

    def add(self, records: Sequence[RequestRecord]) -> None:
        """Write the lines of finished requests."""
        since_epoch = time.time() - time.perf_counter()
        line, everything = self._line, self._sample == 1
        lines = [
            line(record, since_epoch + (record.finished_at or record.started_at))
            for record in records
            if (everything and record.inference) or self._is_logged(record)
        ]
        if lines:
            self._write(b"".join(lines), len(lines))

    def _is_logged(self, record: RequestRecord) -> bool:
        if record.endpoint in QUIET:
            return record.end_reason == "refused"
        if self._sample == 1 or record.end_reason != "ok" or record.status >= 400:
            return True
        self._skipped = (self._skipped + 1) % self._sample
        return self._skipped == 0


class Line(msgspec.Struct):
    """The members of a line in JSON; times are seconds since the request's headers, null means unknown."""

    time: str
    level: str
    message: str
    request_id: str
    surface: str | None
    endpoint: str
    requested: str | None
    provider: str | None
    model: str | None
    via: str | None
    fallback: bool
    retried: bool
    status: int
    end_reason: str
    code: str | None
    bytes_in: int
    bytes_out: int
    first_byte: float | None
    total: float
    own: float | None


_encode: Final = msgspec.json.Encoder().encode


def json_line(record: RequestRecord, now: float) -> bytes:
    """Return a `Line` as one JSON object."""
    line = Line(
        _moment(now),
        "info",
        "request",
        record.request_id,
        record.surface,
        record.endpoint[:MAX_TEXT],
        None if record.requested is None else record.requested[:MAX_TEXT],
        record.provider,
        None if record.model is None else record.model[:MAX_TEXT],
        record.via,
        record.fallback,
        record.retried,
        record.status,
        record.end_reason,
        record.code,
        record.bytes_in,
        record.bytes_out,
        None if record.first_byte_at is None else round(record.first_byte_at - record.started_at, 6),
        round((record.finished_at or record.started_at) - record.started_at, 6),
        None if record.gateway_seconds is None else round(record.gateway_seconds, 6),
    )
    return _encode(line) + b"\n"


_MILLISECONDS: Final = tuple(f".{millisecond:03}Z" for millisecond in range(1000))
_TEXT: Final = "%s INFO request id=%s %s bytes_in=%d bytes_out=%d first_byte=%s total=%.6f own=%s\n"
_TEXT_WITH_TIMES: Final = _TEXT.replace("first_byte=%s", "first_byte=%.6f").replace("own=%s", "own=%.6f")


def text_line(record: RequestRecord, now: float) -> bytes:
    """Return ``<time> INFO request`` and ``name=value`` pairs, those of a `Line`; ``-`` means unknown.

    Text from clients is quoted, with everything except printable ASCII escaped.
    """
    endpoint, requested, model = record.endpoint, record.requested, record.model
    started_at, first_byte_at, own = record.started_at, record.first_byte_at, record.gateway_seconds
    begin = (
        _moment(now),
        record.request_id,
        _repeated_part(
            record.surface,
            endpoint[:MAX_TEXT],
            requested and requested[:MAX_TEXT],
            record.provider,
            model and model[:MAX_TEXT],
            record.via,
            record.fallback,
            record.retried,
            record.status,
            record.end_reason,
            record.code,
        ),
        record.bytes_in,
        record.bytes_out,
    )
    total = (record.finished_at or started_at) - started_at
    if first_byte_at is not None and own is not None:
        return (_TEXT_WITH_TIMES % (*begin, first_byte_at - started_at, total, own)).encode()
    first_byte = "-" if first_byte_at is None else f"{first_byte_at - started_at:.6f}"
    return (_TEXT % (*begin, first_byte, total, "-" if own is None else f"{own:.6f}")).encode()


@lru_cache(maxsize=1024)
def _repeated_part(
    surface: str | None,
    endpoint: str,
    requested: str | None,
    provider: str | None,
    model: str | None,
    via: str | None,
    fallback: bool,
    retried: bool,
    status: int,
    end_reason: str,
    code: str | None,
) -> str:
    """Return the pairs that many requests share, cached."""
    return (
        f"surface={surface or '-'} endpoint={_quoted(endpoint)} requested={_quoted(requested)}"
        f" provider={provider or '-'} model={_quoted(model)} via={via or '-'}"
        f" fallback={'yes' if fallback else 'no'} retried={'yes' if retried else 'no'} status={status}"
        f" end_reason={end_reason} code={code or '-'}"
    )


def _quoted(text: str | None) -> str:
    if text is None:
        return "-"
    return encode_basestring_ascii(text).replace("\x7f", "\\u007f")


def _moment(now: float) -> str:
    """Return unix seconds as RFC 3339 in UTC, to the millisecond."""
    second, millisecond = divmod(int(now * 1000), 1000)
    return _second(second) + _MILLISECONDS[millisecond]


@lru_cache(maxsize=2)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
