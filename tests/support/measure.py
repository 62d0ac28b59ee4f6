"""How long requests on one kept connection take, and what a process costs."""

from __future__ import annotations

import http.client
import json
import os
import time
from pathlib import Path
from urllib.parse import urlsplit


class KeptConnection:
    """Requests to a gateway, one after the other on one connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def get(self, path: str) -> float:
        """Seconds until the entire answer is here; it must be a 200."""
        return self._timed("GET", path, None)

    def chat(self, model: str) -> float:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        return self._timed("POST", "/boochat/v1/chat/completions", json.dumps(body))

    def close(self) -> None:
        self._connection.close()

    def _timed(self, method: str, path: str, body: str | None) -> float:
        headers = {"content-type": "application/json"} if body is not None else {}
        started = time.perf_counter()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        answer.read()
        took = time.perf_counter() - started
        assert answer.status == 200, path
        return took


def percentile(seconds: list[float], share: float) -> float:
    """The smallest of `seconds` that `share` of them do not exceed."""
    return sorted(seconds)[max(0, -(-len(seconds) * round(share * 1000) // 1000) - 1)]


def in_milliseconds(seconds: list[float]) -> str:
    return ", ".join(
        f"{name} {percentile(seconds, share) * 1000:.2f} ms"
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    )


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
