"""The proxied paths of every base: one lookup per request, built once per snapshot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.errors import ErrorShape
from fleet_runtime.proxy.error_event import EventShape


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path below a base, as clients and providers name it.

    `falls_back`: an old bare id may become the surface's default role here. `anthropic`: errors of the
    gateway have Anthropic's shape. `wakes`: a request may wake a provider. `events` is the shape of an error
    in its event streams; None if it never gets keepalive comments.
    """

    path: str
    falls_back: bool = False
    anthropic: bool = False
    wakes: bool = True
    events: EventShape | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The base of a path: its routing table, and the provider pinned by ``/providers/<name>``."""

    path: str
    table: RoutingTable
    pinned: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The route of a path. `keepalive`: seconds until a streaming client gets a comment, None for never."""

    base: Base
    endpoint: Endpoint
    keepalive: float | None = None

    @property
    def error_shape(self) -> ErrorShape:
        return "anthropic" if self.endpoint.anthropic else "openai"


ENDPOINTS: Final = (
    Endpoint("/v1/chat/completions", falls_back=True, events="openai"),
    Endpoint("/v1/completions", falls_back=True, events="openai"),
    Endpoint("/v1/responses", falls_back=True, events="responses"),
    Endpoint("/v1/messages", falls_back=True, anthropic=True, events="anthropic"),
    Endpoint("/v1/messages/count_tokens", falls_back=True, anthropic=True, wakes=False),
    Endpoint("/v1/embeddings"),
    Endpoint("/v1/rerank"),
    Endpoint("/v1/reranking"),
    Endpoint("/infill"),
    Endpoint("/completion"),
    Endpoint("/tokenize", wakes=False),
    Endpoint("/detokenize", wakes=False),
    Endpoint("/apply-template", wakes=False),
    Endpoint("/rerank"),
)
"""The endpoints with a fixed path; ``/v1/audio/*`` and ``/v1/images/*`` are proxied too."""

_OLLAMA: Final = re.compile(rb"((?:/providers)?(?:/[^/]+)?)/ollama(?:/(.*))?", re.DOTALL)
_FAMILY: Final = re.compile(rb"(.*)(/v1/(?:audio|images)/[a-z0-9_-]{1,64})", re.DOTALL)


class Routes:
    """The proxied paths, and those of model lists, for one snapshot."""

    def __init__(self, tables: Mapping[str, RoutingTable]) -> None:
        self.bases: Mapping[bytes, Base] = {base.path.encode(): base for base in _bases(tables)}
        self._proxied: Mapping[bytes, Route] = {
            path + endpoint.path.encode(): Route(
                base, endpoint, None if endpoint.events is None else base.table.keepalive
            )
            for path, base in self.bases.items()
            for endpoint in ENDPOINTS
        }
        self.lists: Mapping[bytes, Base] = {
            path + suffix: base
            for path, base in self.bases.items()
            for suffix in (b"/v1/models", b"/v1/models/")
        }

    def proxied(self, path: bytes) -> Route | None:
        """Return the route of a path without query; None if it is not proxied."""
        return self._proxied.get(path) or self._family(path)

    def model(self, path: bytes) -> tuple[Base, bytes] | None:
        """For ``<base>/v1/models/<id>``: the base, and the id still percent-encoded."""
        head, mark, id = path.partition(b"/v1/models/")
        base = self.bases.get(head) if mark and id else None
        return None if base is None else (base, id)

    def ollama(self, path: bytes) -> tuple[Base, bytes] | None:
        """For ``<base>/ollama`` and the paths below it: the base, and what follows the next slash."""
        match = _OLLAMA.fullmatch(path)
        base = self.bases.get(match[1]) if match else None
        if match is None or base is None:
            return None
        rest = match[2] or b""
        if rest and not rest.startswith(b"api/") and match[1] + b"/ollama" in self.bases:
            return None  # a surface of that name
        return base, rest

    def _family(self, path: bytes) -> Route | None:
        match = _FAMILY.fullmatch(path)
        base = self.bases.get(match[1]) if match else None
        return Route(base, Endpoint(match[2].decode())) if match and base else None


def _bases(tables: Mapping[str, RoutingTable]) -> Iterator[Base]:
    for path, table in tables.items():
        yield Base(path, table)
    for name, present in tables[""].names.items():
        yield Base(f"/providers/{name}", tables[""], present)
