"""Find the references to a provider in fleet.yaml, outside of its entry."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.load import Loaded
from fleet_runtime.routing.model_id import split_id, without_namespace

ReferenceKind: TypeAlias = Literal["default_provider", "alias", "role", "surface"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that refers to a provider: `text` at `path`. `spelled`: it contains the provider's name."""

    kind: ReferenceKind
    path: YamlPath
    text: str
    spelled: bool = True


def references_to(loaded: Loaded, names: Collection[str]) -> list[Reference]:
    """Return the references to the provider with these `names`, by kind."""
    fleet = loaded.fleet
    found = [Reference("default_provider", ("default_provider",), fleet.default_provider)]
    found = [reference for reference in found if reference.text in names]
    found += [
        Reference("alias", ("aliases", alias), target)
        for alias, target in fleet.aliases.items()
        if _provider_of(fleet, target) in names
    ]
    found += [
        Reference("role", path, text, spelled=_is_spelled(fleet, text))
        for path, text in _candidates(loaded)
        if _provider_of(fleet, text) in names
    ]
    found += [
        Reference("surface", ("surfaces", surface, "providers", index), name)
        for surface, settings in fleet.surfaces.items()
        for index, name in enumerate(settings.providers or ())
        if name in names
    ]
    return found


def with_provider(fleet: FleetConfig, text: str, name: str) -> str:
    """Return the id `text` with its provider's name replaced by `name`."""
    rest = without_namespace(fleet.namespaces, text)
    return text.removesuffix(rest) + name + "/" + rest.partition("/")[2]


def _provider_of(fleet: FleetConfig, text: str) -> str:
    """Return the provider of `text`: before its slash, of its alias, or the default provider."""
    rest = without_namespace(fleet.namespaces, text)
    id = split_id(fleet.aliases.get(rest, rest))
    return id.provider if id is not None else fleet.default_provider


def _is_spelled(fleet: FleetConfig, text: str) -> bool:
    rest = without_namespace(fleet.namespaces, text)
    return "/" in rest and rest not in fleet.aliases


def _candidates(loaded: Loaded) -> Iterator[tuple[YamlPath, str]]:
    """Yield every model id of every role, with its path."""
    places: list[YamlPath] = [("roles", role) for role in loaded.fleet.roles]
    places += [
        ("surfaces", surface, "roles", role)
        for surface, settings in loaded.fleet.surfaces.items()
        for role in settings.roles
    ]
    for path in places:
        written = loaded.document.value(path)
        if isinstance(written, str):
            yield path, written
        else:
            yield from (((*path, index), text) for index, text in enumerate(written))
