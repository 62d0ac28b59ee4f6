"""Honest load: several clients whose heads differ, many models, bodies of many sizes, sent by wrk.

One request sent over and over would flatter a gateway that remembers what it has seen. `repeating` requests
come from a few clients that each repeat their own head, as SDKs do; `unique` ones carry a trace header that
never comes twice; `fresh` ones take a new connection each.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from bench.messages import MODELS, Target, prompt
from bench.processes import pinned
from bench.unary import DONE, Load

Kind = Literal["repeating", "unique", "fresh"]

MARK: Final = "@@@@@@@@@@@@"
"""Stands for a number that is another in each request."""

HEADS: Final = (
    {
        "accept": "application/json",
        "user-agent": "OpenAI/Python 1.99.1",
        "x-stainless-lang": "python",
        "x-stainless-package-version": "1.99.1",
        "x-stainless-os": "Linux",
        "x-stainless-arch": "x64",
        "x-stainless-runtime": "CPython",
        "x-stainless-runtime-version": "3.12.3",
        "x-stainless-async": "async:asyncio",
        "x-stainless-retry-count": "0",
        "accept-encoding": "gzip, deflate",
    },
    {
        "user-agent": "opencode/1.0.85 ai-sdk/provider-utils/3.0.9 runtime/bun/1.3.0",
        "connection": "keep-alive",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate, br, zstd",
    },
    {"user-agent": "curl/7.88.1", "accept": "*/*"},
    {
        "user-agent": "Python/3.12 aiohttp/3.12.15",
        "accept": "text/event-stream",
        "accept-encoding": "gzip, deflate, br",
        "x-openwebui-user-name": "ada",
    },
    {
        "user-agent": "node",
        "accept": "*/*",
        "accept-language": "*",
        "sec-fetch-mode": "cors",
        "accept-encoding": "gzip, deflate",
        "connection": "keep-alive",
    },
)

SCRIPT: Final = """
local pieces = {{}}
local file = io.open("{file}", "rb")
for text in (file:read("*a") .. "\\0"):gmatch("([^%z]*)%z") do
  local at, last = text:find("{mark}", 1, true)
  pieces[#pieces + 1] = at and {{text:sub(1, at - 1), text:sub(last + 1)}} or {{text}}
end
file:close()
local turn = 0
request = function()
  turn = turn + 1
  local piece = pieces[turn * 7 % #pieces + 1]
  if piece[2] then return piece[1] .. string.format("%012d", turn) .. piece[2] end
  return piece[1]
end
{done}
"""


def requests(target: Target, kind: Kind, body: int) -> Iterator[bytes]:
    """One request for every client and model, of `body` bytes give or take a quarter."""
    for number, model in enumerate(MODELS):
        name = target.model.rpartition("/")[0]
        named = f"{name}/{model}" if name else model
        for at, head in enumerate(HEADS):
            extra = dict(head)
            if kind == "unique":
                extra["traceparent"] = f"00-4bf92f3577b34da6a3ce{MARK}-00f067aa0ba902b7-01"
            elif kind == "fresh":
                extra["connection"] = "close"
            size = body * (75 + (number * 5 + at) * 50 // (5 * len(MODELS))) // 100
            yield target.request(prompt(named, size), extra)


def honest_load(core: int, target: Target, kind: Kind, connections: int, body: int, seconds: float) -> Load:
    """`connections` clients for `seconds`, on `core`."""
    with tempfile.TemporaryDirectory() as folder:
        sent, script = Path(folder, "requests"), Path(folder, "load.lua")
        sent.write_bytes(b"\0".join(requests(target, kind, body)))
        script.write_text(SCRIPT.format(file=sent, mark=MARK, done=DONE))
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--timeout", "60s", "--script", str(script), f"http://127.0.0.1:{target.port}"]
        run = subprocess.run(
            pinned(core, command), check=True, capture_output=True, text=True, timeout=seconds + 60
        )
    return Load.told(json.loads(run.stderr))
