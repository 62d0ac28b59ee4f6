"""Suggest the intended path for a wrong one: a missing ``/v1``, another spelling, another server's API.
Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final
from urllib.parse import unquote

from fleet_runtime.api.operation import Operation
from fleet_runtime.proxy.endpoints import Routes

_MAX_PATH: Final = 256
"""The maximum length of a path that is compared; no valid path is longer."""
_OLLAMA: Final = re.compile(
    r"(.*)/api/(?:chat|copy|create|delete|embed|embeddings|generate|ps|pull|push|show|tags|version|blobs/.*)"
)


def hint(path: str, routes: Routes, operations: Iterable[Operation]) -> str:
    """Return ``; did you mean '/v1/models'?`` for a similar path, ``; Ollama's API is at '/ollama'`` for a
    path of Ollama's API, otherwise an empty text."""
    if len(path) > _MAX_PATH:
        return ""
    tidy = re.sub(r"/{2,}", "/", unquote(path, "latin-1"))
    tidy = tidy.rstrip("/") or "/"
    ollama = _OLLAMA.fullmatch(tidy)
    if ollama is not None and ollama[1].encode("latin-1") in routes.bases:
        return f"; Ollama's API is at '{ollama[1]}/ollama', OpenAI's at '{ollama[1]}/v1'"
    for candidate in _candidates(tidy):
        if candidate != path and _exists(candidate, routes, operations):
            return f"; did you mean '{candidate}'?"
    return ""


def _candidates(tidy: str) -> Iterator[str]:
    """Yield paths that may have been intended by a path with single slashes, the smallest change first."""
    for spelled in (tidy, tidy.lower()):
        yield spelled
        once = re.sub(r"(/v1(?:alpha|beta)?)+(?=/|$)", "/v1", spelled)
        for below in (once, re.sub(r"/(?:api|openai)(?=/)", "", once, count=1)):
            yield from _endings(below)
            for place in islice(re.finditer("/", below), 3):  # a base has two parts at most
                yield from _endings(f"{below[: place.start()]}/v1{below[place.start() :]}")


def _endings(path: str) -> Iterator[str]:
    """Yield a path, its plural, and the model list of a base."""
    yield path
    yield f"{path}s"
    if path.endswith("/v1"):
        yield f"{path}/models"


def _exists(path: str, routes: Routes, operations: Iterable[Operation]) -> bool:
    raw = path.encode("latin-1")
    if routes.proxied(raw) is not None or raw in routes.lists:
        return True
    return any("{" not in operation.path and operation.match(path) is not None for operation in operations)
