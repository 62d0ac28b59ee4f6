"""Resolve a model name to a provider and model, for every surface and purpose.

Pure: the inputs are a routing table, a view of the providers and the text, the result is a `Resolution`.
Similar spelling is never enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain, islice
from typing import Literal, TypeAlias

from fleet_runtime.artifacts.contract import ProviderStatus, RoutedProvider, RoutingTable, Rule
from fleet_runtime.routing.model_id import MAX_ID_BYTES, without_namespace

MAX_SUGGESTIONS = 5
MAX_SKETCHED = 6000
MAX_COMPARED = 20
SKETCH = 32

RefusalCode = Literal["model_not_found", "provider_unreachable", "provider_disabled", "surface_not_allowed"]


@dataclass(frozen=True, slots=True)
class ProviderView:
    """The resolver's view of one provider.

    `names` maps every name that the provider accepts (listed ids, declared ids, aliases, tag forms) to the
    listed id. `exhaustive`: the list is known and complete, so that an id outside it is rejected. `include`
    and `exclude` are the globs of fleet.yaml. `responsive`: it responded to the latest probe; otherwise it is
    available until its grace period ends, but roles skip it. `reachable`: False once a request and a probe
    have both failed to reach it; requests are rejected at once, while lists keep its models. `reason` is the
    text why it does not respond. `can_wake`: a request may wake it while it does not respond, a request to a
    role only if `wakes_for_roles`.
    """

    status: ProviderStatus
    names: Mapping[str, str]
    exhaustive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    responsive: bool = True
    reachable: bool = True
    reason: str = ""
    can_wake: bool = False
    wakes_for_roles: bool = False

    @property
    def available(self) -> bool:
        return self.status not in ("offline", "waking", "disabled")

    def listed(self, model: str) -> str | None:
        return self.names.get(model)

    def admits(self, model: str) -> bool:
        """Return whether the globs allow `model`."""
        return admits(model, self.include, self.exclude)


View: TypeAlias = Mapping[str, ProviderView]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason of a rejected request. `suggest` finds suggestions; because it is slow, it is called only to
    show them."""

    code: RefusalCode
    message: str
    suggest: Callable[[], tuple[str, ...]] = field(default=tuple, compare=False, repr=False)
    is_unknown_provider: bool = False
    """The id begins with the name of a provider that this table does not have; another snapshot may."""

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Return composite ids to try instead, the best first."""
        return self.suggest()


@dataclass(frozen=True, slots=True)
class Resolution:
    """The resolution of `requested`. `model` is the name to send to the provider; `listed` is the id in the
    provider's list, if it is listed. `refusal` is why a request would be rejected. `may_be_stale`: this may
    be out of date, and a new probe of `provider` could change it. `asleep`: so could waking the provider."""

    requested: str
    provider: str | None
    model: str
    rule: Rule
    fallback: bool = False
    listed: str | None = None
    refusal: Refusal | None = None
    may_be_stale: bool = False
    asleep: bool = False

    @property
    def id(self) -> str | None:
        return f"{self.provider}/{self.model}" if self.provider else None

    @property
    def available(self) -> bool:
        return self.refusal is None


SHOWN = len("sha256:") + 12
"""Characters of a snapshot's id in a message."""


def in_snapshot(message: str, snapshot: str) -> str:
    """Return a "does not exist" message with the beginning of the snapshot's id, because another gateway may
    serve another snapshot that has it."""
    return f"{message} (snapshot {snapshot[:SHOWN]})"


def name_snapshot(resolution: Resolution, snapshot: str) -> Resolution:
    """Return `resolution` with the snapshot's id in the message about an unknown provider."""
    refusal = resolution.refusal
    if refusal is None or not refusal.is_unknown_provider:
        return resolution
    message = in_snapshot(refusal.message, snapshot)
    return replace(resolution, refusal=replace(refusal, message=message))


def resolve_model(
    table: RoutingTable,
    view: View,
    text: str,
    *,
    pinned: str | None = None,
    falls_back: bool = False,
    unreachable: frozenset[str] = frozenset(),
) -> Resolution:
    """Resolve `text` on the surface of `table`.

    `pinned`: the provider of a ``/providers/<name>`` path, where all of the text is a model of that provider.
    `falls_back`: the endpoint is one where an unknown bare id may become the surface's default role.
    `unreachable`: providers that this request could not reach; a role uses its next choice.
    """
    if len(text) > MAX_ID_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        shown = text[:60] + "…"
        refusal = Refusal("model_not_found", f"model id '{shown}' is longer than {MAX_ID_BYTES} bytes")
        return Resolution(shown, None, shown, "bare", refusal=refusal)
    if pinned is not None:
        return _resolve_on_provider(table, view, text, pinned, text, "provider")
    if text.startswith("@"):
        return _resolve_role(table, view, text, unreachable)
    rest = without_namespace(table.namespaces, text)
    target = table.aliases.get(rest)
    rule: Rule = "alias" if target is not None else "provider"
    head, slash, model = (target if target is not None else rest).partition("/")
    provider = table.names.get(head) if slash else None
    if provider is not None:
        return _resolve_on_provider(table, view, text, provider, model, rule)
    return _resolve_bare(table, view, text, rest, falls_back, unreachable)


def lock_view(table: RoutingTable) -> dict[str, ProviderView]:
    """Return the providers with only the data of the table: not probed yet, with the lists of fleet.lock."""
    return {
        provider.name: ProviderView("unknown", listed_names(provider), exhaustive=bool(provider.models))
        for provider in table.providers
    }


def listed_names(provider: RoutedProvider) -> dict[str, str]:
    """Return every name of the table's models; an id wins over another model's alias."""
    names = {alias: id for id, facts in provider.models.items() for alias in facts.aliases}
    names.update((id, id) for id in provider.models)
    return names


def admits(model: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    if include and not any(fnmatchcase(model, glob) for glob in include):
        return False
    return not any(fnmatchcase(model, glob) for glob in exclude)


def _resolve_role(table: RoutingTable, view: View, text: str, unreachable: frozenset[str]) -> Resolution:
    candidates = table.roles.get(text[1:])
    if not candidates:
        known = ", ".join(f"@{name}" for name in sorted(table.roles)) or "none"
        refusal = Refusal("model_not_found", f"unknown role '{text}'; roles here: {known}")
        return Resolution(text, None, text, "role", refusal=refusal)
    choices = [_resolve_candidate(table, view, text, candidate) for candidate in candidates]
    choices = [_passed_over(choice, view, unreachable) for choice in choices]
    available = [choice for choice in choices if choice.available or choice.asleep]
    responsive = [each for each in available if each.asleep or view[each.provider or ""].responsive]
    reached = [choice for choice in responsive or available if choice.provider not in unreachable]
    chosen = next(iter(reached or available), None)
    if chosen is None:
        return replace(choices[0], may_be_stale=False)
    return chosen if chosen is choices[0] else replace(chosen, fallback=True)


def _passed_over(choice: Resolution, view: View, unreachable: frozenset[str]) -> Resolution:
    """Return a choice of a role; it counts as asleep only if the role may wake its provider now."""
    name = choice.provider or ""
    if not choice.asleep or (name not in unreachable and view[name].wakes_for_roles):
        return choice
    return replace(choice, asleep=False)


def _resolve_candidate(table: RoutingTable, view: View, text: str, composite: str) -> Resolution:
    name, _, model = composite.partition("/")
    return _resolve_on_provider(table, view, text, table.names.get(name, name), model, "role")


def _resolve_bare(
    table: RoutingTable, view: View, text: str, model: str, falls_back: bool, unreachable: frozenset[str]
) -> Resolution:
    resolution = _resolve_on_provider(table, view, text, table.default_provider, model, "bare")
    if resolution.refusal is None or resolution.refusal.code != "model_not_found":
        return resolution
    head, slash, _ = model.partition("/")
    if slash:
        message = f"unknown provider '{head}', and {resolution.refusal.message}"
        refusal = replace(resolution.refusal, message=message, is_unknown_provider=True)
        return replace(resolution, refusal=refusal)
    if not falls_back or not model or table.legacy != "fallback" or "default" not in table.roles:
        return resolution
    default = _resolve_role(table, view, "@default", unreachable)
    classes = {provider.name: provider.class_ for provider in table.providers}
    if default.provider is None or classes.get(default.provider) != "local":
        return resolution
    return replace(default, requested=text, rule="bare", fallback=True, may_be_stale=resolution.may_be_stale)


def _resolve_on_provider(
    table: RoutingTable, view: View, text: str, provider: str, model: str, rule: Rule
) -> Resolution:
    resolution = Resolution(text, provider, model, rule)
    if all(allowed.name != provider for allowed in table.providers):
        # Not even its provider is named, so that a surface learns nothing of those that it may not use.
        message = f"model '{text}' is not on surface '{table.surface or 'v1'}'"
        return Resolution(text, None, text, rule, refusal=Refusal("surface_not_allowed", message))
    seen = view[provider]
    listed = seen.listed(model)
    if seen.status == "disabled":
        message = f"provider '{provider}' of model '{model}' is disabled"
        return replace(resolution, listed=listed, refusal=Refusal("provider_disabled", message))
    if not (seen.available and seen.reachable):
        why = f": {seen.reason}" if seen.reason else ""
        message = f"provider '{provider}' of model '{model}' does not respond{why}"
        asleep = seen.can_wake and (listed is not None or not seen.names)
        refusal = Refusal("provider_unreachable", message)
        return replace(resolution, listed=listed, refusal=refusal, asleep=asleep)
    if listed is not None:
        return replace(resolution, listed=listed)
    excluded = not seen.admits(model)
    if model and not seen.exhaustive and not excluded:
        return resolution
    message = f"provider '{provider}' has no model '{model}'"
    refusal = Refusal("model_not_found", message, partial(_suggestions, table, view, provider, model))
    return replace(resolution, refusal=refusal, may_be_stale=bool(model) and not excluded)


def _suggestions(table: RoutingTable, view: View, provider: str, model: str) -> tuple[str, ...]:
    """Return composite ids to try instead: the models of a provider of that name, the same model on other
    providers, then similar ids.

    Comparing both ends of the ids is cheap for thousands of them, however long; only the closest are compared
    in full. Of very many models, those of `provider` and of the first providers are compared.
    """
    from rapidfuzz import fuzz, process

    available = [allowed.name for allowed in table.providers if view[allowed.name].available]
    named = [name for name in available if table.names.get(model) == name]
    same = [f"{name}/{listed}" for name in named for listed in islice(_listed(view[name]), MAX_SUGGESTIONS)]
    same += [f"{name}/{model}" for name in available if model and view[name].names.get(model) == model]
    nearest = sorted(available, key=lambda name: name != provider)
    every = chain.from_iterable(((name, listed) for listed in _listed(view[name])) for name in nearest)
    sketches = {id: _sketch(*id) for id in islice(every, MAX_SKETCHED)}
    wanted = _sketch(provider, model)
    found = process.extract(wanted, sketches, scorer=fuzz.ratio, limit=MAX_COMPARED, score_cutoff=30)
    close = [f"{name}/{listed}" for _, _, (name, listed) in found]
    near = process.extract(f"{provider}/{model}", close, limit=MAX_SUGGESTIONS, score_cutoff=60)
    return tuple(dict.fromkeys(same + [id for id, _, _ in near]))[:MAX_SUGGESTIONS]


def _listed(seen: ProviderView) -> dict[str, None]:
    return dict.fromkeys(seen.names.values())


def _sketch(provider: str, model: str) -> str:
    """Return a composite id without the middle of a long model name."""
    short = model if len(model) <= 2 * SKETCH else model[:SKETCH] + model[-SKETCH:]
    return f"{provider}/{short}"
