"""opencode.json, the configuration of opencode.

The V1 format as read by opencode 1.18.33 (https://opencode.ai/config.json), where ``provider/model`` is
cut at the first slash: with one provider per machine, opencode's own name of a model is the composite id.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleet_compiler.clients.client import Client, ClientFile, ClientView, Launch
from fleet_compiler.config.model import FleetConfig, ProviderSettings
from fleet_compiler.diagnostics.finding import Finding
from fleet_runtime.artifacts.contract import KeyReference, RoutedModel, RoutedProvider
from fleet_runtime.routing.model_id import CompositeId, split_id
from fleet_runtime.routing.resolver import listed_names

CATALOGUE = frozenset({
    "302ai", "abacus", "aihubmix", "alibaba", "alibaba-cn", "amazon-bedrock", "anthropic", "azure",
    "azure-cognitive-services", "bailing", "baseten", "cerebras", "chutes", "cloudflare-ai-gateway",
    "cloudflare-workers-ai", "cohere", "cortecs", "deepinfra", "deepseek", "fastrouter", "fireworks-ai",
    "github-copilot", "github-models", "gitlab", "google", "google-vertex", "google-vertex-anthropic",
    "groq", "helicone", "huggingface", "iflowcn", "inception", "inference", "io-net", "kimi-for-coding",
    "llama", "lmstudio", "lucidquery", "minimax", "mistral", "modelscope", "moonshotai",
    "moonshotai-cn", "morph", "nebius", "nvidia", "ollama-cloud", "openai", "opencode", "openrouter",
    "ovhcloud", "perplexity", "poe", "requesty", "sap-ai-core", "scaleway", "siliconflow", "stackit",
    "submodel", "synthetic", "togetherai", "upstage", "v0", "venice", "vercel", "vultr", "wandb", "xai",
    "zai", "zai-coding-plan", "zenmux", "zhipuai",
})  # fmt: skip
"""Provider names of opencode's built-in catalogue (models.dev), whose models it mixes in under that name."""
MAX_DEFAULT_OUTPUT = 8192
_ENV_REFERENCE = re.compile(r"\{env:([^{}]+)\}")
USABLE_SOURCES = frozenset({"configured", "running", "listed"})


def context(view: ClientView) -> Mapping[str, Any]:
    disabled = {connection.name for connection in view.gateway.providers if not connection.enabled}
    offered = {
        provider.name: models
        for provider in view.table.providers
        if provider.name not in disabled and (models := _models(provider))
    }
    providers = [
        {"id": provider.name, "label": provider.label, "models": offered[provider.name]}
        for provider in view.table.providers
        if provider.name in offered
    ]
    legacy = _under_old_ids(view, offered)
    if view.legacy_provider is not None and legacy:
        label = f"{view.legacy_provider} (older sessions)"
        providers.append({"id": view.legacy_provider, "label": label, "models": legacy})
    return {
        "base_url": view.base_url,
        "api_key": _api_key(view),
        "exclusive": view.exclusive,
        "model": _first_choice(view, offered, "default"),
        "small_model": _first_choice(view, offered, "task"),
        "providers": providers,
    }


def launch(config: Path, content: bytes) -> Launch:
    """opencode merges the file in ``$OPENCODE_CONFIG`` over the user's own and below that of a project."""
    written = json.loads(content)
    environment = {"OPENCODE_CONFIG": str(config.resolve())}
    if "enabled_providers" in written:
        environment["OPENCODE_DISABLE_MODELS_FETCH"] = "1"
    options = [provider["options"] for provider in written.get("provider", {}).values()]
    keys = {name for each in options for name in _ENV_REFERENCE.findall(each.get("apiKey", ""))}
    return Launch(
        environment, keys=tuple(sorted(keys)), urls=tuple(sorted({each["baseURL"] for each in options}))
    )


def _models(provider: RoutedProvider) -> dict[str, dict[str, Any]]:
    """The provider's chat models, as opencode describes a model; hidden ones are left out."""
    return {
        id: _model(provider, id, facts)
        for id, facts in provider.models.items()
        if not facts.hidden and facts.purpose in (None, "chat")
    }


def _under_old_ids(
    view: ClientView, offered: Mapping[str, Mapping[str, dict[str, Any]]]
) -> dict[str, dict[str, Any]]:
    """What ids stood for that were saved without a machine, or with one behind another name: the default
    provider's models under their bare ids, all under their composite ids, which win as in the router."""
    bare = offered.get(view.table.default_provider, {})
    return {**bare, **{model["id"]: model for models in offered.values() for model in models.values()}}


def _model(provider: RoutedProvider, id: str, facts: RoutedModel) -> dict[str, Any]:
    model: dict[str, Any] = {
        "id": str(CompositeId(provider.name, id)),
        "name": f"{facts.name or id} ({provider.label})",
    }
    limit = _limit(facts)
    if limit:
        model["limit"] = limit
    if facts.tools is not None:
        model["tool_call"] = facts.tools
    if facts.reasoning is not None:
        model["reasoning"] = facts.reasoning
    if facts.input is not None:
        model["attachment"] = any(kind != "text" for kind in facts.input)
        model["modalities"] = {"input": list(facts.input), "output": ["text"]}
    return model


def _limit(facts: RoutedModel) -> dict[str, int] | None:
    """None where the context is not certain: opencode then never compacts. With an output of 0, or of
    the whole context, it would compact forever."""
    if facts.context is None or facts.context_source not in USABLE_SOURCES:
        return None
    output = facts.output
    if output is None or output >= facts.context:
        output = min(MAX_DEFAULT_OUTPUT, facts.context // 4)
    return {"context": facts.context, "output": output} if output else None


def _first_choice(view: ClientView, offered: Mapping[str, Mapping[str, Any]], role: str) -> str | None:
    """The role's first choice under the name that opencode is given for it, if it is given one."""
    candidates = view.table.roles.get(role)
    first = split_id(candidates[0]) if candidates else None
    if first is None:
        return None
    for provider in view.table.providers:
        if provider.name == first.provider:
            model = listed_names(provider).get(first.model, first.model)
            known = model in offered.get(provider.name, {})
            return str(CompositeId(provider.name, model)) if known else None
    return None


def _api_key(view: ClientView) -> str | None:
    """opencode's own reference to the key; the key itself never passes here."""
    if view.key is None:
        return None
    if view.key.env is not None:
        return f"{{env:{view.key.env}}}"
    return f"{{file:{_beside(view, view.key)}}}"


def _beside(view: ClientView, key: KeyReference) -> str:
    """The key's file as seen from the configuration's folder."""
    up = [".."] * view.file.count("/")
    return posixpath.normpath(posixpath.join(*up, view.gateway.root, key.file or ""))


def check(fleet: FleetConfig) -> Iterator[Finding]:
    """Yield the providers whose name means another one to opencode."""
    surfaces = [surface for surface in fleet.surfaces.values() if surface.client == "opencode"]
    for name, provider in fleet.providers.items():
        used = any(surface.may_use(name, provider.class_) for surface in surfaces)
        if used and name in CATALOGUE and not _is_namesake(name, provider):
            yield Finding(
                "F251",
                ("providers", name),
                f"opencode knows a provider '{name}' of its own and may treat this one like that",
                "its list is limited to your models; to be rid of the rest, rename it"
                f" ('{name}' in 'formerly')",
                key=True,
            )


def _is_namesake(name: str, provider: ProviderSettings) -> bool:
    """Whether the provider is the very service that opencode means by the name."""
    return name in (urlsplit(provider.api_base).hostname or "").split(".")


CLIENT = Client(
    "opencode",
    (ClientFile("opencode.json", "opencode.json.j2", context),),
    program="opencode",
    install="`npm install -g opencode-ai`",
    launch=launch,
    about="[opencode](opencode.md): one of its providers for each provider, with the chat models.",
    page="opencode.md",
    check=check,
)
