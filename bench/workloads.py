"""Realistic load, sent by wrk: several clients with different headers, many models, bodies of many sizes.

The same request again and again would flatter a gateway with caches. In the workload `repeating`, a few
clients each repeat their own headers, as SDKs do. In `unique`, every request has a trace header with a new
value. In `fresh`, every request opens a new connection.
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

Workload = Literal["repeating", "unique", "fresh"]

PLACEHOLDER: Final = "@@@@@@@@@@@@"
"""Replaced with a different number in every request."""

CLIENT_HEADERS: Final = (
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
local requests = {{}}
local file = io.open("{file}", "rb")
for text in (file:read("*a") .. "\\0"):gmatch("([^%z]*)%z") do
  local at, last = text:find("{placeholder}", 1, true)
  requests[#requests + 1] = at and {{text:sub(1, at - 1), text:sub(last + 1)}} or {{text}}
end
file:close()
local turn = 0
request = function()
  turn = turn + 1
  local parts = requests[turn * 7 % #requests + 1]
  if parts[2] then return parts[1] .. string.format("%012d", turn) .. parts[2] end
  return parts[1]
end
{done}
"""


def requests(target: Target, workload: Workload, body: int) -> Iterator[bytes]:
    """Yield one request for every client and model, with bodies of `body` bytes ± 25 %."""
    for number, model in enumerate(MODELS):
        name = target.model.rpartition("/")[0]
        named = f"{name}/{model}" if name else model
        for client, headers in enumerate(CLIENT_HEADERS):
            extra = dict(headers)
            if workload == "unique":
                extra["traceparent"] = f"00-4bf92f3577b34da6a3ce{PLACEHOLDER}-00f067aa0ba902b7-01"
            elif workload == "fresh":
                extra["connection"] = "close"
            size = body * (75 + (number * 5 + client) * 50 // (5 * len(MODELS))) // 100
            yield target.request(prompt(named, size), extra)


def mixed_load(
    core: int, target: Target, workload: Workload, connections: int, body: int, seconds: float
) -> Load:
    """Send requests over `connections` connections for `seconds`, with wrk on `core`."""
    with tempfile.TemporaryDirectory() as folder:
        requests_file, script = Path(folder, "requests"), Path(folder, "load.lua")
        requests_file.write_bytes(b"\0".join(requests(target, workload, body)))
        script.write_text(SCRIPT.format(file=requests_file, placeholder=PLACEHOLDER, done=DONE))
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--timeout", "60s", "--script", str(script), f"http://127.0.0.1:{target.port}"]
        run = subprocess.run(
            pinned(core, command), check=True, capture_output=True, text=True, timeout=seconds + 60
        )
    return Load.from_wrk(json.loads(run.stderr))
