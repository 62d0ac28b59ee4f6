"""Writing small fleets for a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import load_fleet
from fleet_compiler.lock.entries import current_entries
from fleet_compiler.lock.lockfile import save_lock
from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_compiler.pipeline import Compiled, compile_fleet
from fleet_runtime.artifacts.contract import ModelFacts, ProviderKind

CHAT = ModelFacts(context=8192, context_source="listed", purpose="chat")


def lock_of(
    url: str, *ids: str, kind: ProviderKind = "llama-swap", known: Mapping[str, ModelFacts] | None = None
) -> LockedProvider:
    """An entry with some models; `known` are those whose facts matter."""
    return LockedProvider(url=url, kind=kind, models=dict.fromkeys(ids, CHAT) | dict(known or {}))


def write_fleet(folder: Path, yaml: str, **entries: LockedProvider) -> Path:
    """fleet.yaml and fleet.lock in `folder`; the path of the former."""
    config = folder / "fleet.yaml"
    config.write_text(dedent(yaml).lstrip(), encoding="utf-8")
    save_lock(folder / "fleet.lock", Lock(providers=entries))
    return config


def compile_text(folder: Path, yaml: str, **entries: LockedProvider) -> Compiled:
    loaded = load_fleet(write_fleet(folder, yaml, **entries))
    lock = current_entries(Lock(providers=entries), resolve_connections(loaded.fleet))
    return compile_fleet(loaded, lock, "..")
