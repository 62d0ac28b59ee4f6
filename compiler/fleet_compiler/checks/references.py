"""Checks of references: providers, former names, namespaces, aliases, roles, surfaces, keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from fleet_compiler.config.model import FleetConfig, SurfaceSettings
from fleet_compiler.diagnostics.finding import Finding, RelatedPart, YamlPath
from fleet_compiler.diagnostics.text import nearest
from fleet_runtime.routing.model_id import (
    PROVIDER_NAME,
    model_id_problem,
    model_id_remedy,
    split_id,
    without_namespace,
)
from fleet_runtime.text import join_names, quote, shorten

_AS_LISTED = "write the id as the provider lists it"


def check(fleet: FleetConfig, written: Mapping[str, Any]) -> Iterator[Finding]:
    names = _names(fleet, written)
    yield from _default_provider(names, fleet)
    yield from _former_names(fleet)
    yield from _namespaces(names, fleet)
    yield from _aliases(names, fleet)
    yield from _roles(names, fleet)
    for name, surface in fleet.surfaces.items():
        yield from _surface(names, fleet, name, surface)
        yield from _surface_key(fleet, name, surface, _names_in(written, "gateway", "keys"))
    yield from _keys(fleet, _names_in(written, "surfaces"))
    yield from _models(fleet)


class _Names(msgspec.Struct, frozen=True):
    """Every name that can precede a slash: `present` has the current names, `all` also the former ones;
    `former` maps these to current ones."""

    present: frozenset[str]
    all: frozenset[str]
    former: Mapping[str, str]

    def remedy(self, name: str, also: str = "") -> str:
        if name in self.former:
            return f"that is a former name; write '{self.former[name]}'"
        known = sorted(filter(PROVIDER_NAME.match, self.present))
        near = nearest(name, known)
        return f"did you mean '{near}'?" if near else f"known: {join_names(known)}{also}"


def _names(fleet: FleetConfig, written: Mapping[str, Any]) -> _Names:
    present = fleet.providers.keys() | _names_in(written, "providers")
    former = {old: name for name, provider in fleet.providers.items() for old in provider.formerly}
    return _Names(frozenset(present), frozenset(present | former.keys()), former)


def _names_in(written: Mapping[str, Any], *path: str) -> set[str]:
    """Return the keys of the mapping at `path`, including invalid entries that are not in the fleet."""
    value: Any = written
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return set(value) if isinstance(value, dict) else set()


def _default_provider(names: _Names, fleet: FleetConfig) -> Iterator[Finding]:
    name = fleet.default_provider
    if name not in names.present:
        message = f"default_provider refers to unknown provider {quote(name)}"
        yield Finding("F201", ("default_provider",), message, names.remedy(name))


def _former_names(fleet: FleetConfig) -> Iterator[Finding]:
    taken: dict[str, YamlPath] = {name: ("providers", name) for name in fleet.providers}
    for provider, settings in fleet.providers.items():
        for index, former in enumerate(settings.formerly):
            at: YamlPath = ("providers", provider, "formerly", index)
            if former not in taken:
                taken[former] = at
                continue
            message = f"former name {quote(former)} is taken"
            related = RelatedPart(taken[former], "taken here", key=len(taken[former]) == 2)
            remedy = "delete it"
            if taken[former][:2] != at[:2]:
                remedy += f" here, if ids that begin with {quote(former + '/')} mean the other provider now"
            yield Finding("F202", at, message, remedy, related=(related,))


def _namespaces(names: _Names, fleet: FleetConfig) -> Iterator[Finding]:
    for index, namespace in enumerate(fleet.namespaces):
        if namespace in names.all:
            message = f"namespace {quote(namespace)} is also a provider's name"
            remedy = "a namespace is removed before providers are looked up; delete or rename one of them"
            yield Finding("F202", ("namespaces", index), message, remedy)


def _aliases(names: _Names, fleet: FleetConfig) -> Iterator[Finding]:
    for alias, target in fleet.aliases.items():
        at: YamlPath = ("aliases", alias)
        head, slash, rest = alias.partition("/")
        shown = f"alias {quote(alias)}"
        if alias.startswith("@"):
            message = f"{shown} can never be used: '@' begins the name of a role"
            yield Finding("F203", at, message, "name it under 'roles' instead", key=True)
        elif slash and head in names.all:
            message = f"{shown} would hide a model of provider '{head}'"
            remedy = "choose an alias that does not begin with a provider's name and '/'"
            yield Finding("F203", at, message, remedy, key=True)
        elif slash and head in fleet.namespaces:
            message = f"{shown} can never be used: namespace '{head}/' is removed first"
            yield Finding("F203", at, message, f"write {quote(rest)}", key=True)
        elif fault := model_id_problem(alias):
            yield Finding(
                "F204", at, f"{shown} {fault}", "write the id as old sessions have saved it", key=True
            )
        yield from _composite(names, fleet, target, at)


def _composite(names: _Names, fleet: FleetConfig, text: str, at: YamlPath) -> Iterator[Finding]:
    """Yield the problems of a text that must be a composite id."""
    id = split_id(text)
    if id is None:
        return
    if id.provider not in names.all:
        message = f"{quote(text)} refers to unknown provider {quote(id.provider)}"
        also = f"; a model of the default provider is '{fleet.default_provider}/{shorten(text)}'"
        yield Finding("F201", at, message, names.remedy(id.provider, also))
    elif fault := model_id_problem(id.model, id.provider):
        yield _unusable_id(id.model, fault, at)


def _roles(names: _Names, fleet: FleetConfig) -> Iterator[Finding]:
    places: list[tuple[YamlPath, dict[str, tuple[str, ...]]]] = [(("roles",), fleet.roles)]
    places += [(("surfaces", name, "roles"), surface.roles) for name, surface in fleet.surfaces.items()]
    for above, roles in places:
        for role, candidates in roles.items():
            for index, text in enumerate(candidates):
                yield from _candidate(names, fleet, text, (*above, role, index))


def _candidate(names: _Names, fleet: FleetConfig, text: str, at: YamlPath) -> Iterator[Finding]:
    rest = without_namespace(fleet.namespaces, text)
    if text.startswith("@"):
        message = f"role refers to another role, {quote(text)}"
        yield Finding("F205", at, message, "write the model ids themselves")
    elif rest in fleet.aliases:
        return
    elif "/" in rest:
        yield from _composite(names, fleet, rest, at)
    elif fault := model_id_problem(rest, fleet.default_provider):
        yield _unusable_id(rest, fault, at)


def _unusable_id(id: str, fault: str, at: YamlPath, key: bool = False) -> Finding:
    return Finding("F204", at, f"model id {quote(id)} {fault}", model_id_remedy(id) or _AS_LISTED, key=key)


def _surface(names: _Names, fleet: FleetConfig, name: str, surface: SurfaceSettings) -> Iterator[Finding]:
    unknown = [p for p in surface.providers or () if p not in names.present]
    for index, provider in enumerate(surface.providers or ()):
        if provider in unknown:
            message = f"surface '{name}' refers to unknown provider {quote(provider)}"
            yield Finding("F201", ("surfaces", name, "providers", index), message, names.remedy(provider))
    usable = {key for key, provider in fleet.providers.items() if surface.may_use(key, provider.class_)}
    if not usable and not unknown and fleet.providers.keys() >= names.present:
        message = f"surface '{name}' has no provider that it may use"
        remedy = "no provider is in both 'providers' and 'classes'; widen one of them"
        yield Finding("F206", ("surfaces", name), message, remedy, key=True)
    elif not unknown:
        yield from _surface_roles(fleet, names.former, name, surface, usable)


def _surface_roles(
    fleet: FleetConfig, former: Mapping[str, str], name: str, surface: SurfaceSettings, usable: Iterable[str]
) -> Iterator[Finding]:
    for role, candidates in surface.roles.items():
        for index, text in enumerate(candidates):
            rest = without_namespace(fleet.namespaces, text)
            id = split_id(fleet.aliases.get(rest, rest))
            head = id.provider if id else fleet.default_provider
            provider = former.get(head, head)
            if provider in fleet.providers and provider not in usable and not text.startswith("@"):
                message = f"role '{role}' needs provider '{provider}', which surface '{name}' cannot use"
                others = join_names(sorted(usable), "or")
                remedy = f"choose a model of {others}, or let the surface use '{provider}'"
                yield Finding("F206", ("surfaces", name, "roles", role, index), message, remedy)


def _surface_key(
    fleet: FleetConfig, name: str, surface: SurfaceSettings, written_keys: set[str]
) -> Iterator[Finding]:
    if surface.key is None:
        return
    at = ("surfaces", name, "key")
    if surface.key not in fleet.gateway.keys.keys() | written_keys:
        known = join_names(sorted(fleet.gateway.keys))
        remedy = f"known: {known}" if known else "name it there, with 'env' or 'file'"
        yield Finding("F207", at, f"surface '{name}' refers to a key that is not in gateway.keys", remedy)
        return
    key = fleet.gateway.keys.get(surface.key)
    if key is not None and key.surfaces is not None and name not in key.surfaces:
        message = f"key '{surface.key}' does not open surface '{name}'"
        related = RelatedPart(("gateway", "keys", surface.key, "surfaces"), "it opens these")
        remedy = f"add '{name}' to its surfaces, or refer to another key"
        yield Finding("F207", at, message, remedy, related=(related,))


def _keys(fleet: FleetConfig, written_surfaces: set[str]) -> Iterator[Finding]:
    surfaces = fleet.surfaces.keys() | written_surfaces
    for name, key in fleet.gateway.keys.items():
        for index, surface in enumerate(key.surfaces or ()):
            if surface not in surfaces:
                near = nearest(surface, surfaces)
                known = join_names(sorted(surfaces)) or "none"
                remedy = f"did you mean '{near}'?" if near else f"known: {known}"
                message = f"key '{name}' refers to unknown surface {quote(surface)}"
                yield Finding("F207", ("gateway", "keys", name, "surfaces", index), message, remedy)


def _models(fleet: FleetConfig) -> Iterator[Finding]:
    for name, provider in fleet.providers.items():
        for id, facts in provider.declared.items():
            at: YamlPath = ("providers", name, "models", id)
            if fault := model_id_problem(id, name):
                yield _unusable_id(id, fault, at, key=True)
            if facts.context is not None and facts.output is not None and facts.output >= facts.context:
                message = f"output of {facts.output} tokens leaves no room in a context of {facts.context}"
                remedy = "write an output that is smaller than the context"
                yield Finding("F208", (*at, "output"), message, remedy)
