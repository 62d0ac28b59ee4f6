"""Find the effects of a change of fleet.yaml and fleet.lock on clients, per surface.

Pure. Both sides are compared with the gateway's resolver: new and removed ids, ids that resolve to another
model, smaller contexts, and changed roles. Ids are all that a client may have saved: composite ids, aliases,
and bare ids of the default provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet_compiler.emit.build_summary import Build, describe_changes, summarize_surface
from fleet_compiler.emit.tables import Resolved
from fleet_runtime.artifacts.contract import FLEET_TABLE, RoutedModel, RoutingTable
from fleet_runtime.routing.resolver import lock_view, resolve_model

EVERYWHERE = "/v1"
"""The name of the fleet's own table among the surfaces."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: the routing tables by surface in the order of fleet.yaml, with `EVERYWHERE`
    for that of the fleet, and the URL of each provider."""

    tables: Mapping[str, RoutingTable]
    urls: Mapping[str, str]

    def build(self) -> Build:
        named = (each for each in self.tables.items() if each[0] != EVERYWHERE)
        surfaces = {name: summarize_surface(table) for name, table in named}
        return Build(self.tables[EVERYWHERE], surfaces)


@dataclass(frozen=True, slots=True)
class Redirect:
    """A name that resolves to another model than before, or a provider with another URL."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SmallerContext:
    """A model whose context shrank, in tokens."""

    id: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A role with its choices before and after, empty if it does not exist."""

    role: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SurfaceReview:
    """What changed on one surface, sorted by name."""

    surface: str
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    elsewhere: tuple[Redirect, ...] = ()
    smaller: tuple[SmallerContext, ...] = ()
    roles: tuple[RoleChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.elsewhere or self.smaller or self.roles)

    def without(self, other: SurfaceReview) -> SurfaceReview:
        """Return the changes that are not in `other`."""
        return SurfaceReview(
            self.surface,
            tuple(each for each in self.new if each not in set(other.new)),
            tuple(each for each in self.gone if each not in set(other.gone)),
            tuple(each for each in self.elsewhere if each not in set(other.elsewhere)),
            tuple(each for each in self.smaller if each not in set(other.smaller)),
            tuple(each for each in self.roles if each not in set(other.roles)),
        )


@dataclass(frozen=True, slots=True)
class Review:
    """`surfaces` begin with `EVERYWHERE` and include only surfaces with changes, without those of
    `EVERYWHERE`. `moved` are providers with another URL. `changes` are the lines of the build summary."""

    surfaces: tuple[SurfaceReview, ...]
    moved: tuple[Redirect, ...]
    changes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.surfaces or self.moved or self.changes)


def side_of(resolved: Resolved, surfaces: Mapping[str, object]) -> Side:
    """Return a compiled fleet, its surfaces in the order of `surfaces`."""
    paths = {EVERYWHERE: FLEET_TABLE} | {name: resolved.gateway.surfaces[name] for name in surfaces}
    urls = {provider.name: provider.url for provider in resolved.gateway.providers}
    return Side({name: resolved.tables[path] for name, path in paths.items()}, urls)


def review(before: Side | None, after: Side) -> Review:
    """Return what changed; without `before`, everything is new."""
    changes = describe_changes(None if before is None else before.build(), after.build())
    everywhere = _review_surface(EVERYWHERE, before, after)
    others = (
        _review_surface(name, before, after).without(everywhere)
        for name in after.tables
        if name != EVERYWHERE and before is not None and name in before.tables
    )
    urls = {} if before is None else before.urls
    moved = tuple(
        Redirect(name, urls[name], url)
        for name, url in sorted(after.urls.items())
        if urls.get(name, url) != url
    )
    return Review(tuple(each for each in (everywhere, *others) if each), moved, tuple(changes))


def _review_surface(name: str, before: Side | None, after: Side) -> SurfaceReview:
    new = after.tables[name]
    if before is None:
        return SurfaceReview(name, new=tuple(sorted(_listed(new))))
    old = before.tables[name]
    listed_before, listed_after = _listed(old), _listed(new)
    gone, elsewhere = _follow_names(old, new, listed_before, listed_after)
    roles = sorted(old.roles.keys() | new.roles.keys())
    return SurfaceReview(
        name,
        new=tuple(sorted(listed_after.keys() - listed_before.keys())),
        gone=gone,
        elsewhere=elsewhere,
        smaller=tuple(
            SmallerContext(id, was.context, now.context)
            for id, was in sorted(listed_before.items())
            if (now := listed_after.get(id)) is not None
            and was.context is not None
            and now.context is not None
            and now.context < was.context
        ),
        roles=tuple(
            RoleChange(role, old.roles.get(role, ()), new.roles.get(role, ()))
            for role in roles
            if old.roles.get(role) != new.roles.get(role)
        ),
    )


def _listed(table: RoutingTable) -> dict[str, RoutedModel]:
    """Return the models that requests reach under their composite ids, hidden ones too."""
    return {
        f"{provider.name}/{id}": facts
        for provider in table.providers
        for id, facts in provider.models.items()
    }


def _follow_names(
    old: RoutingTable,
    new: RoutingTable,
    listed_before: Mapping[str, RoutedModel],
    listed_after: Mapping[str, RoutedModel],
) -> tuple[tuple[str, ...], tuple[Redirect, ...]]:
    """Return the names that no longer resolve to a listed model, and those that resolve to another one."""
    views = lock_view(old), lock_view(new)
    gone: list[str] = []
    elsewhere: list[Redirect] = []
    targets: dict[str, str | None] = {}
    for name in _saved_names(old):
        was = resolve_model(old, views[0], name)
        if was.id is None or was.id not in listed_before:
            continue
        now = resolve_model(new, views[1], name)
        target = targets[name] = now.id if now.available and now.id in listed_after else None
        if name != was.id and was.id in targets and targets[was.id] == target:
            continue  # the composite id says the same
        if target is None:
            gone.append(name)
        elif target != was.id:
            elsewhere.append(Redirect(name, was.id, target))
    return tuple(sorted(gone)), tuple(sorted(elsewhere, key=lambda each: each.name))


def _saved_names(table: RoutingTable) -> Iterator[str]:
    """Yield the ids that a client may have saved, composite ones first."""
    yield from _listed(table)
    for provider in table.providers:
        if provider.name == table.default_provider:
            yield from provider.models
    yield from table.aliases
