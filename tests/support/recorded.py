"""Real servers' responses, kept byte for byte in tests/recordings: ``<set>/<name>.http``, and ``<name>.req``,
the request that got it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.paths import RECORDINGS


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange; header names as they came, a chunked body already joined (except for ``*-raw-*``).

    `request_body` is what was sent, possibly cut where the recording says so.
    """

    name: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str
    path: str
    request_headers: dict[str, str]
    request_body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lowered(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers}


def recorded(name: str) -> Recorded:
    """The exchange ``<set>/<name>``; a 1xx answer before the real one is left out."""
    answer = (RECORDINGS / f"{name}.http").read_bytes()
    head, _, body = answer.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 1"):
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = tuple((key, value.strip()) for key, _, value in (line.partition(":") for line in lines[1:]))
    method, path, sent, request_body = _request(name)
    return Recorded(name, int(lines[0].split()[1]), headers, body, method, path, sent, request_body)


def _request(name: str) -> tuple[str, str, dict[str, str], bytes]:
    file = RECORDINGS / f"{name}.req"
    if not file.exists():
        return "GET", "", {}, b""
    head, _, body = file.read_bytes().partition(b"\n\n")
    first, *arguments = head.decode().split("\n")
    method, url = first.split(" ", 1)
    address = urlsplit(url)
    headers = {}
    for line in arguments:
        for part in line.removeprefix("curl-args:").split("-H ")[1:]:
            key, _, value = part.strip().partition(": ")
            headers[key] = value
    return method, address.path + (f"?{address.query}" if address.query else ""), headers, body
