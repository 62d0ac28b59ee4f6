"""Contexts of loaded models, read from a running gateway.

llama-swap reports a model's context only while the model is loaded, so a single probe rarely sees it, but a
running gateway does. No provider is probed here.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleet_compiler.diagnostics.errors import ProviderSilentError
from fleet_compiler.lock.from_gateway import Contexts
from fleet_runtime.api.shapes import FleetStatus
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.artifacts.shapes import LARGEST
from fleet_runtime.catalog.shapes import ModelCatalog
from fleet_runtime.client import (
    GatewayResponseError,
    GatewayUnreachableError,
    GatewayVersionError,
    open_gateway,
)
from fleet_runtime.text import quote
from fleet_runtime.urls import mask_url


def fetch_contexts(url: str, configs: Iterable[ProviderConfig]) -> Contexts:
    """Return the contexts that the gateway at `url` saw on `configs`, only those at the same address.

    Raises `ProviderSilentError`.
    """
    root = url.rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        with open_gateway(root) as gateway:
            reports = gateway.get("/api/fleet", FleetStatus).providers
            catalog = gateway.get("/api/models", ModelCatalog)
    except GatewayUnreachableError as error:
        raise ProviderSilentError(f"the gateway at {quote(error.url, 100)} {error.reason}") from None
    except GatewayVersionError as error:
        raise ProviderSilentError(error.message) from None
    except GatewayResponseError as error:
        raise ProviderSilentError(
            f"the gateway at {quote(mask_url(root), 100)} rejects the request: {error.message}"
        ) from None
    addresses = {report.name: report.url for report in reports}
    here = {config.name for config in configs if addresses.get(config.name) == config.url}
    return {
        provider.name: {
            model.model: model.context
            for model in provider.models
            if model.context_source == "running" and model.context and 0 < model.context <= LARGEST
        }
        for provider in catalog.providers
        if provider.name in here
    }
