"""``/api/models``, ``/api/picker``, ``/api/resolve`` and ``/api/roles``: model lists and name resolution."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fleet_runtime.api.call import (
    AcceptEncoding,
    Call,
    IfNoneMatch,
    Surface,
    WithFavorites,
    tagged_reply,
)
from fleet_runtime.api.operation import PathPart, Query, Reply, operation
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.shapes import CatalogModel, ModelCatalog, ModelResolution, Picker, Roles
from fleet_runtime.errors import request_error
from fleet_runtime.turns import in_turns

Name = Annotated[str, Query("a composite id, an alias, a bare id, or a role as `@name`", "qwen3-8b")]
ModelName = Annotated[str, PathPart("any name that resolves to a model", "nas/qwen3-8b")]


@operation("GET", "/api/models", "List the models of a surface by provider", "not_found", "invalid_request")
async def list_models(
    call: Call,
    surface: Surface = None,
    favorites: WithFavorites = None,
    if_none_match: IfNoneMatch = None,
    accept_encoding: AcceptEncoding = None,
) -> Annotated[Reply, ModelCatalog]:
    table, lists, marked = call.table(surface), call.live.lists, favorites is None
    await in_turns(lists.parts(table, favorites=marked))
    found = lists.by_provider(table, favorites=marked)
    return await tagged_reply(found, if_none_match, accept_encoding)


@operation(
    "GET", "/api/models/{id:path}", "Show one model, by any name that resolves to it", "model_not_found"
)
async def get_model(
    call: Call, id: ModelName, surface: Surface = None, if_none_match: IfNoneMatch = None
) -> Annotated[Reply, CatalogModel]:
    table = call.table(surface)
    resolution = await call.live.resolve(table, id)
    model = call.live.catalog.find_model(table, resolution)
    if model is None:
        refusal = resolution.refusal
        message = refusal.message if refusal else f"unknown model '{id}'"
        raise request_error("model_not_found", message, "model")
    return await tagged_reply(TaggedBody(msgspec.json.encode(model)), if_none_match)


@operation(
    "GET", "/api/picker", "List the content of a model picker: favorites, then every provider", "not_found"
)
async def get_picker(
    call: Call,
    surface: Surface = None,
    favorites: WithFavorites = None,
    if_none_match: IfNoneMatch = None,
    accept_encoding: AcceptEncoding = None,
) -> Annotated[Reply, Picker]:
    table, lists, marked = call.table(surface), call.live.lists, favorites is None
    await in_turns(lists.parts(table, favorites=marked, chat_only=True))
    found = lists.picker(table, favorites=marked)
    return await tagged_reply(found, if_none_match, accept_encoding)


@operation(
    "GET",
    "/api/resolve",
    "Show which provider and model a name resolves to, and why",
    "invalid_request",
    "not_found",
)
async def resolve_name(call: Call, model: Name, surface: Surface = None) -> ModelResolution:
    resolution = await call.live.resolve(call.table(surface), model, falls_back=True)
    return call.live.catalog.resolution(resolution)


@operation("GET", "/api/roles", "Show what each role of a surface resolves to", "not_found")
async def list_roles(call: Call, surface: Surface = None) -> Roles:
    return call.live.catalog.roles(call.table(surface), allowed_only=call.limited)


OPERATIONS = (list_models, get_model, get_picker, resolve_name, list_roles)
