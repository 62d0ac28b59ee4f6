"""``/api/favorites``: the favorites, which all surfaces share.

A change may have ``If-Match`` with the ``ETag`` of the list that the client read, and is rejected with 412 if
the list has changed since. To replace all favorites, it is required; ``*`` matches any list. A key limited to
surfaces sees and changes only favorites of providers that its surface may use.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

from fleet_runtime.api.call import Call, Surface, json_reply
from fleet_runtime.api.operation import Header, PathPart, Reply, operation
from fleet_runtime.api.shapes import FavoriteOrder
from fleet_runtime.catalog.favorite_status import favorite_id
from fleet_runtime.catalog.favorites import (
    AddFavorite,
    Command,
    FavoritesChange,
    RemoveFavorite,
    ReorderFavorites,
    TooManyFavoritesError,
    VersionConflictError,
    present_id,
)
from fleet_runtime.catalog.shapes import FavoriteList
from fleet_runtime.errors import request_error
from fleet_runtime.routing.resolver import Resolution
from fleet_runtime.store.store import StoreUnavailableError

CHANGE_ERRORS = ("invalid_request", "model_not_found", "version_conflict", "store_unavailable")
EXPECTED = "the `etag` of the list to change, or `*`"

IfMatch = Annotated[str | None, Header(EXPECTED, '"3b9ac9ff12d0-7"')]
RequiredIfMatch = Annotated[str | None, Header(EXPECTED, "*", required=True)]
FavoriteName = Annotated[
    str,
    PathPart(
        "any name of a model; stored as its composite id; slashes need not be encoded", "embedding/qwen3-8b"
    ),
]


@operation("GET", "/api/favorites", "List all favorites in order", "not_found")
async def list_favorites(call: Call, surface: Surface = None) -> Annotated[Reply, FavoriteList]:
    return _favorites(call, surface)


@operation("PUT", "/api/favorites", "Replace the list; needs If-Match", *CHANGE_ERRORS, "version_required")
async def reorder_favorites(
    call: Call, order: FavoriteOrder, if_match: RequiredIfMatch = None
) -> Annotated[Reply, FavoriteList]:
    if if_match is None:
        message = "replacing all favorites requires If-Match with the `etag` of the list that was changed"
        raise request_error("version_required", message)
    names = _names(call)
    stored = {present_id(item.id, names) for item in call.service.store.favorites.items}
    ids = []
    for item in order.favorites:
        text = item if isinstance(item, str) else item.id
        id = present_id(text, names)
        ids.append(id if id in stored else _composite_id(call, await _resolve(call, text, None)))
    return await _change(call, ReorderFavorites(tuple(ids), time.time()), if_match, None)


@operation(
    "PUT",
    "/api/favorites/{id:path}",
    "Append a favorite, by any name of the model",
    *CHANGE_ERRORS,
    "surface_not_allowed",
)
async def add_favorite(
    call: Call, id: FavoriteName, surface: Surface = None, if_match: IfMatch = None
) -> Annotated[Reply, FavoriteList]:
    composite_id = _composite_id(call, await _resolve(call, id, surface))
    command = AddFavorite(composite_id, time.time(), present_id(id, _names(call)))
    return await _change(call, command, if_match, surface)


@operation(
    "DELETE",
    "/api/favorites/{id:path}",
    "Remove a favorite",
    *CHANGE_ERRORS,
    "surface_not_allowed",
)
async def remove_favorite(
    call: Call, id: FavoriteName, surface: Surface = None, if_match: IfMatch = None
) -> Annotated[Reply, FavoriteList]:
    resolution = await _resolve(call, id, surface)
    ids = {id, present_id(id, _names(call))}
    if resolution.provider is not None:
        ids.add(f"{resolution.provider}/{resolution.listed or resolution.model}")
    if call.limited:
        allowed = {provider.name for provider in call.table(surface).providers}
        ids = {each for each in ids if each.partition("/")[0] in allowed}
    return await _change(call, RemoveFavorite(frozenset(ids)), if_match, surface)


OPERATIONS = (list_favorites, reorder_favorites, add_favorite, remove_favorite)


def _names(call: Call) -> Mapping[str, str]:
    return call.live.snapshot.fleet.names


async def _resolve(call: Call, text: str, surface: str | None) -> Resolution:
    """Resolve the name of a favorite; raises `RequestError` if the surface may not use it."""
    resolution = await call.live.resolve(call.table(surface), text)
    if resolution.refusal is not None and resolution.refusal.code == "surface_not_allowed":
        raise request_error("surface_not_allowed", resolution.refusal.message, "id")
    return resolution


def _composite_id(call: Call, resolution: Resolution) -> str:
    config = call.live.snapshot.connections.get(resolution.provider or "")
    return favorite_id(resolution, forwards=config is not None and config.unlisted == "forward")


async def _change(call: Call, command: Command, if_match: str | None, surface: str | None) -> Reply:
    try:
        await call.service.store.edit(FavoritesChange(_names(call), command, _tags(if_match)))
    except VersionConflictError as conflict:
        message = str(conflict)
        if any(tag.isdigit() for tag in _tags(if_match) or ()):
            message = f"If-Match takes the list's `etag`, not its version alone: {conflict.current.etag} now"
        headers = ((b"etag", conflict.current.etag.encode()),)
        raise request_error("version_conflict", message, headers=headers) from None
    except TooManyFavoritesError as error:
        raise request_error("invalid_request", str(error), "favorites") from None
    except StoreUnavailableError as error:
        raise request_error("store_unavailable", str(error)) from None
    return _favorites(call, surface)


def _favorites(call: Call, surface: str | None) -> Reply:
    """Return the current list. It must not be cached, because the availability of favorites changes without a
    new version."""
    favorites = call.live.catalog.favorite_list(call.table(surface), allowed_only=call.limited)
    return json_reply(favorites, (b"etag", favorites.etag.encode()), (b"cache-control", b"no-store"))


def _tags(if_match: str | None) -> frozenset[str] | None:
    """Return the tags in ``If-Match``; None for any. A tag of another server matches nothing."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(tag.strip().strip('"') for tag in if_match.split(","))
