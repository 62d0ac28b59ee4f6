"""Read the token counts that a server reported in its response.

Pure. Nothing is counted or estimated: counts that a server does not report are None. The sources are:
``usage`` of a chat, completion or embedding (of an event stream: of its last event that has one, OpenAI's
``stream_options.include_usage``), ``response.usage`` of the event ``response.completed``, ``message.usage``
and ``usage`` of Anthropic's ``message_start`` and ``message_delta``, and llama-server's ``timings`` (and
``tokens_evaluated``, ``tokens_predicted`` of llama.cpp's API), which it always sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

MAX_COUNT: Final = 2**53 - 1

_MARKS: Final = (b'"usage"', b'"timings"', b'"tokens_predicted"')
_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')


class Tokens(msgspec.Struct, frozen=True):
    """`prompt` counts all tokens of the prompt, `cached` the cached ones among them.
    `per_second` is the server's own figure for the response's tokens."""

    prompt: int | None = None
    response: int | None = None
    cached: int | None = None
    per_second: float | None = None


class _Details(msgspec.Struct):
    cached_tokens: object = None


class _Usage(msgspec.Struct):
    prompt_tokens: object = None
    completion_tokens: object = None
    prompt_tokens_details: _Details | None = None
    input_tokens: object = None
    output_tokens: object = None
    input_tokens_details: _Details | None = None
    cache_read_input_tokens: object = None
    cache_creation_input_tokens: object = None


class _Timings(msgspec.Struct):
    prompt_n: object = None
    cache_n: object = None
    predicted_n: object = None
    predicted_per_second: object = None


class _Inner(msgspec.Struct):
    usage: _Usage | None = None


class _Body(msgspec.Struct):
    """The members of a body, or of the data of an event, that may count tokens."""

    usage: _Usage | None = None
    timings: _Timings | None = None
    response: _Inner | None = None
    message: _Inner | None = None
    tokens_evaluated: object = None
    tokens_predicted: object = None


_decode: Final = msgspec.json.Decoder(_Body).decode
_decode_inner: Final = msgspec.json.Decoder(_Inner).decode


def read_tokens(first: bytes, end: bytes, *, streamed: bool) -> Tokens | None:
    """Return the token counts in a response; None if there are none.

    `first` is the beginning of its body and `end` the end of the rest, empty if there is no more.
    """
    if streamed:
        return _of_stream(first, end)
    return _of_body(_parsed(first + end)) or _of_usage(_cut_usage(first, end))


def _of_stream(first: bytes, end: bytes) -> Tokens | None:
    for data in _events_backwards(first + end):
        tokens = _of_event(data)
        if tokens is not None:
            break
    else:
        return None
    if tokens.prompt is None and (start := next(_events(first), None)) is not None:
        body = _parsed(start)
        usage = body.message.usage if body is not None and body.message is not None else None
        begun = None if usage is None else _of_usage(usage)
        if begun is not None:
            return Tokens(begun.prompt, tokens.response, begun.cached, tokens.per_second)
    return tokens


def _of_event(data: bytes) -> Tokens | None:
    body = _parsed(data)
    if body is not None:
        return None if body.message is not None else _of_body(body)
    match = next(iter(_usages(data)), None)  # the beginning of a very long `response.completed` is not here
    return None if match is None else _of_usage(_inner(b'{"response":{' + data[match:], depth=2))


def _of_body(body: _Body | None) -> Tokens | None:
    if body is None:
        return None
    usage = body.usage or (body.response.usage if body.response is not None else None)
    stated, timed = _of_usage(usage), _of_timings(body.timings)
    if stated is not None and timed is not None:
        cached = timed.cached if stated.cached is None else stated.cached
        return Tokens(stated.prompt, stated.response, cached, timed.per_second)
    native = Tokens(_count(body.tokens_evaluated), _count(body.tokens_predicted))
    if stated is None and native.response is not None:
        return Tokens(native.prompt, native.response, *(timed.cached, timed.per_second) if timed else ())
    return stated or timed


def _of_usage(usage: _Usage | None) -> Tokens | None:
    if usage is None:
        return None
    prompt, details = _count(usage.prompt_tokens), usage.prompt_tokens_details or usage.input_tokens_details
    cached = None if details is None else _count(details.cached_tokens)
    if prompt is None and (prompt := _count(usage.input_tokens)) is not None:
        read, written = _count(usage.cache_read_input_tokens), _count(usage.cache_creation_input_tokens)
        prompt += (read or 0) + (written or 0)  # Anthropic's `input_tokens` are those besides the cache
        cached = read if cached is None else cached
    response = _count(usage.completion_tokens)
    response = _count(usage.output_tokens) if response is None else response
    return None if prompt is None and response is None else Tokens(prompt, response, cached)


def _of_timings(timings: _Timings | None) -> Tokens | None:
    if timings is None:
        return None
    computed, cached = _count(timings.prompt_n), _count(timings.cache_n)
    prompt = None if computed is None else computed + (cached or 0)
    speed = timings.predicted_per_second
    known = isinstance(speed, int | float) and not isinstance(speed, bool) and 0 < speed < MAX_COUNT
    return Tokens(prompt, _count(timings.predicted_n), cached, float(speed) if known else None)  # type: ignore[arg-type]


def _cut_usage(first: bytes, end: bytes) -> _Usage | None:
    """Return the top-level `usage` of a body whose middle is missing: it is in the beginning or the end.

    A member of an inner object with that name does not count, because the text after it does not close the
    body.
    """
    for at in _usages(end):
        if (usage := _inner(b"{" + end[at:])) is not None:
            return usage
    for at in _usages(first):
        closing = first.find(b"}", at)
        while closing != -1:
            if (usage := _inner(first[: closing + 1] + b"}")) is not None:
                return usage
            closing = first.find(b"}", closing + 1) if closing - at < 1000 else -1
    return None


def _usages(text: bytes) -> Iterator[int]:
    """Yield where `text` has an object named `usage`, from its end; a string cannot hold an unescaped one."""
    yield from reversed([match.start() for match in _USAGE.finditer(text)])


def _inner(text: bytes, depth: int = 1) -> _Usage | None:
    try:
        if depth == 2:
            body = _decode(text)
            return None if body.response is None else body.response.usage
        return _decode_inner(text).usage
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _parsed(text: bytes) -> _Body | None:
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _events(text: bytes) -> Iterator[bytes]:
    """Yield the data of the complete events at the beginning of a stream."""
    for line in text.splitlines(keepends=True):
        if line.startswith(b"data:") and line.endswith((b"\n", b"\r")):
            yield line[5:]


def _events_backwards(text: bytes) -> Iterator[bytes]:
    """Yield the data of the events that may count tokens, the last first."""
    end = len(text)
    while end > 0:
        mark = max(text.rfind(mark, 0, end) for mark in _MARKS)
        if mark < 0:
            return
        end = text.rfind(b"\n", 0, mark) + 1
        after = text.find(b"\n", mark)
        line = text[end : after if after >= 0 else len(text)]
        yield line.removeprefix(b"data:")


def _count(value: object) -> int | None:
    """Return a number of tokens; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        return None
    return value
