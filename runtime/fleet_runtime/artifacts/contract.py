"""The artifacts that the compiler writes and the gateway reads, as frozen pydantic models.

generated/gateway.json, generated/routing/<surface>.json and generated/manifest.json. All durations are
seconds, sizes are bytes, contexts and outputs are tokens. A `null` or missing fact means "not known", never
"none".

Settings that are in both fleet.yaml and gateway.json (`ProviderOptions`, `GatewayOptions` and their parts)
are declared here once. The schema of fleet.yaml and its page are generated from each field's type, default,
examples and the text under it; fleet.yaml is parsed into these models, and gateway.json is their dump.

A configuration that is valid here can be served: addresses that the gateway could not use are errors.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.gateway_parts import CaptureSettings, DatabaseState
from fleet_runtime.artifacts.gateway_parts import Limits as Limits
from fleet_runtime.artifacts.provider_access import BasicAuth, SecretReference, Sidecar, Wake
from fleet_runtime.artifacts.shapes import (
    HEADERS,
    KEYS,
    MODELS,
    NOT_EMPTY,
    SIDECAR,
    STATE,
    Concurrency,
    Drain,
    FileName,
    FormerName,
    Glob,
    Grace,
    Host,
    Label,
    Listen,
    ModelName,
    Origin,
    PollSeconds,
    Seconds,
    Shape,
    StatePath,
    SurfaceReference,
    Tokens,
    Url,
    Variable,
    reference,
)
from fleet_runtime.urls import AddressError, parse_host, parse_url, split_address

FORMAT = 1

ProviderStatus = Literal["unknown", "online", "degraded", "config_error", "offline", "waking", "disabled"]
ModelState = Literal["loaded", "loading", "unloaded", "unknown"]
Rule = Literal["role", "alias", "provider", "bare"]
Via = Literal["direct", "sidecar"]
ProviderClass = Literal["local", "cloud"]
ProviderKind = Literal["auto", "llama-swap", "llama-server", "ollama", "vllm", "lmstudio", "openai"]
ContextSource = Literal["configured", "running", "listed", "trained"]
Purpose = Literal["chat", "embedding", "rerank", "transcription", "speech", "image"]
InputKind = Literal["text", "image", "audio", "video", "pdf"]
Legacy = Literal["fallback", "strict"]

_INPUT = {"description": "A kind of input.", "enum": list(get_args(InputKind)), "examples": ["image"]}

FLEET_TABLE = "routing/_fleet.json"
"""The routing table of ``/v1`` and ``/providers/<name>``: every provider, the fleet's own roles."""


class ModelFacts(Artifact):
    """The known facts of one model; every field may be unknown."""

    name: ModelName | None = Field(None, examples=["DeepSeek V3"])
    """The display name. Default: the id."""
    context: Tokens | None = Field(None, examples=[131072])
    """Size of the context window in tokens."""
    context_source: ContextSource | None = None
    """Where `context` is known from, best first: fleet.yaml, the running server, its model list, or the
    model's own file, which is only an upper bound."""
    output: Tokens | None = Field(None, examples=[8192])
    """The maximum number of tokens in a response; less than `context`."""
    input: Annotated[tuple[Annotated[InputKind, Shape(_INPUT)], ...], NOT_EMPTY] | None = Field(
        None, examples=[["text", "image"]]
    )
    """What the model accepts as input."""
    tools: bool | None = Field(None, examples=[True])
    """Whether the model can call tools."""
    reasoning: bool | None = Field(None, examples=[True])
    """Whether the model reasons before it responds."""
    purpose: Purpose | None = Field(None, examples=["embedding"])
    """The purpose of the model. Coding clients get only `chat` models."""
    aliases: tuple[str, ...] = ()
    """Other ids under which the provider itself accepts requests for this model."""


class RoutedModel(ModelFacts):
    """A model as a surface may use it; a hidden one is routable and not listed."""

    hidden: bool = Field(False, examples=[True])
    """`true`: requests work, but lists leave it out."""


class RoutedProvider(Artifact):
    """A provider on a surface, with its models (lock and fleet.yaml merged), sorted by id."""

    name: str
    """The provider's name; the part of a composite id before its first slash."""
    label: str
    """The display name."""
    class_: ProviderClass = Field(alias="class")
    """`local`: your own hardware. `cloud`: a paid service; it gets requests only if an id or a role names
    it."""
    models: dict[str, RoutedModel]
    """The models that it offers, by its own ids."""


class RoutingTable(Artifact):
    """generated/routing/<surface>.json: everything that resolving a model on one surface needs."""

    format: Literal[1] = 1
    """The version of this format."""
    surface: str | None = None
    """The surface's name; null in the fleet's own table."""
    label: str
    """The display name."""
    base: str
    """The prefix of the surface's paths, before `/v1`; empty in the fleet's own table."""
    default_provider: str
    """The provider that bare ids belong to."""
    legacy: Legacy
    """Whether a bare id that the default provider does not list falls back to the role `default`."""
    names: dict[str, str]
    """Maps every name and former name of every provider of the fleet to its current name."""
    namespaces: tuple[str, ...]
    """Prefixes, without their slash, that are removed from an id."""
    aliases: dict[str, str]
    """Maps exact old ids to composite ids."""
    roles: dict[str, tuple[str, ...]]
    """Maps the name of each role to composite ids, first choice first."""
    keepalive: Seconds | None = Field(None, examples=[15])
    """Seconds without response headers until a streamed request gets a comment, and between two of them."""
    providers: tuple[RoutedProvider, ...]
    """The providers that the surface may use, in the order of fleet.yaml."""


class Timeouts(Artifact):
    """Limits of one request, in seconds. The total time is not limited."""

    connect: Seconds = Field(5, examples=[2])
    """Time limit for connecting, in seconds."""
    first_byte: Seconds = Field(600, examples=[120])
    """Time limit until the first byte of the response, in seconds, including the loading of a model."""
    idle: Seconds = Field(300, examples=[60])
    """Time limit between two chunks of a response, in seconds."""


class Named(Artifact):
    name: str
    """The provider's name."""


class ProviderOptions(Artifact):
    """The settings of one provider in fleet.yaml. Files are relative to fleet.yaml."""

    label: Label = Field(examples=["Sam's desktop"])
    """The display name. Default: the provider's name."""
    class_: Annotated[ProviderClass, Shape(reference("class"))] = Field("local", alias="class")
    """`local`: your own hardware. `cloud`: a paid service; it gets requests only if an id or a role names
    it."""
    kind: ProviderKind = Field("auto", examples=["llama-swap"])
    """The server software. `auto` detects it."""
    url: Url
    """The root URL of the server. A trailing `/v1` is dropped."""
    api_base: Url = Field(examples=["https://api.example.com/openai/v3"])
    """The URL of the OpenAI API, instead of `url`, if its path is not `/v1`."""
    formerly: tuple[FormerName, ...] = Field((), examples=[["sam-pc"]])
    """Former names of this provider, still valid in model ids and favorites."""
    api_key_env: Variable | None = Field(None, examples=["DEEPSEEK_API_KEY"])
    """Environment variable from which the gateway reads this provider's key. While it is not set, the
    provider is disabled."""
    api_key_file: FileName | None = Field(None, examples=["secrets/deepseek.key"])
    """File from which the gateway reads this provider's key, relative to fleet.yaml."""
    headers: Annotated[dict[str, SecretReference], Shape(HEADERS)] = Field(
        {}, examples=[{"CF-Access-Client-Secret": {"env": "CF_ACCESS_SECRET"}}]
    )
    """Headers to send to the provider with every request: by name, where the value is read from."""
    basic_auth: Annotated[BasicAuth | None, Shape(reference("basicAuth"))] = Field(
        None, examples=[{"user": "fleet", "password": {"file": "secrets/nas-password"}}]
    )
    """User and password for HTTP Basic, instead of an API key."""
    sidecar: Annotated[Sidecar | None, Shape(SIDECAR)] = Field(None, examples=["http://100.101.41.16:8402"])
    """A second server on the same host that chat and completions go through: its URL, or `{url, paths}`."""
    declared: Annotated[dict[str, RoutedModel], Shape(MODELS)] = Field(
        {}, examples=[["qwen3-8b"], {"deepseek-chat": {"context": 131072, "output": 8192}}]
    )
    """Models of this provider: a list of ids, or a mapping from id to facts. They count as listed by the
    provider."""
    include: tuple[Glob, ...] = Field((), examples=[["qwen3-*"]])
    """Globs. If set, only models whose id matches one of them are offered."""
    exclude: tuple[Glob, ...] = Field((), examples=[["*-base"]])
    """Globs. Models whose id matches one of them are not listed, and requests for them are rejected."""
    unlisted: Literal["refuse", "forward"] = Field("refuse", examples=["forward"])
    """What to do with ids that the provider does not list: `refuse` (404) or `forward`."""
    timeouts: Annotated[Timeouts, Shape(reference("timeouts"))] = Timeouts.model_construct()
    """Limits of one request, in seconds. The total time is not limited."""
    max_concurrency: Concurrency | None = Field(None, examples=[4])
    """The maximum number of requests at a time. Default: no limit."""
    poll: PollSeconds | None = Field(None, examples=[60, False])
    """Seconds between probes of this provider, or `false`: never probed, its declared models are its list.
    Default: the interval of `inventory`; 300 for a cloud; never for a cloud with declared models."""
    wake: Annotated[Wake | None, Shape(reference("wake"))] = Field(None, examples=[{"command": "wake.sh"}])
    """How to wake this provider if a request needs it and it does not respond. Default: never."""
    verify: bool = Field(True, examples=[False])
    """Whether the certificate of an https URL is checked."""
    ca_file: FileName | None = Field(None, examples=["certs/home-ca.pem"])
    """File with the certificate authority that signed this provider's certificate, relative to fleet.yaml."""
    enabled: bool = Field(True, examples=[False])
    """`false` disables the provider without removing it."""


class ProviderConfig(ProviderOptions, Named):
    """How the gateway reaches one provider. Files are relative to the gateway's `root`."""

    @model_validator(mode="after")
    def _can_be_connected_to(self) -> Self:
        sidecar = () if self.sidecar is None else (self.sidecar.url,)
        for url in (self.url, self.api_base, *sidecar):
            if parse_url(url).has_credentials:
                raise AddressError("URL has credentials", "delete them")
        return self


class KeyReference(Artifact):
    """Where one of the gateway's own keys is read from."""

    env: Variable | None = Field(None, examples=["FLEET_KEY_LAPTOP"])
    """Environment variable from which the gateway reads the key."""
    file: FileName | None = Field(None, examples=["secrets/laptop.key"])
    """File from which the gateway reads the key, relative to fleet.yaml."""
    surfaces: Annotated[tuple[SurfaceReference, ...], NOT_EMPTY] | None = Field(None, examples=[["opencode"]])
    """The surfaces that the key may use. Default: all."""


class PollSettings(Artifact):
    """How often providers are probed, in seconds."""

    interval: Seconds = Field(10, examples=[5])
    """Seconds between two probes of a provider."""
    timeout: Seconds = Field(2, examples=[1])
    """Time limit of one probe, in seconds."""
    grace: Grace = Field(30, examples=[60])
    """Seconds until a provider that stopped responding is offline; its last model list is kept that long."""


class GeneratedConfig(Artifact):
    format: Literal[1] = 1
    """The version of this format."""
    root: str = ".."
    """The folder of fleet.yaml, from the generated folder."""


class GatewayOptions(Artifact):
    """The settings of the gateway in fleet.yaml."""

    listen: Listen = Field("127.0.0.1:8400", examples=["127.0.0.1:8400"])
    """Host and port that the gateway listens on."""
    url: Url = Field(examples=["http://fleet.local:8400"])
    """The gateway's URL for clients. Default: http and the `listen` address."""
    hosts: tuple[Host, ...] = Field((), examples=[["fleet.local"]])
    """Host names that requests may use in addition to those of `listen` and `url`."""
    origins: tuple[Origin, ...] = Field((), examples=[["https://chat.example.com"]])
    """Origins of web pages that may call the gateway (CORS)."""
    keys: Annotated[dict[str, KeyReference], Shape(KEYS)] = Field(
        {}, examples=[{"laptop": {"env": "FLEET_KEY_LAPTOP"}}]
    )
    """Keys for the gateway, by name. Without keys, anyone who can reach the gateway may use it."""
    limits: Limits = Field(Limits.model_construct(), examples=[{"body": "20MB"}])
    """Limits on what a client may send."""
    drain: Drain = Field(30, validate_default=True, examples=[10])
    """Seconds for requests in flight to finish when the gateway stops."""
    not_ready: Drain = Field(0, validate_default=True, examples=[5])
    """Seconds of 503 on `/ready` before the gateway stops listening, so that a load balancer stops using
    it."""
    state: Annotated[StatePath | DatabaseState | None, Shape(STATE)] = Field(
        None, examples=["/var/lib/fleet/state.db", {"postgres": {"env": "FLEET_STATE_URL"}}]
    )
    """Where favorites and history are stored: a SQLite file, relative to fleet.yaml, or a PostgreSQL database
    that several gateways share. Default: `$STATE_DIRECTORY/state.db`, or a file in the user's state
    folder."""
    captures: Annotated[CaptureSettings | None, Shape(reference("captures"))] = Field(
        None, examples=[{"keep": 50}]
    )
    """Keep the last requests and responses in memory, including prompts. Default: off."""


class ClientSettings(Artifact):
    """One client of a surface: a kind of program whose configuration was written for it."""

    kind: str
    """The kind of client, such as `opencode`."""
    file: str
    """Its main file, a path inside the generated folder."""
    key: str | None = None
    """The key of `keys` that it refers to; null if the gateway needs none, or none fits."""
    options: dict[str, Any] = Field({})
    """The options of the kind in fleet.yaml."""


class GatewayConfig(GatewayOptions, GeneratedConfig):
    """generated/gateway.json: where the gateway listens, and how it reaches each provider."""

    inventory: PollSettings = PollSettings.model_construct()
    """How often providers are probed."""
    surfaces: dict[str, str]
    """Each surface's routing table, a path inside the generated folder."""
    clients: dict[str, tuple[ClientSettings, ...]] = Field({})
    """The clients of each surface that has any."""
    providers: tuple[ProviderConfig, ...]
    """Every provider, in the order of fleet.yaml."""

    @model_validator(mode="after")
    def _can_be_served(self) -> Self:
        split_address(self.listen)
        parse_url(self.url)
        for host in self.hosts:
            parse_host(host)
        return self


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


def to_data(artifact: Artifact) -> dict[str, Any]:
    """Return the artifact as plain JSON data, without unknown facts."""
    return artifact.model_dump(mode="json", by_alias=True, exclude_none=True)
