"""Names that refer to names: providers, former names, namespaces, aliases, roles, surfaces, keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fleet_compiler.config.model import FleetConfig, SurfaceSettings
from fleet_compiler.diagnostics.diagnostic import Diagnostic, Related
from fleet_compiler.diagnostics.text import nearest, short
from fleet_compiler.document.document import Document, YamlPath
from fleet_runtime.routing.model_id import (
    PROVIDER_NAME,
    model_id_problem,
    model_id_remedy,
    split_id,
    without_namespace,
)
from fleet_runtime.text import join_names


def check(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    names = _names(fleet, document)
    yield from _default_provider(names, fleet, document)
    yield from _former_names(fleet, document)
    yield from _namespaces(names, fleet, document)
    yield from _aliases(names, fleet, document)
    yield from _roles(names, fleet, document)
    for name, surface in fleet.surfaces.items():
        yield from _surface(names, fleet, name, surface, document)
    yield from _keys(fleet, document)
    yield from _models(fleet, document)


@dataclass(frozen=True, slots=True)
class _Names:
    """Every name that may stand before a slash: `present` as written, `all` with former names; `former`
    maps those to present ones."""

    present: frozenset[str]
    all: frozenset[str]
    former: Mapping[str, str]

    def remedy(self, name: str, also: str = "") -> str:
        if name in self.former:
            return f"that is a former name; write '{self.former[name]}'"
        known = sorted(filter(PROVIDER_NAME.match, self.present))
        near = nearest(name, known)
        return f"did you mean '{near}'?" if near else f"known: {join_names(known)}{also}"


def _names(fleet: FleetConfig, document: Document) -> _Names:
    present = fleet.providers.keys() | document.data["providers"].keys()
    former = {old: name for name, provider in fleet.providers.items() for old in provider.formerly}
    return _Names(frozenset(present), frozenset(present | former.keys()), former)


def _default_provider(names: _Names, fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    name = fleet.default_provider
    if name not in names.present:
        message = f"default_provider names unknown provider '{short(name)}'"
        yield document.diagnostic("F201", message, ("default_provider",), help=names.remedy(name))


def _former_names(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    taken: dict[str, YamlPath] = {name: ("providers", name) for name in fleet.providers}
    for provider, settings in fleet.providers.items():
        for index, former in enumerate(settings.formerly):
            at: YamlPath = ("providers", provider, "formerly", index)
            if former not in taken:
                taken[former] = at
                continue
            message = f"former name '{short(former)}' is taken"
            related = (Related(document.span(taken[former], key=len(taken[former]) == 2), "taken here"),)
            remedy = "a former name belongs to one provider, and to no present one"
            yield document.diagnostic("F202", message, at, help=remedy, related=related)


def _namespaces(names: _Names, fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    for index, namespace in enumerate(fleet.namespaces):
        if namespace in names.all:
            message = f"namespace '{short(namespace)}' is also a provider's name"
            remedy = "a namespace is taken off before providers are looked for; delete or rename one of them"
            yield document.diagnostic("F202", message, ("namespaces", index), help=remedy)


def _aliases(names: _Names, fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    for alias, target in fleet.aliases.items():
        at: YamlPath = ("aliases", alias)
        head, slash, _ = alias.partition("/")
        if alias.startswith("@"):
            message = f"alias '{short(alias)}' can never be asked for: '@' begins the name of a role"
            yield document.diagnostic("F203", message, at, key=True, help="name it under 'roles' instead")
        elif slash and head in names.all:
            message = f"alias '{short(alias)}' would hide a model of provider '{head}'"
            remedy = "an alias may not begin with a provider's name and '/'"
            yield document.diagnostic("F203", message, at, key=True, help=remedy)
        elif slash and head in fleet.namespaces:
            message = f"alias '{short(alias)}' can never be asked for: namespace '{head}/' is taken off first"
            remedy = f"write '{short(alias.partition('/')[2])}'"
            yield document.diagnostic("F203", message, at, key=True, help=remedy)
        elif fault := model_id_problem(alias):
            remedy = "write the id as the old sessions have it"
            yield document.diagnostic("F204", f"alias '{short(alias)}' {fault}", at, key=True, help=remedy)
        yield from _composite(names, fleet, target, at, document)


def _composite(
    names: _Names, fleet: FleetConfig, text: str, at: YamlPath, document: Document
) -> Iterator[Diagnostic]:
    """Faults of a text that has to name a provider and a model."""
    id = split_id(text)
    if id is None:
        return
    if id.provider not in names.all:
        message = f"'{short(text)}' names unknown provider '{short(id.provider)}'"
        also = f"; a model of the default provider is '{fleet.default_provider}/{short(text)}'"
        yield document.diagnostic("F201", message, at, help=names.remedy(id.provider, also))
    elif fault := model_id_problem(id.model, id.provider):
        message = f"model id '{short(id.model)}' {fault}"
        yield document.diagnostic("F204", message, at, help="write the id as the machine lists it")


def _roles(names: _Names, fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    places: list[tuple[YamlPath, dict[str, tuple[str, ...]]]] = [(("roles",), fleet.roles)]
    places += [(("surfaces", name, "roles"), surface.roles) for name, surface in fleet.surfaces.items()]
    for above, roles in places:
        for role, candidates in roles.items():
            for index, text in enumerate(candidates):
                yield from _candidate(names, fleet, text, (*above, role, index), document)


def _candidate(
    names: _Names, fleet: FleetConfig, text: str, at: YamlPath, document: Document
) -> Iterator[Diagnostic]:
    rest = without_namespace(fleet.namespaces, text)
    if text.startswith("@"):
        message = f"role names another role, '{short(text)}'"
        yield document.diagnostic("F205", message, at, help="write the model ids themselves")
    elif rest in fleet.aliases:
        return
    elif "/" in rest:
        yield from _composite(names, fleet, rest, at, document)
    elif fault := model_id_problem(rest, fleet.default_provider):
        message = f"model id '{short(rest)}' {fault}"
        yield document.diagnostic("F204", message, at, help="write the id as the machine lists it")


def _surface(
    names: _Names, fleet: FleetConfig, name: str, surface: SurfaceSettings, document: Document
) -> Iterator[Diagnostic]:
    unknown = [p for p in surface.providers or () if p not in names.present]
    for index, provider in enumerate(surface.providers or ()):
        if provider in unknown:
            message = f"surface '{name}' names unknown provider '{short(provider)}'"
            at: YamlPath = ("surfaces", name, "providers", index)
            yield document.diagnostic("F201", message, at, help=names.remedy(provider))
    usable = {key for key, provider in fleet.providers.items() if surface.may_use(key, provider.class_)}
    if not usable and not unknown and fleet.providers.keys() >= names.present:
        message = f"surface '{name}' may use no provider at all"
        remedy = "no provider is in both 'providers' and 'classes'; widen one of them"
        yield document.diagnostic("F206", message, ("surfaces", name), key=True, help=remedy)
    elif not unknown:
        yield from _surface_roles(fleet, name, surface, usable, document)
    yield from _surface_key(fleet, name, surface, document)


def _surface_roles(
    fleet: FleetConfig, name: str, surface: SurfaceSettings, usable: Iterable[str], document: Document
) -> Iterator[Diagnostic]:
    present = {old: key for key, provider in fleet.providers.items() for old in provider.formerly}
    for role, candidates in surface.roles.items():
        for index, text in enumerate(candidates):
            rest = without_namespace(fleet.namespaces, text)
            id = split_id(fleet.aliases.get(rest, rest))
            head = id.provider if id else fleet.default_provider
            provider = present.get(head, head)
            if provider in fleet.providers and provider not in usable and not text.startswith("@"):
                message = f"role '{role}' needs provider '{provider}', which surface '{name}' may not use"
                others = join_names(sorted(usable), "or")
                remedy = f"choose a model of {others}, or let the surface use '{provider}'"
                at = ("surfaces", name, "roles", role, index)
                yield document.diagnostic("F206", message, at, help=remedy)


def _surface_key(
    fleet: FleetConfig, name: str, surface: SurfaceSettings, document: Document
) -> Iterator[Diagnostic]:
    if surface.key is None:
        return
    at = ("surfaces", name, "key")
    if surface.key not in _key_names(fleet, document):
        known = join_names(sorted(fleet.gateway.keys))
        remedy = f"known: {known}" if known else "name it there, with 'env' or 'file'"
        message = f"surface '{name}' refers to a key that gateway.keys does not name"
        yield document.diagnostic("F207", message, at, help=remedy)
        return
    key = fleet.gateway.keys.get(surface.key)
    if key is not None and key.surfaces is not None and name not in key.surfaces:
        message = f"key '{surface.key}' does not open surface '{name}'"
        related = (Related(document.span(("gateway", "keys", surface.key, "surfaces")), "it opens these"),)
        remedy = f"add '{name}' to its surfaces, or refer to another key"
        yield document.diagnostic("F207", message, at, help=remedy, related=related)


def _key_names(fleet: FleetConfig, document: Document) -> set[str]:
    written = document.data.get("gateway")
    keys = written.get("keys") if isinstance(written, dict) else None
    return fleet.gateway.keys.keys() | (keys.keys() if isinstance(keys, dict) else set())


def _keys(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    written = document.data.get("surfaces")
    surfaces = fleet.surfaces.keys() | (written.keys() if isinstance(written, dict) else set())
    for name, key in fleet.gateway.keys.items():
        for index, surface in enumerate(key.surfaces or ()):
            if surface not in surfaces:
                near = nearest(surface, surfaces)
                known = join_names(sorted(surfaces))
                remedy = f"did you mean '{near}'?" if near else f"known: {known or 'none'}"
                message = f"key '{name}' names unknown surface '{short(surface)}'"
                at = ("gateway", "keys", name, "surfaces", index)
                yield document.diagnostic("F207", message, at, help=remedy)


def _models(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    for name, provider in fleet.providers.items():
        mapped = not isinstance(_written_models(document, name), list)
        for index, (id, facts) in enumerate(provider.declared.items()):
            at: YamlPath = ("providers", name, "models", id if mapped else index)
            if fault := model_id_problem(id, name):
                message = f"model id '{short(id)}' {fault}"
                remedy = model_id_remedy(id) or "write the id as the provider lists it"
                yield document.diagnostic("F204", message, at, key=True, help=remedy)
            if facts.context is not None and facts.output is not None and facts.output >= facts.context:
                message = f"output of {facts.output} tokens leaves nothing of a context of {facts.context}"
                remedy = "write an output that is smaller than the context"
                yield document.diagnostic("F208", message, (*at, "output"), help=remedy)


def _written_models(document: Document, provider: str) -> object:
    written = document.data["providers"].get(provider)
    return written.get("models") if isinstance(written, dict) else None
