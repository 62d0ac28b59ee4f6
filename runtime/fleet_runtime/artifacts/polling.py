"""Decide which providers are polled and how often, for the gateway and ``fleet lock``. Pure."""

from __future__ import annotations

from fleet_runtime.artifacts.contract import ProviderConfig

CLOUD_INTERVAL = 300.0
"""Seconds between two probes of a cloud service."""


def poll_interval(provider: ProviderConfig, interval: float) -> float | None:
    """Return the seconds between two probes of a provider, None if it is never polled.

    `interval` is the fleet's default. A cloud service whose models
    fleet.yaml declares is not polled.
    """
    if provider.poll is False:
        return None
    if provider.poll is not None:
        return provider.poll
    if provider.class_ == "cloud":
        return None if provider.declared else CLOUD_INTERVAL
    return interval


def is_polled(provider: ProviderConfig) -> bool:
    """Return whether fleet probes a provider regularly."""
    return provider.enabled and poll_interval(provider, 1.0) is not None
