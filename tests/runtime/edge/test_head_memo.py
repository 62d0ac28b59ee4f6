"""A remembered head means what it meant when it was read: any other byte is honoured, no key is kept."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_runtime.edge.api_keys import ApiKeys, KeyScope
from fleet_runtime.edge.dispatch import Dispatcher
from fleet_runtime.edge.head_memo import MAX_HEADS, head_key
from fleet_runtime.edge.host_policy import HostPolicy
from fleet_runtime.proxy.endpoints import Routes
from fleet_runtime.proxy.exchange import Exchange
from fleet_runtime.proxy.request_head import InvalidHeadError, RequestHead
from tests.support import artifacts
from tests.support.heads import read_head
from tests.support.static_fleet import StaticFleet

KEY = "the-clients-own-key"
GATEWAY = artifacts.gateway(
    artifacts.connection("a"), surfaces=("boochat",), origins=("https://chat.example",)
)
TABLES = {
    table.base: table for table in (artifacts.table(GATEWAY, surface, {}) for surface in (None, "boochat"))
}


class Sink:
    """Notes the status of a response of the gateway's own."""

    def __init__(self) -> None:
        self.status = 0

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        self.status = status

    def start(self, *told: Any, **named: Any) -> None: ...

    def write(self, data: bytes, ended: bool) -> None: ...

    def cut(self) -> None: ...

    def close_after(self) -> None: ...


def dispatcher() -> Dispatcher:
    fleet = StaticFleet(
        GATEWAY, TABLES, {}, {}, keys=ApiKeys([(KeyScope("k", frozenset(("boochat",))), KEY)])
    )
    fleet.routes, fleet.access = Routes(TABLES), HostPolicy(GATEWAY)
    return Dispatcher(lambda: fleet, lambda record: None)


def shown(head: RequestHead) -> tuple[object, ...]:
    return (
        *(head.method, head.path, head.query, head.http11, head.host, head.origin, head.content_type),
        *(head.content_encoding, head.forwarded, head.keep_alive, head.chunked, head.expects_continue),
        head.request_id,
    )


def outcome(edge: Dispatcher, raw: bytes) -> tuple[object, ...]:
    """What becomes of a head: an error, or a rejection, or an exchange and everything it goes by."""
    try:
        arrival = edge.read(raw)
    except InvalidHeadError as error:
        return (error.error.message,)
    sink = Sink()
    handler = edge.begin(arrival, sink)
    return shown(arrival.head), arrival.content_length, sink.status, type(handler)


lines = st.sampled_from(
    [
        b"Content-Length: 15",
        b"content-length: 7",
        b"Content-Length: 007",
        b"Content-Length: 1 5",
        b"X-Length: 3",
        b"X-A: Content-Length: 3",
        b"Transfer-Encoding: chunked",
        b"Authorization: Bearer the-clients-own-key",
        b"Authorization: Bearer another-key",
        b"x-api-key: the-clients-own-key",
        b"Origin: https://chat.example",
        b"Origin: http://evil.example",
        b"Host: evil.example",
        b"Connection: close",
        b"Connection: x-a",
        b"X-A: 1",
        b"Accept: */*",
        b"Expect: 100-continue",
        b"X-Request-Id: mine",
        b"Content-Type: application/json",
    ]
)
firsts = st.sampled_from(
    [
        b"POST /boochat/v1/chat/completions HTTP/1.1",
        b"POST /boochat/v1/chat/completions?a=b HTTP/1.1",
        b"POST /v1/chat/completions HTTP/1.1",
        b"POST /boochat/v1/embeddings HTTP/1.0",
        b"GET /boochat/v1/models HTTP/1.1",
    ]
)
SOUND = b"\r\nHost: localhost\r\nAuthorization: Bearer the-clients-own-key\r\nContent-Length: 12"
heads = st.builds(
    lambda first, sound, more: first + sound + b"".join(b"\r\n" + line for line in more),
    firsts,
    st.sampled_from([SOUND, SOUND, b"\r\nHost: localhost"]),
    st.lists(lines, max_size=4),
)


@given(heads, st.data())
@settings(max_examples=600, deadline=None)
def test_any_difference_in_any_byte_of_a_remembered_head_is_honoured(raw: bytes, data: st.DataObject) -> None:
    warm = dispatcher()
    for _ in range(3):
        assert outcome(warm, raw) == outcome(dispatcher(), raw)
    at = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.sampled_from(sorted({0, 9, 10, 13, 32, 48, 57, 58, 97, 255, *raw})))
    for other in (
        raw,
        raw[:at] + bytes((byte,)) + raw[at + 1 :],
        raw[:at] + raw[at + 1 :],
        raw[:at] + bytes((byte,)) + raw[at:],
        raw + b"\r\n" + data.draw(lines),
    ):
        assert outcome(warm, other) == outcome(dispatcher(), other)


def test_the_length_of_the_body_is_that_of_the_request_at_hand() -> None:
    edge = dispatcher()
    raw = b"POST /boochat/v1/chat/completions HTTP/1.1" + SOUND
    for length in (b"12", b"0", b"7", b"123456789"):
        arrival = edge.read(raw.replace(b"12", length))
        assert arrival.content_length == int(length)
        assert type(edge.begin(arrival, Sink())) in (Exchange, type(None))


def test_a_memo_holds_no_key_of_a_client() -> None:
    edge = dispatcher()
    raw = b"POST /boochat/v1/chat/completions HTTP/1.1" + SOUND
    for _ in range(2):
        assert edge.read(raw).admission is None
        edge.begin(edge.read(raw), Sink())
    remembered = edge.read(raw)
    assert remembered.admission is not None
    assert remembered.head.key is None
    assert KEY not in repr((shown(remembered.head), remembered.head.headers(), remembered.key))
    assert not any(KEY.encode() in line for line in _lines_of(edge))


def _lines_of(edge: Dispatcher) -> list[bytes]:
    """Every bytes object that the dispatcher holds, at any depth."""
    found, seen, queue = [], set(), [edge.__dict__]
    while queue:
        thing: Any = queue.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        if isinstance(thing, bytes):
            found.append(thing)
        elif isinstance(thing, dict | list | tuple | set) or type(thing).__module__.startswith(
            "fleet_runtime"
        ):
            queue.extend(gc.get_referents(thing))
    return found


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nHost: a",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_5",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1234567890",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  5",
        b"POST / HTTP/1.1\r\nHost: a\r\nX-Content-Length: 5",
        b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 5000 + b"\r\nContent-Length: 5",
    ],
)
def test_what_is_not_spelled_as_usual_is_not_remembered(raw: bytes) -> None:
    assert head_key(raw) is None


def test_a_memo_is_bounded() -> None:
    edge = dispatcher()
    for number in range(MAX_HEADS + 10):
        raw = b"POST /boochat/v1/chat/completions HTTP/1.1" + SOUND + b"\r\nX-N: %d" % number
        edge.begin(edge.read(raw), Sink())
        edge.begin(edge.read(raw), Sink())
        assert edge.read(raw).admission is not None
    first = b"POST /boochat/v1/chat/completions HTTP/1.1" + SOUND + b"\r\nX-N: 0"
    assert edge.read(first).admission is None


@given(heads)
@settings(max_examples=300, deadline=None)
def test_a_line_means_the_same_whatever_was_read_before(raw: bytes) -> None:
    warm = dispatcher()
    outcome(warm, raw)

    def read(edge: Dispatcher | None) -> object:
        try:
            return shown(read_head(raw) if edge is None else edge.read(raw).head)
        except InvalidHeadError as error:
            return error.error.message

    assert read(warm) == read(None)
