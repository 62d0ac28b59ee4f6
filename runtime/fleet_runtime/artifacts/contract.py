"""The artifacts that the compiler writes and the gateway reads, as frozen pydantic models.

generated/gateway.json, generated/routing/<surface>.json and generated/manifest.json. All lengths of time are
seconds, sizes are bytes, contexts and outputs are tokens. A `null` or missing fact means "not known", never
"none". The string under a field is its description in the JSON Schema.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1

ProviderStatus = Literal["unknown", "online", "degraded", "config_error", "offline", "disabled"]
ModelState = Literal["loaded", "loading", "unloaded", "unknown"]
Rule = Literal["role", "alias", "provider", "bare"]
Via = Literal["direct", "sidecar"]
ProviderClass = Literal["local", "cloud"]
ProviderKind = Literal["auto", "llama-swap", "llama-server", "ollama", "vllm", "lmstudio", "openai"]
ContextSource = Literal["configured", "running", "listed", "trained"]
Purpose = Literal["chat", "embedding", "rerank", "transcription", "speech", "image"]
InputKind = Literal["text", "image", "audio", "video", "pdf"]
Legacy = Literal["fallback", "strict"]

Tokens = Annotated[int, Field(gt=0, le=2**53 - 1)]
Seconds = Annotated[float, Field(ge=0.05)]

FLEET_TABLE = "routing/_fleet.json"
"""The routing table of ``/v1`` and ``/providers/<name>``: every provider, the fleet's own roles."""


class Artifact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class ModelFacts(Artifact):
    """What is known of one model; every field may be unknown."""

    name: str | None = None
    """The name that people see; without one, the id."""
    context: Tokens | None = None
    """Size of the context window in tokens."""
    context_source: ContextSource | None = None
    """Where `context` is known from, best first: fleet.yaml, the running server, its list, or the model's own
    file, which is only an upper bound."""
    output: Tokens | None = None
    """The most tokens of one answer."""
    input: tuple[InputKind, ...] | None = None
    """What the model can be given."""
    tools: bool | None = None
    """Whether the model can call tools."""
    reasoning: bool | None = None
    """Whether the model thinks before it answers."""
    purpose: Purpose | None = None
    """What the model is for."""
    aliases: tuple[str, ...] = ()
    """Other ids under which the machine itself takes requests for this model."""


class RoutedModel(ModelFacts):
    """A model as a surface may use it; a hidden one is routable and not listed."""

    hidden: bool = False
    """Whether lists leave the model out; requests reach it all the same."""


class RoutedProvider(Artifact):
    """A machine on a surface, with what it lists (lock and fleet.yaml merged), sorted by id."""

    name: str
    """The provider's name; the part of a composite id before its first slash."""
    label: str
    """The name that people see."""
    class_: ProviderClass = Field(alias="class")
    """`local`: one's own machine. `cloud`: a paid service; no request goes to it unless an id or a role names
    it."""
    models: dict[str, RoutedModel]
    """What it offers, by the machine's own ids."""


class RoutingTable(Artifact):
    """generated/routing/<surface>.json: all that resolving a model on one surface needs."""

    format: Literal[1] = 1
    """The version of this format."""
    surface: str | None = None
    """The surface's name; null in the fleet's own table."""
    label: str
    """The name that people see."""
    base: str
    """What stands before `/v1` in the surface's paths; empty in the fleet's own table."""
    default_provider: str
    """The provider that bare ids belong to."""
    legacy: Legacy
    """Whether a bare id that the default provider does not list falls back to the role `default`."""
    names: dict[str, str]
    """Every name and former name of every provider of the fleet, and its present name."""
    namespaces: tuple[str, ...]
    """Prefixes, without their slash, that are taken off an id."""
    aliases: dict[str, str]
    """Exact old ids, and the composite id that each means now."""
    roles: dict[str, tuple[str, ...]]
    """What `@name` means: composite ids, first choice first."""
    providers: tuple[RoutedProvider, ...]
    """The providers that the surface may use, in the order of fleet.yaml."""


class Timeouts(Artifact):
    """Limits of one request in seconds; there is none on its total time."""

    connect: Seconds = 5
    """Seconds until the connection stands."""
    first_byte: Seconds = 600
    """Seconds until the first byte of the answer; loading a model counts."""
    idle: Seconds = 300
    """Seconds between two pieces of an answer."""


class Sidecar(Artifact):
    """A second server of the same machine that stands before it."""

    url: str
    """The root of the sidecar."""
    paths: tuple[str, ...] = ("/v1/chat/completions", "/v1/completions")
    """The paths, below that root, that go through it."""


class ProviderConfig(Artifact):
    """How the gateway reaches one provider. Files are relative to the gateway's `root`."""

    name: str
    """The provider's name."""
    label: str
    """The name that people see."""
    class_: ProviderClass = Field(alias="class")
    """`local`: one's own machine. `cloud`: a paid service; no request goes to it unless an id or a role names
    it."""
    kind: ProviderKind
    """The software that answers; `auto` is recognised from its answers."""
    url: str
    """The server's root."""
    api_base: str
    """The prefix of its OpenAI API, mostly `<url>/v1`."""
    formerly: tuple[str, ...] = ()
    """Former names, honoured in ids and favorites."""
    api_key_env: str | None = None
    """The environment variable that holds the provider's key."""
    api_key_file: str | None = None
    """The file that holds the provider's key, relative to `root`."""
    sidecar: Sidecar | None = None
    """What chat and completions of this machine go through."""
    declared: dict[str, RoutedModel] = {}
    """The models of fleet.yaml, by id; they count as listed."""
    include: tuple[str, ...] = ()
    """Globs; if there are any, only ids that match one of them are offered."""
    exclude: tuple[str, ...] = ()
    """Globs; ids that match one of them are refused."""
    unlisted: Literal["refuse", "forward"] = "refuse"
    """What is done with ids that the machine does not list."""
    timeouts: Timeouts = Timeouts()
    """Limits of one request."""
    max_concurrency: Annotated[int, Field(gt=0)] | None = None
    """The most requests that the machine gets at a time; null for no limit."""
    poll: Seconds | Literal[False] | None = None
    """Seconds between looks at it. False: never. Null: the fleet's interval; 300 for a cloud; never for a
    cloud with declared models."""
    verify: bool = True
    """Whether the certificate of an https URL is checked."""
    ca_file: str | None = None
    """The certificate authority of the machine's certificate, a file relative to `root`."""
    enabled: bool = True
    """Whether requests are sent to it."""


class KeyReference(Artifact):
    """Where one of the gateway's own keys is read from."""

    env: str | None = None
    """The environment variable that holds the key."""
    file: str | None = None
    """The file that holds the key, relative to `root`."""
    surfaces: tuple[str, ...] | None = None
    """The only surfaces that the key opens; null for all."""


class Limits(Artifact):
    """Sizes of what a client may send, in bytes."""

    body: Annotated[int, Field(gt=0)] = 100_000_000
    """The largest body of a request, in bytes."""
    head: Annotated[int, Field(gt=0)] = 65_536
    """The largest head of a request, in bytes."""


class PollSettings(Artifact):
    """How often machines are looked at, in seconds."""

    interval: Seconds = 10
    """Seconds between two looks at a machine."""
    timeout: Seconds = 2
    """Seconds that one look may take."""
    grace: Annotated[float, Field(ge=0)] = 30
    """Seconds that a machine's last list is kept after it fell silent."""


class GatewayConfig(Artifact):
    """generated/gateway.json: where the gateway listens, and how it reaches each machine."""

    format: Literal[1] = 1
    """The version of this format."""
    root: str = ".."
    """The folder of fleet.yaml, from the generated folder."""
    listen: str
    """The host and port that the gateway listens on."""
    url: str
    """The address that clients are told."""
    hosts: tuple[str, ...] = ()
    """Host names that requests may use beside those of `listen` and `url`."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may call the gateway (CORS)."""
    keys: dict[str, KeyReference] = {}
    """The keys that open the gateway, by name; without any it is open to whoever reaches it."""
    limits: Limits = Limits()
    """Sizes of what a client may send."""
    drain: Annotated[float, Field(ge=0)] = 30
    """Seconds that requests get to finish when the gateway stops."""
    state: str | None = None
    """The SQLite file of favorites and history, relative to `root`; null for the usual place."""
    inventory: PollSettings = PollSettings()
    """How often machines are looked at."""
    surfaces: dict[str, str]
    """Each surface's routing table, a path inside the generated folder."""
    providers: tuple[ProviderConfig, ...]
    """Every provider, in the order of fleet.yaml."""


class Manifest(Artifact):
    """generated/manifest.json: what the other files were made from, and their hashes (sha256, hex)."""

    format: Literal[1] = 1
    """The version of this format."""
    model: str
    """The sha256 of the canonical JSON of the validated fleet.yaml."""
    lock: str
    """The sha256 of the canonical JSON of fleet.lock."""
    files: dict[str, str]
    """The sha256 of the bytes of every other generated file, by its path."""


def canonical_json(value: Any) -> bytes:
    """One JSON text for equal values: sorted keys, no white space, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def to_data(artifact: Artifact) -> dict[str, Any]:
    """The artifact as plain JSON data, facts that are not known left out."""
    return artifact.model_dump(mode="json", by_alias=True, exclude_none=True)
