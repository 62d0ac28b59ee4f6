"""A response before it is sent, and the ordered headers of each kind of server."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from fleet_runtime.simulator.wire import Headers, Request

JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` bytes go out with their length, a generator in chunks as they come."""

    status: int
    body: bytes | AsyncGenerator[bytes, None]
    content_type: str = JSON
    extra: tuple[tuple[str, str], ...] = field(default=())

    @property
    def framing(self) -> tuple[str, str]:
        if isinstance(self.body, bytes):
            return ("Content-Length", str(len(self.body)))
        return ("Transfer-Encoding", "chunked")


HeaderStyle = Callable[[Reply, Request], Headers]


def json_reply(value: Any, status: int = 200, *, extra: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(status, compact(value), extra=extra)


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def llama_cpp(reply: Reply, request: Request) -> Headers:
    """llama-server's (cpp-httplib): Origin echoed, errors close, an event stream names no charset."""
    headers = [("Server", "llama.cpp"), ("Access-Control-Allow-Origin", request.header("origin") or "")]
    if not isinstance(reply.body, bytes):
        headers.append(("X-Accel-Buffering", "no"))
    content_type = f"{JSON}; charset=utf-8" if reply.content_type == JSON else reply.content_type
    headers += [("Content-Type", content_type), reply.framing, *reply.extra]
    closing = reply.status >= 400 or (request.header("connection") or "").lower() == "close"
    headers.append(("Connection", "close") if closing else ("Keep-Alive", "timeout=5, max=100"))
    return headers


def go(reply: Reply, request: Request) -> Headers:
    """net/http's (llama-swap, Ollama): what was set, sorted, then the date and how the body is framed."""
    headers = [("Content-Type", reply.content_type), *reply.extra]
    origin = request.header("origin")
    if origin:
        headers.append(("Access-Control-Allow-Origin", origin))
    if not isinstance(reply.body, bytes) and reply.content_type == EVENTS:
        headers += [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")]
    return [*sorted(headers), ("Date", formatdate(usegmt=True)), reply.framing]


def uvicorn(reply: Reply, _request: Request) -> Headers:
    """vLLM's: names in lower case, an event stream names its charset."""
    content_type = f"{EVENTS}; charset=utf-8" if reply.content_type == EVENTS else reply.content_type
    headers = [("date", formatdate(usegmt=True)), ("server", "uvicorn")]
    if isinstance(reply.body, bytes):
        headers.append(("content-length", str(len(reply.body))))
    headers += [("content-type", content_type), *reply.extra]
    if not isinstance(reply.body, bytes):
        headers.append(("Transfer-Encoding", "chunked"))
    return headers


def express(reply: Reply, _request: Request) -> Headers:
    """LM Studio's (Node's Express)."""
    content_type = (
        reply.content_type if reply.content_type == EVENTS else f"{reply.content_type}; charset=utf-8"
    )
    return [
        ("X-Powered-By", "Express"),
        ("Content-Type", content_type),
        *reply.extra,
        *([reply.framing] if isinstance(reply.body, bytes) else []),
        ("Date", formatdate(usegmt=True)),
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        *([] if isinstance(reply.body, bytes) else [reply.framing]),
    ]


def cloud(reply: Reply, _request: Request) -> Headers:
    """A hosted provider's, behind its edge."""
    content_type = f"{EVENTS}; charset=utf-8" if reply.content_type == EVENTS else reply.content_type
    return [
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", content_type),
        reply.framing,
        ("Connection", "keep-alive"),
        ("Server", "cloudflare"),
        *reply.extra,
    ]
