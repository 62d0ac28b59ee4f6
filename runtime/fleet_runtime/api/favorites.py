"""``/api/favorites`` and ``/api/picker``: what is preferred, on every surface the same.

A change may carry ``If-Match`` with the version that it was meant for (the list's ``ETag``) and is refused
with 412 where that is past; replacing the whole list must carry it, ``*`` meaning whatever is there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import FastAPI, Header, Request, Response
from pydantic import BaseModel, Field

from fleet_runtime.api.responses import (
    NOT_MODIFIED,
    IfNoneMatch,
    Surface,
    answered,
    described,
    refusal,
    surface_table,
    tagged,
)
from fleet_runtime.api.schemas import FavoriteList as Shape
from fleet_runtime.api.schemas import Picker
from fleet_runtime.catalog.favorite_status import favorite_id
from fleet_runtime.catalog.favorites import (
    MAX_FAVORITES,
    AddFavorite,
    Command,
    FavoritesChange,
    RemoveFavorite,
    ReorderFavorites,
    TooManyFavoritesError,
    VersionConflictError,
    present_id,
)
from fleet_runtime.errors import RequestError
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.service import Service
from fleet_runtime.store.store import StoreUnavailableError

PREFIX = "/api/favorites/"
CHANGING = ("invalid_request", "model_not_found", "version_conflict", "store_unavailable")
NAMED = "any name of a model, kept as its composite id; slashes need not be encoded"
MEANT_FOR = "the version of the list that the change is meant for, as its `ETag` has it, or `*`"

IfMatch = Annotated[str | None, Header(description=MEANT_FOR, examples=['"7"'])]


class Chosen(BaseModel):
    """A favorite as ``GET /api/favorites`` shows it; only its id counts."""

    id: str


class WholeList(BaseModel):
    """The favorites in their order: ids, or what ``GET /api/favorites`` answered."""

    favorites: list[str | Chosen] = Field(max_length=MAX_FAVORITES)


def add_favorites(api: FastAPI, service: Service) -> None:
    """Add the routes over a running service and its store."""

    @api.get(
        "/api/picker",
        summary="what a model picker shows: favorites first, then every provider",
        response_model=None,
        responses=described(Picker, "what can be picked", "not_found", etag=True) | NOT_MODIFIED,
    )
    async def get_picker(surface: Surface = None, if_none_match: IfNoneMatch = None) -> Response:
        running = service.live
        return tagged(running.catalog.picker(surface_table(running, surface)), if_none_match)

    @api.get(
        "/api/favorites",
        summary="all favorites in their order, those that are away too",
        response_model=None,
        responses=described(Shape, "the favorites", "not_found", etag=True),
    )
    async def list_favorites(surface: Surface = None) -> Response:
        return _listed(service.live, surface)

    @api.put(
        "/api/favorites",
        summary="make the list exactly this; needs If-Match",
        response_model=None,
        responses=described(Shape, "the favorites now", *CHANGING, "version_required", etag=True),
        openapi_extra=_parameter("header", "If-Match", MEANT_FOR, "*"),
    )
    async def arrange_favorites(wanted: WholeList, request: Request) -> Response:
        if_match = request.headers.get("if-match")
        if if_match is None:
            message = "replacing the whole list needs If-Match with the version that it was made from"
            raise refusal("version_required", message)
        running = service.live
        stored = {present_id(item.id, _names(running)) for item in service.store.favorites.items}
        ids = []
        for chosen in wanted.favorites:
            text = chosen if isinstance(chosen, str) else chosen.id
            known = present_id(text, _names(running))
            ids.append(known if known in stored else await _composite(running, text))
        return await _change(service, ReorderFavorites(tuple(ids), time.time()), if_match)

    @api.put(
        "/api/favorites/{id:path}",
        summary="add a favorite at the end, by any name of the model",
        response_model=None,
        responses=described(Shape, "the favorites now", *CHANGING, etag=True),
        openapi_extra=_parameter("path", "id", NAMED, "embedding/qwen3-8b"),
    )
    async def add_favorite(request: Request, if_match: IfMatch = None) -> Response:
        running, text = service.live, _id(request)
        id = await _composite(running, text)
        asked = present_id(text, _names(running))
        return await _change(service, AddFavorite(id, time.time(), asked), if_match)

    @api.delete(
        "/api/favorites/{id:path}",
        summary="remove a favorite, if it is one",
        response_model=None,
        responses=described(Shape, "the favorites now", *CHANGING, etag=True),
        openapi_extra=_parameter("path", "id", NAMED, "embedding/qwen3-8b"),
    )
    async def remove_favorite(request: Request, if_match: IfMatch = None) -> Response:
        running, text = service.live, _id(request)
        ids = {text, present_id(text, _names(running))}
        answer = await running.resolve(running.snapshot.fleet, text)
        if answer.provider is not None:
            ids.add(f"{answer.provider}/{answer.listed or answer.model}")
        return await _change(service, RemoveFavorite(frozenset(ids)), if_match)


def _parameter(place: str, name: str, description: str, example: str) -> dict[str, Any]:
    """What OpenAPI is told of a parameter that the route itself takes from the request."""
    parameter = {"name": name, "in": place, "required": True, "description": description}
    return {"parameters": [parameter | {"schema": {"type": "string"}, "example": example}]}


def _names(running: LiveSnapshot) -> Mapping[str, str]:
    return running.snapshot.fleet.names


def _id(request: Request) -> str:
    """The rest of the path, decoded once, so that an id may hold slashes and, encoded, anything."""
    try:
        return unquote_to_bytes(request.scope["raw_path"]).decode().removeprefix(PREFIX)
    except UnicodeDecodeError:
        raise refusal("invalid_request", "the id in the path is not UTF-8", "id") from None


async def _composite(running: LiveSnapshot, text: str) -> str:
    """The composite id under which `text` is kept."""
    answer = await running.resolve(running.snapshot.fleet, text)
    connection = running.snapshot.connections.get(answer.provider or "")
    try:
        return favorite_id(answer, forwards=connection is not None and connection.unlisted == "forward")
    except RequestError as refused:
        told = refused.answer
        raise refusal(told.code, told.message, told.param) from None


async def _change(service: Service, command: Command, if_match: str | None) -> Response:
    try:
        names = _names(service.live)
        await service.store.edit(FavoritesChange(names, command, _versions(if_match)))
    except VersionConflictError as conflict:
        tag = {"etag": f'"{conflict.current.version}"'}
        raise refusal("version_conflict", str(conflict), headers=tag) from None
    except TooManyFavoritesError as refused:
        raise refusal("invalid_request", str(refused), "favorites") from None
    except StoreUnavailableError as unavailable:
        raise refusal("store_unavailable", str(unavailable)) from None
    return _listed(service.live, None)


def _listed(running: LiveSnapshot, surface: str | None) -> Response:
    """The list as it is now. No cache may answer it: what a favorite means changes without its version."""
    found = running.catalog.favorite_list(surface_table(running, surface))
    return answered(found, {"etag": f'"{found["version"]}"', "cache-control": "no-store"})


def _versions(if_match: str | None) -> frozenset[int] | None:
    """The versions that ``If-Match`` names; None for any. A tag that is none of ours matches nothing."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip().strip('"') for tag in if_match.split(","))
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 20)
