"""opencode.json, the configuration of opencode.

The V1 format as read by opencode 1.18.33 (https://opencode.ai/config.json), where ``provider/model`` is split
at the first slash: with one opencode provider for each provider, opencode's name of a model is the composite
id.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from fleet_compiler.clients.client_kind import Client, ClientFile, ClientOptions, Launch
from fleet_compiler.clients.view import ClientView, OfferedModel, OwnPrompt
from fleet_compiler.config.model import FleetConfig, ProviderSettings
from fleet_compiler.diagnostics.finding import Finding
from fleet_runtime.artifacts.contract import KeyReference
from fleet_runtime.artifacts.shapes import Shape, reference
from fleet_runtime.routing.old_names import names_used
from fleet_runtime.routing.resolver import lock_view, resolve_model

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
OPENING = OwnPrompt(7600, room=9000)
"""The first request of opencode 1.18.33 in an empty folder, its system prompt and ten tools: 30 679 bytes, 6
700 to 7 500 tokens by tokenizer and chat template. If `limit` leaves less for the prompt, opencode compacts
endlessly."""
_ENV_REFERENCE = re.compile(r"\{env:([^{}]+)\}")

Models = dict[str, dict[str, Any]]
"""Models as opencode describes them, by the id that it uses."""


def context(view: ClientView) -> Mapping[str, Any]:
    offered, labels = _offered(view), _labels(view)
    providers = [{"id": name, "label": labels[name], "models": models} for name, models in offered.items()]
    for old, label in _old_names(view, labels).items():
        models = dict(_models_under(old, view, offered))
        providers += [{"id": old, "label": label, "models": models}] if models else []
    return {
        "base_url": view.base_url,
        "api_key": _api_key(view),
        "exclusive": view.options.exclusive,
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


def _offered(view: ClientView) -> dict[str, Models]:
    """Return the chat models of each provider that opencode can use, under their own ids."""
    offered: dict[str, Models] = {}
    for model in view.offered(OPENING):
        offered.setdefault(model.provider, {})[model.id.partition("/")[2]] = _model(model)
    return offered


def _labels(view: ClientView) -> dict[str, str]:
    """Return the label of each provider, with its name if two have the same."""
    counts = Counter(provider.label for provider in view.table.providers)
    return {
        provider.name: f"{provider.label} ({provider.name})" if counts[provider.label] > 1 else provider.label
        for provider in view.table.providers
    }


def _old_names(view: ClientView, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of providers that older sessions saved ids of: former names, and the legacy one."""
    former = {
        old: f"{labels[name]} (was {old})"
        for old, name in view.table.names.items()
        if old not in (name, view.options.legacy_provider) and name in labels
    }
    legacy = view.options.legacy_provider
    return former | ({legacy: f"{legacy} (older sessions)"} if legacy is not None else {})


def _models_under(
    old: str, view: ClientView, offered: Mapping[str, Models]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the ids that may be saved under the provider `old`, each with its model."""
    table, known = view.table, lock_view(view.table)
    is_known = old in table.names or old in table.namespaces
    keys = list(offered.get(table.names.get(old, table.default_provider), ()))
    if old == view.options.legacy_provider:
        keys += [f"{name}/{id}" for name, models in offered.items() for id in models]
        keys += [f"{former}/{id}" for former, name in table.names.items() for id in offered.get(name, ())]
        keys += [alias.removeprefix(f"{old}/") for alias in table.aliases]
    for key in dict.fromkeys(keys):
        whole = f"{old}/{key}"
        meant = resolve_model(table, known, whole)
        if meant.listed is None and not is_known and whole not in table.aliases:
            meant = resolve_model(table, known, key)
        model = offered.get(meant.provider or "", {}).get(meant.listed or "")
        if model is not None and meant.available:
            is_same = meant.rule == "bare" or key == model["id"]
            is_old = any(names_used(table, whole)) and meant.requested == whole
            sent = {**model, "id": whole} if is_old else model
            yield key, sent if is_same else _renamed(sent, whole if old in table.names else key)


def _renamed(model: dict[str, Any], old: str) -> dict[str, Any]:
    return {**model, "name": f"{model['name']} (was {old})"}


def _model(offered: OfferedModel) -> dict[str, Any]:
    """Return a model, without `limit` if the context is not certain: opencode then never compacts. With an
    output of 0, or of the entire context, it would compact endlessly."""
    facts = offered.facts
    model: dict[str, Any] = {"id": offered.id, "name": offered.label}
    if offered.context is not None:
        model["limit"] = {"context": offered.context, "output": offered.output}
    if facts.tools is not None:
        model["tool_call"] = facts.tools
    if facts.reasoning is not None:
        model["reasoning"] = facts.reasoning
    if facts.input is not None:
        model["attachment"] = any(kind != "text" for kind in facts.input)
        model["modalities"] = {"input": list(facts.input), "output": ["text"]}
    return model


def _first_choice(view: ClientView, offered: Mapping[str, Models], role: str) -> str | None:
    first = view.first_choice(role)
    return str(first) if first is not None and first.model in offered.get(first.provider, {}) else None


def _api_key(view: ClientView) -> str | None:
    """Return opencode's own reference to the key; the key itself is never read here."""
    if view.key is None:
        return None
    if view.key.env is not None:
        return f"{{env:{view.key.env}}}"
    return f"{{file:{_relative_to(view, view.key)}}}"


def _relative_to(view: ClientView, key: KeyReference) -> str:
    """Return the key's file as seen from the configuration's folder."""
    up = [".."] * view.file.count("/")
    return posixpath.normpath(posixpath.join(*up, view.root, key.file or ""))


def check(fleet: FleetConfig) -> Iterator[Finding]:
    """Yield a warning for each provider with the name of an opencode provider."""
    surfaces = [
        surface
        for surface in fleet.surfaces.values()
        if any(client.kind == "opencode" for client in surface.clients)
    ]
    for name, provider in fleet.providers.items():
        used = any(surface.may_use(name, provider.class_) for surface in surfaces)
        if used and name in CATALOGUE and not _is_namesake(name, provider):
            yield Finding(
                "F251",
                ("providers", name),
                f"opencode has a built-in provider '{name}', and may treat this one the same way",
                "its list is limited to your models; to be rid of the rest, rename it"
                f" ('{name}' in 'formerly')",
                severity="warning",
                key=True,
            )


def _is_namesake(name: str, provider: ProviderSettings) -> bool:
    """Return whether the provider is the service that has this name in opencode."""
    return name in (urlsplit(provider.api_base).hostname or "").split(".")


class Options(ClientOptions):
    exclusive: bool = Field(True, examples=[False])
    """Whether opencode is limited to the generated providers. `false` allows other providers too."""
    legacy_provider: Annotated[str | None, Shape(reference("providerName"))] = Field(
        None, examples=["llama-swap"]
    )
    """An additional provider in opencode's configuration, with a name that old sessions saved."""


CLIENT = Client(
    "opencode",
    (ClientFile("opencode.json", "opencode.json.j2", context),),
    program="opencode",
    install="`npm install -g opencode-ai`",
    launch=launch,
    about="[opencode](opencode.md): one of its providers for each provider, with the chat models.",
    page="opencode.md",
    check=check,
    options=Options,
    prompt=OPENING,
    at_top=True,
)
