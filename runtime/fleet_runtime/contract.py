"""The artifacts that the compiler writes and the gateway reads, as frozen pydantic models.

fleet.lock, generated/gateway.json, generated/routing/<surface>.json and generated/manifest.json. All
lengths of time are seconds, sizes are bytes, contexts and outputs are tokens. A `null` or missing fact
means "not known", never "none".
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1

Status = Literal["unknown", "online", "degraded", "config_error", "offline", "disabled"]
State = Literal["loaded", "loading", "unloaded", "unknown"]
Rule = Literal["role", "alias", "provider", "bare"]
Via = Literal["direct", "sidecar"]
ProviderClass = Literal["local", "cloud"]
Kind = Literal["auto", "llama-swap", "llama-server", "ollama", "vllm", "lmstudio", "openai"]
ContextSource = Literal["configured", "running", "listed", "trained"]
Purpose = Literal["chat", "embedding", "rerank", "transcription", "speech", "image"]
InputKind = Literal["text", "image", "audio", "video", "pdf"]
Legacy = Literal["fallback", "strict"]

Tokens = Annotated[int, Field(gt=0, le=2**53 - 1)]
Seconds = Annotated[float, Field(gt=0)]

FLEET_TABLE = "routing/_fleet.json"
"""The routing table of ``/v1`` and ``/providers/<name>``: every provider, the fleet's own roles."""


class Artifact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class ModelFacts(Artifact):
    """What is known of one model; every field may be unknown."""

    name: str | None = None
    context: Tokens | None = None
    context_source: ContextSource | None = None
    output: Tokens | None = None
    input: tuple[InputKind, ...] | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    purpose: Purpose | None = None
    aliases: tuple[str, ...] = ()


class RoutedModel(ModelFacts):
    """A model as a surface may use it; a hidden one is routable and not listed."""

    hidden: bool = False


class LockedProvider(Artifact):
    """What one machine served at `url` when it was last asked."""

    url: str
    kind: Kind
    models: dict[str, ModelFacts]


class Lock(Artifact):
    """fleet.lock."""

    format: Literal[1] = 1
    providers: dict[str, LockedProvider] = {}


class RoutedProvider(Artifact):
    """A machine on a surface, with what it lists (lock and fleet.yaml merged), sorted by id."""

    name: str
    label: str
    class_: ProviderClass = Field(alias="class")
    models: dict[str, RoutedModel]


class RoutingTable(Artifact):
    """generated/routing/<surface>.json: all that resolving a model on one surface needs.

    `surface` is null and `base` empty in the table of ``/v1``. `names` maps every provider's name and
    former name, of the whole fleet, to its present name; `providers` holds those that this surface may
    use, in the order of fleet.yaml. A role is an ordered list of composite ids, first choice first.
    """

    format: Literal[1] = 1
    surface: str | None = None
    label: str
    base: str
    default_provider: str
    legacy: Legacy
    names: dict[str, str]
    namespaces: tuple[str, ...]
    aliases: dict[str, str]
    roles: dict[str, tuple[str, ...]]
    providers: tuple[RoutedProvider, ...]


class Timeouts(Artifact):
    connect: Seconds = 5
    first_byte: Seconds = 600
    idle: Seconds = 300


class Sidecar(Artifact):
    """A second server of the same machine that stands before it for `paths` (below its root)."""

    url: str
    paths: tuple[str, ...] = ("/v1/chat/completions", "/v1/completions")


class Connection(Artifact):
    """How the gateway reaches one provider.

    `url` is the server's root, `api_base` the prefix of its OpenAI API (mostly ``<url>/v1``). `declared`
    are the models of fleet.yaml; `poll` is the seconds between looks, False for never, null for the
    rule (the fleet's interval; 300 s for a cloud; never for a cloud with declared models). Files are
    relative to `Gateway.root`.
    """

    name: str
    label: str
    class_: ProviderClass = Field(alias="class")
    kind: Kind
    url: str
    api_base: str
    formerly: tuple[str, ...] = ()
    api_key_env: str | None = None
    api_key_file: str | None = None
    sidecar: Sidecar | None = None
    declared: dict[str, RoutedModel] = {}
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    unlisted: Literal["refuse", "forward"] = "refuse"
    timeouts: Timeouts = Timeouts()
    max_concurrency: Annotated[int, Field(gt=0)] | None = None
    poll: Seconds | Literal[False] | None = None
    verify: bool = True
    ca_file: str | None = None
    enabled: bool = True


class KeyReference(Artifact):
    """Where one of the gateway's own keys is read from, and the surfaces it opens (null: all)."""

    env: str | None = None
    file: str | None = None
    surfaces: tuple[str, ...] | None = None


class Limits(Artifact):
    body: Annotated[int, Field(gt=0)] = 100_000_000
    head: Annotated[int, Field(gt=0)] = 65_536


class Inventory(Artifact):
    interval: Seconds = 10
    timeout: Seconds = 2
    grace: Annotated[float, Field(ge=0)] = 30


class Gateway(Artifact):
    """generated/gateway.json. `root` leads from the generated folder to the folder of fleet.yaml;
    `surfaces` maps each surface to its routing table, a path inside the generated folder."""

    format: Literal[1] = 1
    root: str = ".."
    listen: str
    url: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    keys: dict[str, KeyReference] = {}
    limits: Limits = Limits()
    drain: Annotated[float, Field(ge=0)] = 30
    state: str | None = None
    inventory: Inventory = Inventory()
    surfaces: dict[str, str]
    providers: tuple[Connection, ...]


class Manifest(Artifact):
    """generated/manifest.json: sha256 (hex) of the canonical JSON of the validated model and of the
    lock, and of the bytes of every other generated file."""

    format: Literal[1] = 1
    model: str
    lock: str
    files: dict[str, str]


def canonical(value: Any) -> bytes:
    """One JSON text for equal values: sorted keys, no white space, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def as_data(artifact: Artifact) -> dict[str, Any]:
    """The artifact as plain JSON data, facts that are not known left out."""
    return artifact.model_dump(mode="json", by_alias=True, exclude_none=True)
