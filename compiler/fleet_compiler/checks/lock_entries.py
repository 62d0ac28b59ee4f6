"""Warnings about entries of fleet.lock with another name or url than their provider. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.finding import Finding
from fleet_compiler.lock.entries import Rename, undeclared_renames
from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.artifacts.polling import is_polled

_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)\Z)[a-z][a-z0-9_-]*\Z")
"""Names that YAML reads as text without quotes."""


def rename_warnings(
    fleet: FleetConfig, providers: Sequence[ProviderConfig], lock: Lock, written: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield a warning for each rename without `formerly`.

    `providers` are those of `fleet`; `lock` is fleet.lock and `written` fleet.yaml as they were read.
    """
    for rename in undeclared_renames(lock, providers):
        message = (
            f"provider '{rename.new}' has the url of '{rename.old}', which was removed from fleet.yaml: "
            f"ids and favorites that begin with '{rename.old}/' no longer resolve"
        )
        remedy = f"if it was renamed, write `{_line(fleet, rename, written)}`"
        path = ("providers", rename.new)
        yield Finding("F309", path, message, remedy, "warning", key=True)


def stale_warnings(providers: Iterable[ProviderConfig], lock: Lock) -> Iterator[Finding]:
    """Yield a warning for each polled provider whose entry in `lock` is stale."""
    for provider in providers:
        entry = lock.providers.get(provider.name)
        if entry is not None and entry.stale is not None and is_polled(provider):
            name = provider.name
            message = f"fleet.lock has provider '{name}' at another url, '{entry.url}'"
            remedy = f"run `fleet lock {name}` while it is online"
            path = ("providers", name, "url")
            yield Finding("F310", path, message, remedy, "warning")


def _line(fleet: FleetConfig, rename: Rename, written: Mapping[str, Any]) -> str:
    """Return the exact line to write in fleet.yaml, in the provider's current notation."""
    names = (*fleet.providers[rename.new].formerly, rename.old)
    formerly = f"formerly: [{', '.join(map(_scalar, names))}]"
    entry = written["providers"][rename.new]
    if isinstance(entry, Mapping):
        return formerly
    return f"{_scalar(rename.new)}: {{url: {json.dumps(str(entry))}, {formerly}}}"


def _scalar(name: str) -> str:
    return name if _PLAIN.match(name) else json.dumps(name)
