"""Probe results as text: one line per provider, with a remedy if there is no model list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet_compiler.commands.terminal import detail, note, warn
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import UNSENT, reason_remedy, reason_text
from fleet_runtime.text import count


def show_probe(provider: ProviderConfig, seen: Observation) -> None:
    """Show what a probe found, or why it found nothing, with the remedy."""
    if seen.status != "online":
        warn(f"{provider.name}: {probe_text(seen)}")
        if remedy := probe_remedy(provider, seen):
            note(f"  {remedy}")
    show_models(provider, seen)


def show_models(provider: ProviderConfig, seen: Observation) -> None:
    """As `show_probe`, except a failed probe, which is shown elsewhere."""
    if seen.status == "online":
        note(f"{provider.name}: {seen.kind}, {count(len(seen.models), 'model')}")
        for id, facts in seen.models.items():
            context = f"  {facts.context} tokens ({facts.context_source})" if facts.context else ""
            detail(f"  {provider.name}/{id}{context}")
    for warning in seen.remarks:
        warn(f"{provider.name}: {warning}")


def probe_text(seen: Observation) -> str:
    """Return why a provider gave no model list."""
    return seen.status if seen.reason is None else reason_text(seen.reason)


def probe_remedy(provider: ProviderConfig, seen: Observation) -> str | None:
    """Return what to do about a provider that gave no model list."""
    return None if seen.reason is None else reason_remedy(seen.reason, provider.url)


def located_text(provider: ProviderConfig, seen: Observation) -> str:
    """Return the URL that was probed, and why it gave no model list."""
    unsent = seen.reason is not None and seen.reason.code in UNSENT
    return f"{'no request sent' if unsent else provider.api_base}: {probe_text(seen)}"


def probe_data(name: str, seen: Observation) -> dict[str, Any]:
    """Return what a probe found as JSON data; `models` is null without a model list."""
    return {
        "name": name,
        "status": seen.status,
        "kind": seen.kind,
        "models": len(seen.models) if seen.status == "online" else None,
        "reason": None if seen.reason is None else {"code": seen.reason.code, "message": probe_text(seen)},
        "warnings": list(seen.remarks),
    }


def responded_text(seen: Mapping[str, Observation]) -> str:
    """Return how many of the probed providers gave a model list."""
    online = sum(observation.status == "online" for observation in seen.values())
    return f"{online} of {count(len(seen), 'provider')} responded"
