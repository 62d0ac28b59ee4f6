"""The smallest contexts that opencode is offered: its own prompt fits, and one prompt is one request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from fleet_compiler.clients.opencode import OPENING
from fleet_compiler.clients.view import SMALLEST_OUTPUT
from fleet_runtime.artifacts.contract import ModelFacts
from tests.integration import tools
from tests.integration.opencode import Opencode
from tests.support.projects import compile_text, lock_of

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PROMPT_BYTES = 30_679
PROMPT_TOKENS = 7500
"""opencode 1.18.33's first request, and its tokens by the least economical tokenizer and template seen."""


@dataclass
class Responder:
    """A server that says one word and reports `tokens` for every prompt."""

    tokens: int
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    def events(self) -> bytes:
        usage = {"prompt_tokens": self.tokens, "completion_tokens": 2, "total_tokens": self.tokens + 2}
        parts = ({"delta": {"role": "assistant", "content": "hello"}}, {"delta": {}, "finish_reason": "stop"})
        chunks: list[dict[str, Any]] = [
            {
                "id": "c",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, **part}],
            }
            for part in parts
        ]
        chunks[-1]["usage"] = usage
        return (
            b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
            + b"data: [DONE]\n\n"
        )

    @contextmanager
    def listening(self) -> Iterator[None]:
        responder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                responder.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                self.wfile.write(responder.events())

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            thread = Thread(target=server.serve_forever)
            thread.start()
            yield
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("context", [OPENING.tokens + SMALLEST_OUTPUT, 8192, 10240, 16384])
def test_a_context_that_is_offered_takes_one_request_for_a_prompt(context: int, tmp_path: Path) -> None:
    responder = Responder(PROMPT_TOKENS)
    with responder.listening():
        yaml = f"""
        version: 1
        default_provider: box
        providers: {{box: "http://127.0.0.1:9"}}
        surfaces: {{code: {{client: opencode}}}}
        gateway: {{url: "{responder.url}"}}
        """
        known = {"m": ModelFacts(context=context, context_source="running")}
        files = compile_text(tmp_path, yaml, box=lock_of("http://127.0.0.1:9", known=known)).files
        (tmp_path / "opencode.json").write_bytes(files["opencode.json"])
        opencode = Opencode(
            tools.opencode(), tmp_path / "opencode.json", tmp_path / "opencode", "http://127.0.0.1:9"
        )
        run = opencode.run("say hi", "box/m")
    assert (run.code, run.text, len(responder.bodies)) == (0, "hello", 1)
    assert len(responder.bodies[0]) < PROMPT_BYTES + 500, (
        "opencode's own prompt has grown: measure OPENING again"
    )
