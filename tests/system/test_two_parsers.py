"""The gateway's own parser of heads and chunks next to h11's and llhttp's: whatever it takes, they read
alike.

The gateway may be stricter than both. It must take no head that one of them rejects, nor read another method,
target, header or body than either, nor find another end: that is how requests are smuggled.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import h11
import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_runtime.chunked_body import ChunkedBody, InvalidChunkError, OverheadError
from fleet_runtime.proxy.request_head import InvalidHeadError
from fleet_runtime.upstream.receiver import Framing
from fleet_runtime.upstream.response_heads import InvalidHeadError as InvalidResponseHeadError
from fleet_runtime.upstream.response_heads import ResponseHeads
from tests.support.heads import read_head

EXAMPLES = int(os.environ.get("FLEET_FUZZ_COUNT", "1000"))
LIMIT = 64 * 1024

names = st.sampled_from(
    [
        *(b"Host", b"host", b"Content-Length", b"content-length", b"CONTENT-LENGTH", b"Transfer-Encoding"),
        *(b"transfer-encoding", b"Connection", b"Expect", b"X-A", b"x-a", b"Accept", b"Trailer", b"Upgrade"),
        *(
            b"Content_Length",
            b"Content-Length ",
            b" Host",
            b"Content\tLength",
            b"Host\0",
            b"X\x80",
            b"",
            b"(x)",
        ),
    ]
)
values = st.one_of(
    st.sampled_from(
        [
            *(
                b"a",
                b"localhost",
                b"5",
                b"05",
                b"+5",
                b"5,5",
                b"5, 5",
                b"0x5",
                b"",
                b" ",
                b"5 ",
                b"\t5",
                b"-0",
            ),
            *(
                b"chunked",
                b"Chunked",
                b"identity",
                b"gzip, chunked",
                b"chunked, chunked",
                b"xchunked",
                b"\x0bchunked",
            ),
            *(
                b"close",
                b"keep-alive",
                b"100-continue",
                b"a\0b",
                b"a\rb",
                b"a\nb",
                b"\x80\xff",
                b"99999999999999999999",
            ),
        ]
    ),
    st.binary(max_size=6),
)
ends = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\n\r\n"])
lines = st.builds(
    lambda name, colon, value, end: name + colon + value + end,
    names,
    st.sampled_from([b": "] * 6 + [b":", b" : ", b":\t", b"", b": \t "]),
    values,
    ends,
)
firsts = st.one_of(
    st.builds(
        lambda method, space, target, version, end: method + space + target + b" " + version + end,
        st.sampled_from([b"POST", b"GET", b"post", b"PRI", b"FOO", b"POST\t", b""]),
        st.sampled_from([b" "] * 6 + [b"  ", b"\t", b""]),
        st.sampled_from(
            [b"/", b"/v1/chat/completions", b"/a?b=c", b"*", b"http://a/b", b"/a b", b"/\x80", b"/\0", b""]
        ),
        st.sampled_from(
            [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.2", b"http/1.1", b"HTTP/1.1 ", b""]
        ),
        ends,
    ),
    st.just(b"POST /v1/chat/completions HTTP/1.1\r\n"),
)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Mostly requests that are right except for a line or a byte."""
    raw = draw(firsts) + b"Host: localhost\r\n" * draw(st.sampled_from([0, 1, 1, 1, 2]))
    raw += b"".join(draw(st.lists(lines, max_size=4)))
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=2)) + raw[at + draw(st.integers(0, 1)) :]
    return raw + b"\r\n"


@dataclass(frozen=True)
class Read:
    """What a reader made of a request."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    chunked: bool
    length: int


def by_us(raw: bytes) -> Read | None:
    end = raw.find(b"\r\n\r\n")
    try:
        head = read_head(raw[:end])
    except InvalidHeadError:
        return None
    target = head.path + b"?" + head.query if head.query else head.path
    return Read(head.method.encode(), target, tuple(head.headers()), head.chunked, head.content_length)


def framing(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bool, int]:
    fields = dict(headers)
    return b"transfer-encoding" in fields, int(fields.get(b"content-length", b"0"))


def by_h11(raw: bytes) -> Read | None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw[: raw.find(b"\r\n\r\n") + 4])
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Request):
        return None
    headers = tuple((name.lower(), value) for name, value in event.headers)
    return Read(event.method, event.target.removesuffix(b"?"), headers, *framing(headers))


class Collected:
    """What llhttp calls back with."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.body = b""
        self.ended = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.ended = True


def takes_head(
    parser: httptools.HttpRequestParser | httptools.HttpResponseParser, collected: Collected, raw: bytes
) -> bool:
    """Feed the head at the beginning of `raw`; return whether llhttp takes it completely."""
    try:
        parser.feed_data(raw[: raw.find(b"\r\n\r\n") + 4])
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        return False
    return collected.complete


def by_llhttp(raw: bytes) -> Read | None:
    collected = Collected()
    parser = httptools.HttpRequestParser(collected)
    if not takes_head(parser, collected, raw):
        return None
    headers = tuple(collected.headers)
    return Read(parser.get_method(), collected.target.removesuffix(b"?"), headers, *framing(headers))


@pytest.mark.slow
@given(heads())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_head_that_the_gateway_takes_means_the_same_to_h11_and_llhttp(raw: bytes) -> None:
    ours = by_us(raw)
    if ours is None:
        return
    for theirs in (by_h11(raw), by_llhttp(raw)):
        assert theirs is not None, "the gateway takes what another server rejects"
        assert theirs == ours


statuses = st.builds(
    lambda version, space, status, reason, end: version + space + status + reason + end,
    st.sampled_from(
        [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.2", b"http/1.1", b"HTTP/1.1 ", b""]
    ),
    st.sampled_from([b" "] * 6 + [b"  ", b"\t", b""]),
    st.sampled_from(
        [b"200"] * 4
        + [b"204", b"304", b"404", b"599", b"100", b"103", b"101", b"600", b"099", b"20", b"2000"]
    ),
    st.sampled_from([b" OK"] * 4 + [b"", b" ", b" \xe9", b" a\0b", b" a\rb", b" a\nb", b"OK", b" \x7f"]),
    ends,
)


@st.composite
def response_heads(draw: st.DrawFn) -> bytes:
    """Mostly responses that are right except for a line or a byte."""
    raw = draw(st.one_of(statuses, st.just(b"HTTP/1.1 200 OK\r\n"))) + b"".join(
        draw(st.lists(lines, max_size=4))
    )
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=2)) + raw[at + draw(st.integers(0, 1)) :]
    return raw + b"\r\n"


@dataclass(frozen=True)
class Answered:
    """What a reader made of a response's head; `framing` of a final one with a body. The headers
    lack the length, which may begin with zeros."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    framing: tuple[bool, int] | None

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Answered:
        lower = tuple((name.lower(), value) for name, value in headers)
        without = tuple((name, value) for name, value in lower if name != b"content-length")
        return cls(status, without, framing(lower) if status >= 200 and status not in (204, 304) else None)


def answered_by_us(raw: bytes) -> Answered | None:
    try:
        head = ResponseHeads().read(raw[: raw.find(b"\r\n\r\n")])
    except InvalidResponseHeadError:
        return None
    answered = Answered.of(head.status, head.headers)
    if answered.framing is not None:
        ours = (head.shape.framing is Framing.CHUNKS, head.content_length or 0)
        assert answered.framing == ours
    return answered


def answered_by_h11(raw: bytes) -> Answered | None:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw[: raw.find(b"\r\n\r\n") + 4])
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        return None
    return Answered.of(event.status_code, event.headers.raw_items())


def answered_by_llhttp(raw: bytes) -> Answered | None:
    collected = Collected()
    parser = httptools.HttpResponseParser(collected)
    if not takes_head(parser, collected, raw):
        return None
    return Answered.of(parser.get_status_code(), collected.headers)


@pytest.mark.slow
@given(response_heads())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_response_that_the_gateway_takes_means_the_same_to_h11_and_llhttp(raw: bytes) -> None:
    ours = answered_by_us(raw)
    if ours is None:
        return
    for theirs in (answered_by_h11(raw), answered_by_llhttp(raw)):
        assert theirs is not None, "the gateway takes what another client rejects"
        assert theirs == ours


sizes = st.sampled_from(
    [
        b"0",
        b"1",
        b"5",
        b"A",
        b"a",
        b"0005",
        b"+5",
        b"-1",
        b"0x5",
        b"",
        b" 5",
        b"5 ",
        b"5_0",
        b"FFFFFFFFFFFFFFFFF",
    ]
)
extensions = st.sampled_from([b""] * 6 + [b";a=b", b" ;a", b';a="\r\n"', b";\0", b"\t", b";a\nb"])
breaks = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b""])
trailers = st.sampled_from(
    [b""] * 4
    + [b"X-A: b\r\n", b"Content-Length: 5\r\n", b"X-A : b\r\n", b" folded\r\n", b"a\r\n", b"X: a\nb\r\n"]
)


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    raw = b""
    for _ in range(draw(st.integers(0, 3))):
        size = draw(st.one_of(st.just(b"5"), sizes))
        data = draw(st.sampled_from([b"hello", b"hell", b"hellos", b"a", b"", b"\r\n0\r\n", b"0123456789"]))
        raw += size + draw(extensions) + draw(breaks) + data + draw(breaks)
    raw += (
        draw(st.sampled_from([b"0", b"0", b"0", b"000", b"", b"00;a"]))
        + draw(breaks)
        + draw(trailers)
        + draw(breaks)
    )
    return raw + draw(st.sampled_from([b"", b"", b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n"]))


def chunks_by_us(raw: bytes, cut: int) -> tuple[bytes, bool, bytes] | None:
    """The body, whether it ended, and what follows it; None if it is rejected."""
    body = ChunkedBody(LIMIT)
    try:
        first, rest = body.feed(raw[:cut])
        if not body.done:
            second, rest = body.feed(raw[cut:])
            return first + second, body.done, rest
        return first, True, rest + raw[cut:]
    except (InvalidChunkError, OverheadError):
        return None


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks_by_h11(raw: bytes) -> tuple[bytes, bool, bytes] | None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(HEAD + raw)
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return body, True, connection.trailing_data[0]
            elif event is h11.NEED_DATA:
                return body, False, b""
    except h11.RemoteProtocolError:
        return None


def chunks_by_llhttp(raw: bytes) -> tuple[bytes, bool] | None:
    """Without what follows: llhttp reads on."""
    collected = Collected()
    parser = httptools.HttpRequestParser(collected)
    parser.feed_data(HEAD)
    for at in range(len(raw)):
        try:
            parser.feed_data(raw[at : at + 1])
        except httptools.HttpParserError:
            return None
        if collected.ended:
            break
    return collected.body, collected.ended


@pytest.mark.slow
@given(chunked_bodies(), st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_chunks_that_the_gateway_takes_are_the_same_body_to_h11_and_llhttp(
    raw: bytes, data: st.DataObject
) -> None:
    ours = chunks_by_us(raw, data.draw(st.integers(0, len(raw))))
    if ours is None or not ours[1]:
        return
    assert chunks_by_h11(raw) == ours
    assert chunks_by_llhttp(raw) in (None, ours[:2])  # llhttp is stricter about extensions, which are dropped
