"""Requests as fast as they are answered, sent by wrk."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.messages import Target, prompt
from bench.processes import pinned

SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.path = "{path}"
wrk.body = file:read("*a")
file:close()
wrk.headers["content-type"] = "application/json"
{headers}

done = function(summary, latency, requests)
  local failed = summary.errors
  io.stderr:write(string.format(
    '{{"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d}}',
    summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: requests that were answered, seconds they took, those that failed (any status but 2xx and
    3xx among them), and latencies in milliseconds."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float


def load(core: int, target: Target, connections: int, body: int, seconds: int) -> Load:
    """`connections` clients for `seconds`, on `core`, each sending requests of `body` bytes."""
    with tempfile.TemporaryDirectory() as folder:
        sent = Path(folder, "body.json")
        sent.write_bytes(prompt(target.model, body))
        script = Path(folder, "load.lua")
        headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in target.headers.items())
        script.write_text(SCRIPT.format(body=sent, path=target.path, headers=headers))
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--timeout", "60s", "--script", str(script), f"http://127.0.0.1:{target.port}"]
        run = subprocess.run(
            pinned(core, command), check=True, capture_output=True, text=True, timeout=seconds + 60
        )
    told = json.loads(run.stderr)
    return Load(
        requests=told["requests"],
        seconds=told["microseconds"] / 1e6,
        failed=told["failed"],
        p50=told["p50"] / 1000,
        p99=told["p99"] / 1000,
    )
