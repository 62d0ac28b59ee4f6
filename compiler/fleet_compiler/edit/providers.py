"""Plan the edits that add, move, rename or remove a provider. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from fleet_compiler.config.schema import schema
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.errors import ConfigError, UsageError
from fleet_compiler.diagnostics.finding import Finding, YamlPath
from fleet_compiler.diagnostics.text import as_name, nearest
from fleet_compiler.edit.changes import AddEntry, AddItem, Change, Delete, RenameKey, SetValue
from fleet_compiler.edit.references import Reference, references_to, with_provider
from fleet_compiler.load import Loaded
from fleet_runtime.routing.model_id import PROVIDER_NAME
from fleet_runtime.text import join_names, quote
from fleet_runtime.urls import server_root, with_scheme


def add_provider(loaded: Loaded, name: str, url: str) -> list[Change]:
    """Return the change that appends a provider; raises `UsageError` for a name that is taken or invalid."""
    _require_valid_name(loaded, name)
    if name in loaded.fleet.providers:
        known = loaded.fleet.providers[name].url
        raise UsageError(
            f"{_place(loaded, name)}: provider '{name}' exists and is at {known}; "
            f"`fleet move {name} {with_scheme(url) or url}` changes its address"
        )
    return [AddEntry(("providers",), name, url)]


def move_provider(loaded: Loaded, name: str, url: str) -> list[Change]:
    """Return the change of a provider's address, none if it already has that address."""
    require_provider(loaded, name)
    settings, written = loaded.fleet.providers[name], loaded.document.value(("providers", name))
    path: YamlPath = ("providers", name)
    if not isinstance(written, str):
        path = (*path, "api_base" if "api_base" in written else "url")
    is_there = (
        url.rstrip("/") == settings.api_base if path[-1] == "api_base" else server_root(url) == settings.url
    )
    return [] if is_there else [SetValue(path, url)]


def rename_provider(loaded: Loaded, old: str, new: str) -> list[Change]:
    """Return the changes that rename a provider and all references to it.

    The old name becomes a former name, so that saved ids, favorites and fleet.lock still refer to the
    provider.
    """
    require_provider(loaded, old)
    _require_valid_name(loaded, new)
    if new in loaded.fleet.providers:
        raise UsageError(f"{_place(loaded, new)}: provider {quote(new)} exists: choose another name")
    changes: list[Change] = []
    for reference in references_to(loaded, {old}):
        if reference.kind in ("default_provider", "surface"):
            changes.append(SetValue(reference.path, new))
        elif reference.spelled:
            changes.append(SetValue(reference.path, with_provider(loaded.fleet, reference.text, new)))
    return [*changes, _former_name(loaded, old, new), RenameKey(("providers", old), new)]


def remove_provider(loaded: Loaded, name: str, *, fix: bool) -> list[Change]:
    """Return the changes that remove a provider and, with `fix`, the references to it.

    Raises `ConfigError` (F402) with each reference that has to be changed by hand: all of them without
    `fix`, else those of a surface that may use no other provider.
    """
    require_provider(loaded, name)
    others = [other for other in loaded.fleet.providers if other != name]
    if not others:
        raise UsageError(
            f"{_place(loaded, name)}: '{name}' is the only provider: add another one first, "
            "`fleet add NAME URL`"
        )
    found = references_to(loaded, {name, *loaded.fleet.providers[name].formerly})
    successor = next((o for o in others if loaded.fleet.providers[o].class_ == "local"), others[0])
    left = [reference for reference in found if not fix or _is_last_of_surface(loaded, reference, found)]
    if left:
        raise ConfigError([_reference_left(loaded, each, name, fix) for each in left], loaded.source)
    changes: list[Change] = [
        SetValue(reference.path, successor) for reference in found if reference.kind == "default_provider"
    ]
    changes += [Delete(path) for path in _deleted_paths(loaded, found)]
    return [*changes, Delete(("providers", name))]


def _require_valid_name(loaded: Loaded, name: str) -> None:
    """Raise `UsageError` unless `name` can be a provider's, with the nearest valid name that is free."""
    if PROVIDER_NAME.match(name):
        return
    known, near = loaded.fleet.providers, as_name(name)
    taken = near in known or any(near in settings.formerly for settings in known.values())
    near = f"write '{near}'; " if PROVIDER_NAME.match(near) and not taken else ""
    form = schema()["$defs"]["providerName"]["errorMessage"]
    raise UsageError(f"{quote(name)} is not a valid provider name; {near}{form}")


def require_provider(loaded: Loaded, name: str) -> None:
    """Raise `UsageError` unless `name` is a provider's current name."""
    providers = loaded.fleet.providers
    if name in providers:
        return
    present = next((each for each, settings in providers.items() if name in settings.formerly), None)
    near = nearest(name, providers)
    hint = f"did you mean {quote(near)}?" if near else f"there is {join_names(providers)}"
    if present is not None:
        hint = f"that is a former name of '{present}'"
    raise UsageError(f"no provider {quote(name)} in {loaded.source.name}; {hint}")


def _former_name(loaded: Loaded, old: str, new: str) -> Change:
    """Return the change that adds `old` to the former names, replacing `new` if that was one."""
    path: YamlPath = ("providers", old)
    written = loaded.document.value(path)
    if isinstance(written, str):
        return SetValue(path, {"url": written, "formerly": [old]})
    former: Sequence[str] | None = written.get("formerly")
    if former is None:
        return AddEntry(path, "formerly", [old])
    if new in former:
        return SetValue((*path, "formerly", former.index(new)), old)
    return AddItem((*path, "formerly"), old)


def _deleted_paths(loaded: Loaded, found: list[Reference]) -> Iterator[YamlPath]:
    """Yield the paths to delete with a provider, the last items of lists first; a role without other models
    is deleted as a unit."""
    listed_in = [reference.path for reference in found if reference.kind in ("role", "surface")]
    yield from (reference.path for reference in found if reference.kind == "alias")
    for parent, group in groupby(listed_in, key=lambda path: path[:-1]):
        paths = list(group)
        if not isinstance(paths[0][-1], int):
            yield from paths
        elif len(paths) == len(loaded.document.value(parent)):
            yield parent
        else:
            yield from reversed(paths)


def _is_last_of_surface(loaded: Loaded, reference: Reference, found: list[Reference]) -> bool:
    if reference.kind != "surface":
        return False
    parent = reference.path[:-1]
    return len(loaded.document.value(parent)) == sum(each.path[:-1] == parent for each in found)


def _reference_left(loaded: Loaded, reference: Reference, name: str, fix: bool) -> Diagnostic:
    match reference.kind:
        case "default_provider":
            message = f"'{name}' is the default provider"
        case "alias":
            message = f"alias {quote(str(reference.path[1]))} means a model of '{name}'"
        case "role":
            role = next(step for step in reversed(reference.path) if isinstance(step, str))
            message = f"role {quote(role)} names a model of '{name}'"
        case "surface":
            message = (
                f"surface {quote(str(reference.path[1]))} may use only '{name}'"
                if fix
                else (f"surface {quote(str(reference.path[1]))} names '{name}'")
            )
    remedy = "name another provider here first" if fix else f"`fleet remove {name} --fix` updates it"
    return loaded.document.locate(Finding("F402", reference.path, message, remedy))


def _place(loaded: Loaded, name: str) -> str:
    span = loaded.document.span(("providers", name), key=True)
    return f"{loaded.source.name}:{span.line}:{span.column}"
