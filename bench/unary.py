"""Requests as fast as they are answered, sent by wrk."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.messages import Target, prompt
from bench.processes import pinned

DONE = """done = function(summary, latency, requests)
  local failed = summary.errors
  io.stderr:write(string.format(
    '{"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d}',
    summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""

SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.path = "{path}"
wrk.body = file:read("*a")
file:close()
wrk.headers["content-type"] = "application/json"
{headers}
{done}
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

    @classmethod
    def told(cls, summary: Mapping[str, float]) -> Load:
        """What wrk's `done` printed."""
        return cls(
            requests=int(summary["requests"]),
            seconds=summary["microseconds"] / 1e6,
            failed=int(summary["failed"]),
            p50=summary["p50"] / 1000,
            p99=summary["p99"] / 1000,
        )


def load(core: int, target: Target, connections: int, body: int, seconds: int) -> Load:
    """`connections` clients for `seconds`, on `core`, each sending requests of `body` bytes."""
    with tempfile.TemporaryDirectory() as folder:
        sent = Path(folder, "body.json")
        sent.write_bytes(prompt(target.model, body))
        script = Path(folder, "load.lua")
        headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in target.headers.items())
        script.write_text(SCRIPT.format(body=sent, path=target.path, headers=headers, done=DONE))
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--timeout", "60s", "--script", str(script), f"http://127.0.0.1:{target.port}"]
        run = subprocess.run(
            pinned(core, command), check=True, capture_output=True, text=True, timeout=seconds + 60
        )
    return Load.told(json.loads(run.stderr))
