"""Checks of how a provider is reached: exclusive and ineffective settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fleet_compiler.config.model import FleetConfig, ProviderSettings
from fleet_compiler.diagnostics.finding import Finding, YamlPath
from fleet_runtime.artifacts.provider_access import Wake
from fleet_runtime.text import quote

RESERVED: Final = frozenset(
    (
        *("host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
        *("content-length", "content-type", "accept-encoding", "x-request-id", "proxy-authorization"),
    )
)
"""Headers that the gateway sets itself, or that apply to one connection only."""


def check(fleet: FleetConfig) -> Iterator[Finding]:
    for name, provider in fleet.providers.items():
        if provider.wake is not None:
            yield from _wake(name, provider, provider.wake)
        yield from _headers(name, provider)


def _wake(name: str, provider: ProviderSettings, wake: Wake) -> Iterator[Finding]:
    at: YamlPath = ("providers", name, "wake")
    if provider.class_ == "cloud":
        message = f"provider '{name}' is a cloud, and only a local provider can be woken"
        yield Finding("F220", at, message, "delete 'wake'", key=True)
    elif provider.poll is False:
        message = f"provider '{name}' is never probed, so the gateway would not notice that it woke up"
        yield Finding("F220", at, message, "delete 'poll: false', or 'wake'", key=True)
    for key in ("broadcast", "port"):
        if wake.command is not None and key in wake.model_fields_set:
            message = f"'{key}' has no effect: provider '{name}' is woken by a command"
            yield Finding("F255", (*at, key), message, f"delete '{key}'", "warning", key=True)


def _headers(name: str, provider: ProviderSettings) -> Iterator[Finding]:
    """Check headers: `Authorization` can be set only once, by an API key, `basic_auth` or `headers`."""
    at: YamlPath = ("providers", name)
    key = next((key for key in ("api_key_env", "api_key_file") if getattr(provider, key) is not None), None)
    if provider.basic_auth is not None and key is not None:
        message = f"'basic_auth' and '{key}' of provider '{name}' are both sent as 'Authorization'"
        yield Finding("F221", (*at, "basic_auth"), message, "delete one of the two", key=True)
    seen: dict[str, str] = {}
    for header in provider.headers:
        lowered = header.lower()
        if lowered in RESERVED:
            message = f"{quote(header)} is a header that the gateway sets itself"
            yield Finding("F221", (*at, "headers", header), message, "delete it", key=True)
        elif lowered == "authorization" and (key is not None or provider.basic_auth is not None):
            other = key or "basic_auth"
            message = f"{quote(header)} and '{other}' of provider '{name}' are the same header"
            yield Finding("F221", (*at, "headers", header), message, "delete one of the two", key=True)
        elif lowered in seen:
            message = f"{quote(header)} and {quote(seen[lowered])} are the same header"
            yield Finding("F221", (*at, "headers", header), message, "delete one of the two", key=True)
        seen.setdefault(lowered, header)
