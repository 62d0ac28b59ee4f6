"""Resolve stored favorites, and find the id under which a name is stored. Pure.

A favorite that cannot be used now is kept as unavailable; one whose provider was removed from fleet.yaml is
an orphan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleet_runtime.catalog.favorites import Favorite
from fleet_runtime.catalog.shapes import FavoriteReason
from fleet_runtime.errors import request_error, suggest
from fleet_runtime.routing.model_id import model_id_problem
from fleet_runtime.routing.resolver import Resolution, View


@dataclass(frozen=True, slots=True)
class FavoriteStatus:
    """The current status of a favorite.

    `listed` is the id under which the provider lists it, None if it does not. `reason` is why it cannot be
    used, None if it can.
    """

    favorite: Favorite
    provider: str
    model: str
    listed: str | None
    reason: FavoriteReason | None

    @property
    def id(self) -> str:
        return f"{self.provider}/{self.model}"


def favorite_status(favorite: Favorite, names: Mapping[str, str], view: View) -> FavoriteStatus:
    """Resolve `favorite` with the current `names` of the providers and the `view` of them."""
    name, _, model = favorite.id.partition("/")
    provider = names.get(name)
    if provider is None:
        return FavoriteStatus(favorite, name, model, None, "orphan")
    seen = view[provider]
    listed = seen.listed(model)
    reason: FavoriteReason | None = None
    if seen.status == "disabled":
        reason = "provider_disabled"
    elif not seen.available:
        reason = "provider_offline"
    elif listed is None and (seen.exhaustive or not seen.admits(model)):
        reason = "model_not_found"
    return FavoriteStatus(favorite, provider, model, listed, reason)


def favorite_id(resolution: Resolution, *, forwards: bool) -> str:
    """Return the composite id under which a resolved name is stored.

    `forwards`: the provider gets ids that it does not list. A model that a known provider does not list at
    the moment can be stored. Raises `RequestError` for a role, for a text that cannot be an id, and for an
    unknown name.
    """
    if resolution.rule == "role":
        message = f"'{resolution.requested}' is a role, and favorites are models"
        raise request_error("invalid_request", message, "id")
    refusal = resolution.refusal
    if resolution.provider is None:
        message = refusal.message if refusal else f"'{resolution.requested}' is not a model id"
        raise request_error("invalid_request", message, "id")
    model = resolution.listed or resolution.model
    problem = model_id_problem(model, resolution.provider)
    if problem is not None:
        raise request_error("invalid_request", f"model id '{model}' {problem}", "id")
    if resolution.rule == "bare" and resolution.listed is None and not forwards:
        head, slash, _ = model.partition("/")
        suggestions = refusal.suggestions if refusal else ()
        unknown = refusal is not None and refusal.is_unknown_provider
        if slash and not unknown:
            raise request_error("model_not_found", suggest(f"unknown provider '{head}'", suggestions), "id")
        if refusal is not None and refusal.code == "model_not_found":
            raise request_error("model_not_found", suggest(refusal.message, suggestions), "id")
    return f"{resolution.provider}/{model}"
