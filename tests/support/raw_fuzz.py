"""Requests broken in the ways that servers disagree on, and what a lenient server would read in them.

`payload(random, number)` makes the bytes of one connection: a few requests, most of them broken. Each carries
NUMBER.PLACE in its body and some in `x-canary` too (those without repeat the heads of others, as the edge
remembers heads); some bodies hold the text of another request, which must stay a text.
`readable(sent)` lists all requests that h11 reads, which takes folded lines, bare line feeds and more: what
reaches a provider must be among them, byte for byte, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import h11

BOUNDARY = b"fuzz"
PROBE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
"""Ends most connections: a gateway that is in step responds to it and closes."""

FIELDS: tuple[bytes, ...] = (
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: chunked\t", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding:\r\n chunked", b"Transfer_Encoding: chunked", b"X: y\rTransfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked;q=1", b"TE: trailers, chunked",
    b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: +5", b"Content-Length: 0x5",
    b"Content-Length: 5, 5", b"Content-Length: 05", b"Content-Length: -1", b"Content-Length: 5 ",
    b"Content-Length: 99999999999999999999", b"Content-Length:", b"Content-Length\t: 5", b"Content_Length: 5",
    b"X-Content-Length: 5", b"content-length: 5", b"CONTENT-LENGTH: 5", b"X: Content-Length: 5",
    b"Connection: content-length", b"Connection: host, x-other", b"Connection: close",
    b"Connection: upgrade\r\nUpgrade: h2c", b"Upgrade: websocket", b"Expect: 100-continue", b"Expect: 200-ok",
    b"Host: evil.example", b"Host:", b"Host: 127.0.0.1:80@evil.example", b"X-Forwarded-Host: evil.example",
    b"Trailer: content-length", b"Content-Encoding: gzip", b"X: \0", b"X\0: y", b"X", b": y", b" X: y",
    b"X: a\r\n b", b"X: a\r\n\tb", b"X: " + b"a" * 9000, b"X: \xff\xfe", b"X: a%0d%0aContent-Length: 0",
    b"Proxy-Connection: keep-alive", b"Keep-Alive: max=1", b"X-HTTP-Method-Override: GET", b"Origin: null",
)  # fmt: skip
METHODS = (
    b"GET",
    b"HEAD",
    b"PUT",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"post",
    b"PO\0ST",
    b"PRI",
    b"",
    b"P" * 500,
)
TARGETS = (
    b"http://127.0.0.1/v1/chat/completions", b"http://evil.example/v1/chat/completions", b"*", b"//v1/chat",
    b"/v1/../v1/chat/completions", b"/v1/chat/completions?a=b",
    b"/v1/chat/completions#x", b"/v1/chat completions",
    b"/v1/chat%2fcompletions", b"/v1/%00", b"/v1/\0", b"/v1/\xff", b"/v1/models", b"127.0.0.1:80",
    b"",
    b"/v1/chat/completions HTTP/1.1\r\nX: y",
)  # fmt: skip
VERSIONS = (b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1.10", b"")
ENDS = (b"\n", b"\r", b"\r\r\n", b"\n\n", b"\r\n\r\n", b"\r\n ", b"\0\r\n", b"")
SIZES: tuple[Callable[[int], bytes], ...] = (
    lambda size: b"%x;a=b" % size,
    lambda size: b'%x;a="\r\n0\r\n\r\n"' % size,
    lambda size: b"%x;\n" % size,
    lambda size: b"%x " % size,
    lambda size: b" %x" % size,
    lambda size: b"000%x" % size,
    lambda size: b"0x%x" % size,
    lambda size: b"+%x" % size,
    lambda size: b"%x" % (size + 1),
    lambda size: b"%x" % max(0, size - 1),
    lambda size: b"1%016x" % size,
    lambda size: b"",
)
NASTY = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b":",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b"\xc0\xa0",
    b";",
    b",",
    b"\r\n\r\n",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as a server read it."""

    method: bytes
    target: bytes
    canary: bytes
    body: bytes

    def same_as(self, sent: Seen) -> bool:
        """Whether this is what the gateway makes of `sent`: no surface in the path, a bare model."""
        target = sent.target.removeprefix(b"/boochat")
        if (self.method, self.target, self.canary) != (sent.method, target, sent.canary):
            return False
        return self.body == sent.body or _without_model(self.body) == _without_model(sent.body)


def payload(random: Random, number: int) -> bytes:
    """The bytes of one connection."""
    requests = [_request(random, number, place) for place in range(random.choice([1, 1, 2, 3]))]
    for at in range(len(requests)):
        for _ in range(random.choice([0, 0, 1, 1, 1, 2, 4])):
            requests[at] = random.choice(_FAULTS)(random, requests[at])
    return b"".join(requests) + (PROBE if random.random() < 0.9 else b"")


def response(random: Random, canary: bytes) -> bytes:
    """A response to the request `canary`, most often broken."""
    body = b'{"canary":"%b","text":"%b"}' % (canary, b"x" * random.choice([0, 0, 10, 5000]))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n" % random.choice(
        [b"application/json", b"text/event-stream"]
    )
    if random.random() < 0.5:
        sent = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    else:
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(random, body)
    for _ in range(random.choice([0, 0, 1, 1, 2, 4])):
        sent = random.choice(_FAULTS)(random, sent)
    return sent


def pieces(random: Random, sent: bytes) -> list[bytes]:
    """`sent`, cut at a few random places."""
    cuts = sorted(random.randint(0, len(sent)) for _ in range(random.choice([0, 0, 1, 2, 8])))
    return [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True) if start < end]


def readable(sent: bytes) -> list[Seen]:
    """All requests that a lenient server may read in `sent`, in their order."""
    found: list[Seen] = []
    while sent := sent.lstrip(b"\r\n"):  # RFC 9112, 2.2: empty lines before a request are ignored
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        server.receive_data(sent)
        try:
            request, body = server.next_event(), b""
            while isinstance(data := server.next_event(), h11.Data):
                body += bytes(data.data)
        except h11.ProtocolError:
            break
        if not isinstance(request, h11.Request) or not isinstance(data, h11.EndOfMessage):
            break
        header = next((value for name, value in request.headers if name == b"x-canary"), None)
        found.append(Seen(request.method, request.target, canary_of(header, body), body))
        sent = server.trailing_data[0]
    return found


def canary_of(header: bytes | None, body: bytes) -> bytes:
    """What tells a request from all others: its header, else what stands in its body."""
    if header:
        return header
    found = re.search(rb'"(\d+\.\d+)"', body)
    return found[1] if found else b""


def _without_model(body: bytes) -> object:
    try:
        data = json.loads(body)
    except ValueError:
        # a form is written again from its parts: white space between them and what follows the last may go
        return b"".join(body.partition(b"--%b--" % BOUNDARY)[0].replace(b"a/m", b"m").split())
    return {**data, "model": None} if isinstance(data, dict) else data


def _request(random: Random, number: int, place: int) -> bytes:
    canary = random.choice([b"X-Canary: %d.%d\r\n" % (number, place), b""])
    hidden = b"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Canary: %d.smuggled\r\n" % number
    hidden += b'Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"model":"m"}'
    model = random.choice([b"m", b"a/m"])
    if random.random() < 0.4:
        path, kind = b"/v1/audio/transcriptions", b"multipart/form-data; boundary=" + BOUNDARY
        body = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n' % (BOUNDARY, model)
        body += b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%d.%d"\r\n\r\n' % (
            BOUNDARY,
            number,
            place,
        )
        body += random.choice([b"0\r\n\r\n", b"\r\n\r\n", b""]) + hidden + b"\r\n--%b--\r\n" % BOUNDARY
    else:
        path, kind = random.choice([b"/v1/chat/completions", b"/boochat/v1/embeddings"]), b"application/json"
        body = b'{"model":"%b","n":"%d.%d"}' % (model, number, place)
        body += random.choice([b"", b"", b"\r\n", b"\r\n" + hidden])
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%bContent-Type: %b\r\n" % (path, canary, kind)
    if random.random() < 0.5:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(random, body)


def _chunked(random: Random, body: bytes) -> bytes:
    """`body` in chunks; now and then with a size that is odd or false, or with trailers."""
    sent = b""
    for piece in pieces(random, body):
        plain = random.random() < 0.9
        size = b"%x" % len(piece) if plain else random.choice(SIZES)(len(piece))
        sent += size + b"\r\n" + piece + b"\r\n"
    sent += random.choice([b"0", b"0", b"0", b"00", b"0;a=b", b"0 ", b"-0"]) + b"\r\n"
    if random.random() < 0.2:
        sent += random.choice(FIELDS) + b"\r\n"
    return sent + b"\r\n"


def _lines(sent: bytes) -> tuple[list[bytes], bytes]:
    head, _, rest = sent.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), rest


def _joined(lines: list[bytes], rest: bytes) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n" + rest


def _add_field(random: Random, sent: bytes) -> bytes:
    lines, rest = _lines(sent)
    lines.insert(random.randint(min(1, len(lines)), len(lines)), random.choice(FIELDS))
    return _joined(lines, rest)


def _drop_or_repeat_field(random: Random, sent: bytes) -> bytes:
    lines, rest = _lines(sent)
    line = lines.pop(random.randrange(len(lines)))
    for _ in range(random.choice([0, 2, 2])):
        lines.insert(random.randint(0, len(lines)), line)
    return _joined(lines, rest)


def _change_length(random: Random, sent: bytes) -> bytes:
    lines, rest = _lines(sent)
    length = len(rest) + random.choice([-20, -2, -1, 1, 2, 150, -len(rest), len(PROBE)])
    lines = [b"Content-Length: %d" % length if b"length" in line.lower() else line for line in lines]
    return _joined(lines, rest)


def _change_request_line(random: Random, sent: bytes) -> bytes:
    lines, rest = _lines(sent)
    words = [*lines[0].split(b" "), b"", b""][:3]
    at = random.randrange(3)
    words[at] = random.choice((METHODS, TARGETS, VERSIONS)[at])
    return _joined([random.choice([b" ", b" ", b" ", b"\t", b"  "]).join(words), *lines[1:]], rest)


def _change_line_end(random: Random, sent: bytes) -> bytes:
    parts = sent.split(b"\r\n")
    at = random.randint(1, len(parts)) - 1
    return b"\r\n".join(parts[:at]) + random.choice(ENDS) + b"\r\n".join(parts[at:])


def _all_bare(_: Random, sent: bytes) -> bytes:
    return sent.replace(b"\r\n", b"\n")


def _insert(random: Random, sent: bytes) -> bytes:
    at = random.randint(0, len(sent))
    return sent[:at] + random.choice(NASTY) + sent[at:]


def _delete(random: Random, sent: bytes) -> bytes:
    at = random.randint(0, len(sent))
    return sent[:at] + sent[at + random.choice([1, 1, 2, 10]) :]


def _flip_bit(random: Random, sent: bytes) -> bytes:
    at = random.randrange(max(1, len(sent)))
    return sent[:at] + bytes(byte ^ (1 << random.randrange(8)) for byte in sent[at : at + 1]) + sent[at + 1 :]


def _cut(random: Random, sent: bytes) -> bytes:
    return sent[: random.randint(0, len(sent))]


def _garbage(random: Random, sent: bytes) -> bytes:
    noise = random.randbytes(random.randint(1, 40))
    return noise + sent if random.random() < 0.3 else sent + noise


_FAULTS: list[Callable[[Random, bytes], bytes]] = [
    *[_add_field] * 4, _drop_or_repeat_field, _change_length, _change_length, _change_request_line,
    _change_request_line, _change_line_end, _change_line_end, _all_bare, _insert, _insert, _delete, _flip_bit,
    _cut, _garbage,
]  # fmt: skip
