"""Non-streaming requests at full speed, sent by wrk."""

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
    """A summary by wrk: the requests that got a response, the seconds of the run, the failed requests
    (including statuses other than 2xx and 3xx), and latencies in milliseconds."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float

    @classmethod
    def from_wrk(cls, summary: Mapping[str, float]) -> Load:
        """Convert the summary that `DONE` prints."""
        return cls(
            requests=int(summary["requests"]),
            seconds=summary["microseconds"] / 1e6,
            failed=int(summary["failed"]),
            p50=summary["p50"] / 1000,
            p99=summary["p99"] / 1000,
        )


def load(core: int, target: Target, connections: int, body: int, seconds: int) -> Load:
    """Send requests of `body` bytes over `connections` connections for `seconds`, with wrk on `core`."""
    with tempfile.TemporaryDirectory() as folder:
        body_file = Path(folder, "body.json")
        body_file.write_bytes(prompt(target.model, body))
        script = Path(folder, "load.lua")
        headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in target.headers.items())
        script.write_text(SCRIPT.format(body=body_file, path=target.path, headers=headers, done=DONE))
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--timeout", "60s", "--script", str(script), f"http://127.0.0.1:{target.port}"]
        run = subprocess.run(
            pinned(core, command), check=True, capture_output=True, text=True, timeout=seconds + 60
        )
    return Load.from_wrk(json.loads(run.stderr))
