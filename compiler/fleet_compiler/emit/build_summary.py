"""Summarise what a build changes: providers, models, roles and surfaces.

Pure except for reading what the last build wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet_compiler.lock.diff import compare_models, describe_difference
from fleet_runtime.artifacts.contract import FLEET_TABLE, GatewayConfig, RoutingTable
from fleet_runtime.files import MAX_ARTIFACT, read_file
from fleet_runtime.text import count


@dataclass(frozen=True, slots=True)
class SurfaceSummary:
    """A surface in a summary: the names of its providers, and its roles."""

    providers: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Build:
    """One build: the fleet's table and the surfaces by name, in the order of fleet.yaml."""

    fleet: RoutingTable
    surfaces: Mapping[str, SurfaceSummary]

    def reach(self) -> dict[str, list[str]]:
        """Return the surfaces of each provider, including providers that are missing in the fleet's table,
        because a killed build may leave files of two fleets."""
        found: dict[str, list[str]] = {provider.name: [] for provider in self.fleet.providers}
        for name, surface in self.surfaces.items():
            for provider in surface.providers:
                found.setdefault(provider, []).append(name)
        return found


def read_last_build(folder: Path) -> Build | None:
    """Return the build in `folder`; None if a part of it is missing or not an artifact."""
    try:
        gateway = GatewayConfig.model_validate_json(read_file(folder / "gateway.json", MAX_ARTIFACT))
        surfaces = {name: summarize_surface(_table(folder, path)) for name, path in gateway.surfaces.items()}
        return Build(_table(folder, FLEET_TABLE), surfaces)
    except (OSError, ValueError):
        return None


def summarize_surface(table: RoutingTable) -> SurfaceSummary:
    return SurfaceSummary(tuple(provider.name for provider in table.providers), table.roles)


def describe_changes(before: Build | None, after: Build) -> Iterator[str]:
    """Yield a line for each provider, role and surface that changed, and one for each changed model.

    A provider that was renamed, with its old name under `formerly`, is compared under both names.
    """
    old = {provider.name: provider for provider in before.fleet.providers} if before else {}
    new = {provider.name: provider for provider in after.fleet.providers}
    was_on, is_on = before.reach() if before else {}, after.reach()
    renamed: dict[str, str] = {}
    for former, present in after.fleet.names.items():
        if former in old and former not in new and present not in old:
            renamed.setdefault(present, former)
    for name, provider in new.items():
        surfaces = ", ".join(is_on[name]) or "no surface"
        known = renamed.get(name, name)
        if known not in old:
            yield f"+ {name}: {count(len(provider.models), 'model')}, on {surfaces}"
            continue
        if known != name:
            yield f"~ {known} → {name}: renamed"
        difference = compare_models(name, old[known].models, provider.models)
        if difference:
            yield f"~ {name}:"
            yield from (f"    {line}" for line in describe_difference(difference))
        if set(is_on[name]) != set(was_on[known]):
            yield f"~ {name}: now on {surfaces}"
    for name in sorted(old.keys() - new.keys() - set(renamed.values())):
        yield f"- {name}: {count(len(old[name].models), 'model')}"
    if before is not None:
        everywhere = _changed_roles(before.fleet.roles, after.fleet.roles)
        yield from (f"~ role {role}: {words}" for role, words in everywhere.items())
        yield from _surface_changes(before, after, everywhere)


def _changed_roles(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return how each role changed, in words."""
    return {
        role: f"{', '.join(before) or 'none'} → {', '.join(after) or 'none'}"
        for role in sorted(old.keys() | new.keys())
        if (before := old.get(role, ())) != (after := new.get(role, ()))
    }


def _surface_changes(before: Build, after: Build, everywhere: Mapping[str, str]) -> Iterator[str]:
    """Yield the added and removed surfaces, and role changes that differ from those of the fleet."""
    for name, surface in after.surfaces.items():
        if name not in before.surfaces:
            yield f"+ surface {name}: {count(len(surface.providers), 'provider')}"
            continue
        for role, words in _changed_roles(before.surfaces[name].roles, surface.roles).items():
            if everywhere.get(role) != words:
                yield f"~ role {role} on {name}: {words}"
    for name in before.surfaces:
        if name not in after.surfaces:
            yield f"- surface {name}"


def _table(folder: Path, path: str) -> RoutingTable:
    return RoutingTable.model_validate_json(read_file(folder / path, MAX_ARTIFACT))
