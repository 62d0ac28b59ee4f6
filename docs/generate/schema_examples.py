"""One example of each generated file; its values are examples in the JSON Schemas."""

from __future__ import annotations

from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.contract import (
    FLEET_TABLE,
    ClientSettings,
    GatewayConfig,
    KeyReference,
    Limits,
    Manifest,
    ModelFacts,
    PollSettings,
    ProviderConfig,
    RoutedModel,
    RoutedProvider,
    RoutingTable,
    Timeouts,
)
from fleet_runtime.artifacts.gateway_parts import CaptureSettings
from fleet_runtime.artifacts.provider_access import BasicAuth, SecretReference, Sidecar, Wake

LOCK = Lock(
    format=1,
    providers={
        "sam-desktop": LockedProvider(
            url="http://100.101.41.16:8401",
            kind="llama-swap",
            stale="url changed",
            models={
                "qwen3-8b": ModelFacts(
                    name="Qwen3 8B",
                    context=32768,
                    context_source="running",
                    output=8192,
                    input=("text",),
                    tools=True,
                    reasoning=True,
                    purpose="chat",
                    aliases=("qwen3",),
                )
            },
        )
    },
)

DECLARED = RoutedModel(
    name="DeepSeek V3",
    context=131072,
    context_source="configured",
    output=8192,
    input=("text",),
    tools=True,
    reasoning=False,
    purpose="chat",
    aliases=("deepseek-v3",),
    hidden=False,
)

GATEWAY = GatewayConfig(
    format=1,
    root="..",
    listen="127.0.0.1:8400",
    url="https://fleet.example.com",
    hosts=("fleet.local",),
    origins=("https://chat.example.com",),
    keys={
        "laptop": KeyReference(env="FLEET_KEY_LAPTOP", surfaces=("opencode",)),
        "desktop": KeyReference(file="secrets/desktop.key"),
    },
    limits=Limits(body=20_000_000, head=32_768, memory=2_000_000_000, stall=20),
    drain=10,
    state="/var/lib/fleet/state.db",
    captures=CaptureSettings(keep=200, body=1_000_000),
    inventory=PollSettings(interval=5, timeout=1, grace=60),
    surfaces={"boochat": "routing/boochat.json", "opencode": "routing/opencode.json"},
    clients={
        "opencode": (
            ClientSettings(kind="opencode", file="opencode.json", key="laptop", options={"exclusive": False}),
        )
    },
    providers=(
        ProviderConfig(
            name="sam-desktop",
            label="Sam's desktop",
            class_="local",
            kind="llama-swap",
            url="http://100.101.41.16:8401",
            api_base="http://100.101.41.16:8401/v1",
            formerly=("sam-pc",),
            api_key_file="secrets/sam-desktop.key",
            sidecar=Sidecar(url="http://100.101.41.16:8402", paths=("/v1/chat/completions",)),
            include=("qwen3-*",),
            exclude=("*-base",),
            timeouts=Timeouts(connect=2, first_byte=120, idle=60),
            max_concurrency=4,
            poll=60,
            headers={"CF-Access-Client-Secret": SecretReference(env="CF_ACCESS_SECRET", file=None)},
            basic_auth=BasicAuth(user="fleet", password=SecretReference(file="secrets/nas-password")),
            wake=Wake(mac="aa:bb:cc:dd:ee:ff", broadcast="192.168.1.255", port=9, timeout=90, roles=False),
        ),
        ProviderConfig(
            name="deepseek",
            label="DeepSeek",
            class_="cloud",
            kind="openai",
            url="https://api.deepseek.com",
            api_base="https://api.deepseek.com/v1",
            api_key_env="DEEPSEEK_API_KEY",
            declared={"deepseek-chat": DECLARED},
            unlisted="forward",
            poll=False,
            verify=False,
            ca_file="certs/home-ca.pem",
            enabled=False,
        ),
    ),
)

ROUTING = RoutingTable(
    format=1,
    surface="boochat",
    label="BooChat",
    base="/boochat",
    default_provider="sam-desktop",
    legacy="fallback",
    names={"sam-desktop": "sam-desktop", "sam-pc": "sam-desktop", "deepseek": "deepseek"},
    namespaces=("llama-swap",),
    aliases={"deepseek-chat": "deepseek/deepseek-chat"},
    keepalive=15,
    roles={"default": ("sam-desktop/qwen3-8b",), "task": ("deepseek/deepseek-chat", "sam-desktop/qwen3-8b")},
    providers=(
        RoutedProvider(
            name="sam-desktop",
            label="Sam's desktop",
            class_="local",
            models={"qwen3-8b": RoutedModel(context=32768, context_source="running", hidden=True)},
        ),
        RoutedProvider(name="deepseek", label="DeepSeek", class_="cloud", models={"deepseek-chat": DECLARED}),
    ),
)

MANIFEST = Manifest(
    format=1,
    model="75a2f83bc9230cb2aa07239fa2d877854d7d52179573da49252daf2053b598b5",
    lock="de619fb823f1b81589f777753547017708eaefda33737afb02348ccaa3a21af5",
    files={FLEET_TABLE: "894b6ec15480b4b91c992aed6e8469936fe9e9c8c85edb6e1ba29fe424b4d83f"},
)

EXAMPLES: tuple[Artifact, ...] = (LOCK, GATEWAY, ROUTING, MANIFEST)
