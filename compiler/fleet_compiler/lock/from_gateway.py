"""What a running gateway saw that a single look cannot show: the contexts that models really run with.

A llama-swap says a model's context only while the model is loaded, and a gateway that follows the machine
has seen that. Network like `discover`, with the gateway in the machines' place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import httpx
from pydantic import TypeAdapter, ValidationError

from fleet_compiler.diagnostics.errors import ProviderSilentError
from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts.contract import ModelFacts, ProviderConfig
from fleet_runtime.artifacts.shapes import Tokens
from fleet_runtime.dialects.facts import merge

PATIENCE_SECONDS = 10.0

Contexts: TypeAlias = Mapping[str, Mapping[str, int]]
"""Tokens by model, by provider."""

_TOKENS: TypeAdapter[int] = TypeAdapter(Tokens)


def fetch_contexts(url: str, key: str | None, connections: Iterable[ProviderConfig]) -> Contexts:
    """The contexts that the gateway at `url` saw running on `connections`, those at the same address only.

    `key` opens the gateway where it wants one. Raises `ProviderSilentError`. No machine is asked by it.
    """
    root = url.rstrip("/").removesuffix("/v1").rstrip("/")
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    with httpx.Client(headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        machines = _providers(client, root, "/api/fleet")
        providers = _providers(client, root, "/api/models")
    addresses = {machine.get("name"): machine.get("url") for machine in machines}
    here = {connection.name for connection in connections if addresses.get(connection.name) == connection.url}
    return {
        provider["name"]: _running(provider.get("models"))
        for provider in providers
        if provider.get("name") in here
    }


def merge_contexts(lock: Lock, contexts: Contexts) -> Lock:
    """The lock with `contexts` for the models that it has, but where fleet.yaml or the lock knows better."""
    providers = dict(lock.providers)
    for name, by_model in contexts.items():
        entry = providers.get(name)
        if entry is None:
            continue
        known = {
            id: merge(facts, ModelFacts(context=by_model[id], context_source="running"))
            for id, facts in entry.models.items()
            if id in by_model
        }
        providers[name] = entry.model_copy(update={"models": {**entry.models, **known}})
    return Lock(providers=providers)


def _providers(client: httpx.Client, root: str, path: str) -> list[dict[str, Any]]:
    try:
        answer = client.get(root + path)
        told = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderSilentError(f"the gateway at '{root}' does not answer: {error}") from None
    except ValueError:
        raise ProviderSilentError(f"what answers at '{root}' is not a gateway") from None
    if answer.status_code in (401, 403):
        raise ProviderSilentError(f"the gateway at '{root}' wants a key that opens {path}: set FLEET_KEY")
    providers = told.get("providers") if isinstance(told, dict) else None
    if answer.status_code != 200 or not isinstance(providers, list):
        raise ProviderSilentError(f"what answers at '{root}' is not a gateway (HTTP {answer.status_code})")
    return [provider for provider in providers if isinstance(provider, dict)]


def _running(models: Any) -> dict[str, int]:
    found = {}
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict) and model.get("context_source") == "running":
            try:
                found[str(model.get("model"))] = _TOKENS.validate_python(model.get("context"), strict=True)
            except ValidationError:
                continue
    return found
