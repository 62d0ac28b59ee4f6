"""Records what a real llama-swap says: ``python -m tests.integration.record_llama_swap FOLDER``.

Each exchange becomes ``<name>.req`` and ``<name>.http`` in the form of tests/recordings: the bytes as they
came, a chunked body joined but in those named ``*-raw``.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.integration import tools
from tests.integration.llama_swap import LlamaSwap, Swapped, llama_swap
from tests.support.waiting import eventually

CAPABLE = {"in": ["text", "image"], "out": ["text"], "tools": True, "context": 32768}
MODELS = [
    Swapped("qwen3-8b", ttl=300, settings={"name": "Qwen3 8B", "description": "for all", "aliases": ["q8"]}),
    Swapped("hf/qwen3:Q4", settings={"capabilities": CAPABLE, "metadata": {"n_ctx": 4096, "mine": "<&>"}}),
    Swapped("slow", load_seconds=3),
    Swapped("hidden", settings={"unlisted": True}),
    Swapped("broken", settings={"cmd": "false", "proxy": "http://127.0.0.1:1"}),
]
OTHER_NAMES: dict[str, Any] = {
    "performance": {"every": "5s"},
    "peers": {"closet": {"proxy": "http://127.0.0.1:1", "models": ["qwen3-4b"]}},
    "selectors": {"warmest": {"strategy": "warm", "targets": ["qwen3-8b", "slow"], "name": "Warmest"}},
    "profiles": {"work": {"description": "at work", "pins": {"pinned": "qwen3-8b"}}},
}
"""What llama-swap has since 2026-07-25; an older one ignores it."""


def ask(
    swap: LlamaSwap,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    seconds: float = 20,
) -> tuple[bytes, bytes]:
    """The recorded request, and the response's bytes until the connection closes or after `seconds`."""
    address = urlsplit(swap.url)
    sent = dict(headers or {})
    if body:
        sent.setdefault("Content-Type", "application/json")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address.netloc}"]
    lines += [f"{name}: {value}" for name, value in sent.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    kept = [f"{method} {swap.url}{path}", *(f"-H {name}: {value}" for name, value in sent.items())]
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        connection.settimeout(seconds)
        answer = b""
        try:
            while received := connection.recv(65536):
                answer += received
        except TimeoutError:
            pass
    return "\n".join([*kept, "", ""]).encode() + body, answer


def joined(answer: bytes) -> bytes:
    """The response with its chunks put together; the header that announced them stays."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return answer
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        whole += rest[:length]
        body = rest[length + 2 :] if length else b""
    return head + b"\r\n\r\n" + whole


def chat(model: str, *, stream: bool = False) -> bytes:
    messages = [{"role": "user", "content": "Say hi"}]
    return json.dumps({"model": model, "messages": messages, "stream": stream}).encode()


def record(swap: LlamaSwap, folder: Path) -> None:
    chat_path = "/v1/chat/completions"

    def keep(
        name: str, method: str, path: str, body: bytes = b"", seconds: float = 20, **headers: str
    ) -> None:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        _write(folder, name, ask(swap, method, path, body, named, seconds=seconds))

    def meanwhile(act: Callable[[], None], name: str, body: bytes) -> None:
        """`name` is asked while `act` goes on."""
        thread = threading.Thread(target=act)
        thread.start()
        keep(name, "POST", chat_path, body)
        thread.join()

    keep("models", "GET", "/v1/models")
    keep("models-origin", "GET", "/v1/models", Origin="http://somewhere")
    keep("models-without-v1", "GET", "/models")
    keep("running-none", "GET", "/running")
    keep("health", "GET", "/health")
    keep("options", "OPTIONS", "/v1/models", Access_Control_Request_Headers="x-mine")
    keep("version", "GET", "/api/version")
    keep("unknown-path", "GET", "/nope")
    keep("unknown-model", "POST", chat_path, chat("nope"))
    keep("unknown-model-text", "POST", chat_path, chat("nope"), Accept="text/plain")
    keep("no-model", "POST", chat_path, b'{"messages": []}')
    keep("bad-json", "POST", chat_path, b'{"model": "qwen3-8b"')
    keep("form-without-model", "POST", chat_path, chat("qwen3-8b"), Content_Type="text/plain")
    keep("upstream-redirect", "GET", "/upstream/qwen3-8b")
    keep("upstream-redirect-post", "POST", "/upstream/qwen3-8b", b"{}")
    keep("upstream-unknown", "GET", "/upstream/nope/props")
    keep("props-without-model", "GET", "/props")
    keep("load-failed", "POST", chat_path, chat("broken"))

    events = threading.Thread(target=lambda: keep("events-raw", "GET", "/api/events", seconds=8))
    events.start()
    keep("chat", "POST", chat_path, chat("q8"))
    keep("chat-stream-raw", "POST", chat_path, chat("qwen3-8b", stream=True))
    keep("chat-hidden", "POST", chat_path, chat("hidden"))
    events.join()
    keep("running", "GET", "/running")
    keep("models-loaded", "GET", "/v1/models")
    keep("unload", "GET", "/unload")

    meanwhile(_unload_once_it_loads(swap), "unloaded-while-loading", chat("slow"))
    keep("chat-again", "POST", chat_path, chat("qwen3-8b"))
    swap.behave("qwen3-8b", hold=True)
    meanwhile(_unload_once_asked(swap, 2, 0), "unloaded-before-the-first-byte", chat("qwen3-8b", stream=True))
    keep("chat-again", "POST", chat_path, chat("qwen3-8b"))
    swap.behave("qwen3-8b", hold=True)
    meanwhile(_unload_once_asked(swap, 2, 3), "unloaded-in-mid-stream-raw", chat("qwen3-8b", stream=True))
    for passing in ("chat-again.req", "chat-again.http"):
        (folder / passing).unlink()


def record_other_names(swap: LlamaSwap, folder: Path) -> None:
    """Aliases, a peer, a selector and a profile, which are no models here, and what is measured of memory."""
    _write(folder, "metrics-before-the-first-sample", ask(swap, "GET", "/metrics"))
    _write(folder, "profile", ask(swap, "PUT", "/api/profiles/active", b'{"name": "work"}'))
    _write(folder, "models-of-all-types", ask(swap, "GET", "/v1/models"))
    _write(folder, "upstream-selector", ask(swap, "GET", "/upstream/warmest/health"))
    _write(folder, "unload-selector", ask(swap, "POST", "/api/models/unload/warmest"))
    eventually(lambda: bool(swap.ask("GET", "/metrics").text), 20)
    _write(folder, "metrics", ask(swap, "GET", "/metrics"))


def _write(folder: Path, name: str, exchange: tuple[bytes, bytes]) -> None:
    request, answer = exchange
    (folder / f"{name}.req").write_bytes(request)
    (folder / f"{name}.http").write_bytes(answer if name.endswith("-raw") else joined(answer))


def _unload_once_it_loads(swap: LlamaSwap) -> Callable[[], None]:
    def act() -> None:
        swap.await_state("slow", "starting")
        swap.ask("GET", "/unload")

    return act


def _unload_once_asked(swap: LlamaSwap, requests: int, pieces: int) -> Callable[[], None]:
    """After so many requests, and so many parts of the last one's answer."""

    def act() -> None:
        swap.await_requests("qwen3-8b", requests)
        if pieces:
            swap.release("qwen3-8b", pieces)
        swap.ask("POST", "/api/models/unload/qwen3-8b")

    return act


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    binary = tools.llama_swap()
    with tempfile.TemporaryDirectory() as scratch:
        with llama_swap(binary, Path(scratch, "one"), "sam-desktop", MODELS) as swap:
            record(swap, folder)
        telling = Swapped("slow", load_seconds=2)
        broken = MODELS[-1]
        with llama_swap(
            binary, Path(scratch, "two"), "sam-desktop", [telling, broken], key="k1", sendLoadingState=True
        ) as swap:
            key = {"Authorization": "Bearer k1"}
            for name, method, path, body, headers in (
                ("unauthorized", "GET", "/v1/models", b"", {}),
                ("health-without-key", "GET", "/health", b"", {}),
                ("loading-state-raw", "POST", "/v1/chat/completions", chat("slow", stream=True), key),
                (
                    "loading-state-failed-raw",
                    "POST",
                    "/v1/chat/completions",
                    chat("broken", stream=True),
                    key,
                ),
            ):
                request, answer = ask(swap, method, path, body, headers)
                (folder / f"{name}.req").write_bytes(request)
                (folder / f"{name}.http").write_bytes(answer)
        with llama_swap(
            binary, Path(scratch, "three"), "sam-desktop", MODELS, includeAliasesInList=True, **OTHER_NAMES
        ) as swap:
            record_other_names(swap, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
