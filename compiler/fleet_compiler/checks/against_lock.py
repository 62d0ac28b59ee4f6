"""Warnings that need fleet.lock: valid settings that are probably mistakes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.finding import Finding, YamlPath
from fleet_compiler.diagnostics.text import nearest
from fleet_compiler.emit.tables import Resolved, table_path
from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts.contract import FLEET_TABLE, RoutingTable
from fleet_runtime.routing.resolver import View, admits, lock_view, resolve_model
from fleet_runtime.text import join_names, quote

Roles = Mapping[str, tuple[str, ...]]


def lock_warnings(fleet: FleetConfig, resolved: Resolved) -> list[Finding]:
    """Return the warnings about roles and model ids that need the lock.

    They concern role models that no provider lists, a compaction role with a smaller context than the default
    role, models of the default provider whose bare ids resolve to another provider, and models that are too
    small for a client.
    """
    table = resolved.tables[FLEET_TABLE]
    view = lock_view(table)
    found = [*_slashed_ids(table), *_roles(fleet.roles, ("roles",), table, table, view)]
    for name, surface in fleet.surfaces.items():
        seen_there = resolved.tables[table_path(name)]
        found += _roles(surface.roles, ("surfaces", name, "roles"), seen_there, table, view)
    for kind, client in resolved.clients.values():
        found += CLIENTS[kind].check_models(client)
    return found


def unmatched_globs(fleet: FleetConfig, lock: Lock) -> list[Finding]:
    """Return a warning for each glob of `include` that matches no model of its provider."""
    found = []
    for name, provider in fleet.providers.items():
        entry = lock.providers.get(name)
        ids = sorted(entry.models.keys() | provider.declared.keys()) if entry is not None else []
        for index, glob in enumerate(provider.include if ids else ()):
            if not any(admits(id, (glob,), ()) for id in ids):
                message = f"{quote(glob)} matches no model of provider '{name}' in fleet.lock"
                near = nearest(glob, ids)
                some = join_names(ids, limit=3)
                remedy = f"did you mean {quote(near)}?" if near else f"it lists {some}"
                at = ("providers", name, "include", index)
                found.append(Finding("F308", at, message, remedy, "warning"))
    return found


def _slashed_ids(table: RoutingTable) -> Iterator[Finding]:
    """Yield models whose bare id is read as a composite id of another provider."""
    default = table.default_provider
    models = next(provider.models for provider in table.providers if provider.name == default)
    for id in models:
        head, slash, _ = id.partition("/")
        if slash and table.names.get(head, default) != default:
            yield Finding(
                "F304",
                ("default_provider",),
                f"'{default}' lists '{id}', but as a bare id that means a model of '{table.names[head]}'",
                f"use '{default}/{id}'",
                "warning",
            )


def _roles(
    roles: Roles, at: YamlPath, table: RoutingTable, fleet_table: RoutingTable, view: View
) -> Iterator[Finding]:
    """Yield warnings about the `roles` at the path `at`, which the surface of `table` adds to those of the
    fleet."""
    for role, candidates in roles.items():
        for index, text in enumerate(candidates):
            answer = resolve_model(fleet_table, view, text)
            if answer.refusal is not None and answer.refusal.code == "model_not_found":
                known = ", ".join(f"'{id}'" for id in answer.refusal.suggestions)
                yield Finding(
                    "F302",
                    (*at, role, index),
                    f"role '{role}': {answer.refusal.message}, according to fleet.lock",
                    f"nearest: {known}" if known else "run `fleet lock` if the model is new",
                    "warning",
                )
    if roles.keys() & {"default", "compaction"}:
        default, compaction = (_context(table, view, role) for role in ("default", "compaction"))
        if default is not None and compaction is not None and compaction < default:
            yield Finding(
                "F305",
                (*at, "compaction" if "compaction" in roles else "default"),
                f"role 'compaction' has a context of {compaction} tokens, role 'default' one of {default}",
                "choose a compaction model whose context is at least as large",
                "warning",
            )


def _context(table: RoutingTable, view: View, role: str) -> int | None:
    """Return the context of a role's first choice in tokens, None if unknown."""
    candidates = table.roles.get(role)
    answer = resolve_model(table, view, candidates[0]) if candidates else None
    for provider in table.providers:
        if answer is not None and answer.listed is not None and provider.name == answer.provider:
            return provider.models[answer.listed].context
    return None
