"""The fixed spec of a simulated server, and its changeable behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, TypeAdapter

from fleet_runtime.artifacts.contract import Purpose

SimulatedKind: TypeAlias = str
"""One of `kinds.PRODUCTS`."""

ListVersion = Literal["v1", "2026-07", "v2", "v3"]
Malformation = Literal[
    "crlf",
    "no-space",
    "multi-line",
    "no-trailing-newline",
    "bom",
    "huge-line",
    "split-utf8",
    "two-events",
    "after-done",
    "no-done",
    "comments",
    "raw-error",
    "error-event",
    "bad-json",
]
"""Deviations of a stream of server-sent events from the specification."""


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """One model of a server.

    `context` is what a client may use, `trained` the upper bound its file names. `ttl` is the idle
    seconds after which it unloads (0: never). `reply` replaces the echo of the last message, `thinking`
    is sent as reasoning before it; without `signed`, the text does not begin with the names of server and
    model. `peer` makes it a llama-swap peer's model. `listed` False: served,
    but not on the list.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: str
    context: int = 8192
    trained: int = 131072
    aliases: tuple[str, ...] = ()
    name: str | None = None
    purpose: Purpose = "chat"
    reply: str | None = None
    signed: bool = True
    thinking: str | None = None
    tools: bool = True
    vision: bool = False
    load_seconds: float = 0.0
    ttl: float = 0.0
    loaded: bool = False
    loadable: bool = True
    listed: bool = True
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A call of the tool `name`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    arguments: dict[str, Any]


@dataclass(slots=True)
class Behaviour:
    """The current behaviour of a server; every field may be changed while it runs.

    `scope` limits latency, hang, errors, redirects and drops to inference or to everything else.
    `drop_at_byte` counts the response's bytes on the wire, status line included; `drop` says how the
    connection then ends. `hold` keeps every chunk of a response's body until it is released (the headers go
    out with the first chunk), `hold_loading` keeps a model loading until then. `chunks` is the number of
    content chunks of a stream. `loading`: a llama-server says on every path that it is loading its model.
    `call` is the response of models to a request that offers that tool and holds no tool's result yet.
    `list_*` replace the list of models.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    offline: bool = False
    sidecar_offline: bool = False
    scope: Literal["all", "inference", "other"] = "all"
    hang: bool = False
    loading: bool = False
    latency_ms: float = 0
    first_byte_ms: float = 0
    chunk_ms: float = 0
    chunks: int | None = None
    call: ScriptedCall | None = None
    hold: bool = False
    hold_loading: bool = False
    load_seconds: float | None = None
    loading_state: bool = False
    error_status: int | None = None
    error_body: str | None = None
    error_type: str = "application/json"
    error_rate: float = 1.0
    retry_after: str | None = None
    redirect_to: str | None = None
    redirect_status: int = 307
    drop_at_byte: int | None = None
    drop: Literal["fin", "rst"] = "rst"
    malformed: Malformation | None = None
    gzip: bool = False
    list_version: ListVersion | None = None
    list_status: int = 200
    list_type: str = "application/json"
    list_body: str | None = None
    list_endless: bool = False
    require_key: str | None = None
    max_parallel: int | None = None
    close_after_response: bool = False
    record: bool = True


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A server to simulate; `port` 0 takes a free one and keeps it.

    `max_loaded` is the number of models that fit at the same time (None: the default of the kind). `vram` is
    the GPU memory in bytes that a llama-swap reports (0: none).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    kind: SimulatedKind = "llama-swap"
    models: tuple[SimulatedModel, ...] = ()
    api_key: str | None = None
    list_version: ListVersion = "v2"
    sidecar: bool = False
    port: int = 0
    sidecar_port: int = 0
    control_port: int = 0
    max_loaded: int | None = None
    vram: int = 0
    behaviour: Behaviour = field(default_factory=Behaviour)


_SPECS = TypeAdapter(tuple[ServerSpec, ...])
_BEHAVIOUR = TypeAdapter(Behaviour)


def parse_specs(text: str | bytes) -> tuple[ServerSpec, ...]:
    """Return servers from a JSON list; raises pydantic.ValidationError."""
    return _SPECS.validate_json(text)


def changed(behaviour: Behaviour, changes: Mapping[str, Any]) -> Behaviour:
    """Return the behaviour with `changes` applied; raises pydantic.ValidationError for unknown or invalid
    ones."""
    return _BEHAVIOUR.validate_python({**asdict(behaviour), **changes})
