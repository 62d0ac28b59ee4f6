"""The gateway's own API (``/api``, ``/health``, ``/ready``): FastAPI, off the hot path.

Every handler runs on the event loop: none of them waits for anything but a fresh look at a machine, a write
to the store, or a reload.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import BaseRoute, Match

from fleet_runtime.api.events import event_schemas
from fleet_runtime.api.favorites import add_favorites
from fleet_runtime.api.fleet import add_fleet
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
from fleet_runtime.api.schemas import CatalogModel, Health, ModelCatalog, Ready, Resolution, Roles
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.errors import error_body
from fleet_runtime.gateway.service import Service
from fleet_runtime.telemetry.metrics import CONTENT_TYPE

DESCRIPTION = """\
Which machines and models there are, what a name means, and what is preferred.

Inference is not described here: it has the paths of OpenAI, Anthropic and llama.cpp, below `/`, `/<surface>`
and `/providers/<name>`.
"""

Name = Annotated[
    str,
    Query(
        description="a composite id, an alias, a bare id, or a role as `@name`",
        examples=["qwen3-8b", "@task"],
    ),
]
ModelName = Annotated[str, Path(description="anything that resolves to a model", examples=["nas/qwen3-8b"])]


def create_api(service: Service) -> FastAPI:
    """The API over whatever snapshot the service runs when a request comes."""
    api = FastAPI(
        title="fleet",
        version=version("boofleet"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )

    @api.get(
        "/health",
        summary="the process answers",
        response_model=None,
        responses=described(Health, "it does"),
    )
    async def health() -> Response:
        return answered({"status": "ok"})

    @api.get(
        "/ready",
        summary="a snapshot is loaded; machines do not matter",
        response_model=None,
        responses=described(Ready, "it is"),
    )
    async def ready() -> Response:
        return answered({"status": "ready", "snapshot": service.live.snapshot.id})

    @api.get(
        "/api/models",
        summary="the models of a surface, grouped by provider",
        response_model=None,
        responses=described(ModelCatalog, "every machine with its models", "not_found", etag=True)
        | NOT_MODIFIED,
    )
    async def list_models(surface: Surface = None, if_none_match: IfNoneMatch = None) -> Response:
        running = service.live
        return tagged(running.catalog.by_provider(surface_table(running, surface)), if_none_match)

    @api.get(
        "/api/models/{id:path}",
        summary="one model, by anything that resolves to it",
        response_model=None,
        responses=described(CatalogModel, "the model", "model_not_found", etag=True) | NOT_MODIFIED,
    )
    async def get_model(
        id: ModelName, surface: Surface = None, if_none_match: IfNoneMatch = None
    ) -> Response:
        running = service.live
        table = surface_table(running, surface)
        answer = await running.resolve(table, id)
        found = running.catalog.model(table, answer)
        if found is None:
            message = answer.refusal.message if answer.refusal else f"nothing is known of model '{id}'"
            raise refusal("model_not_found", message, "model")
        return tagged(TaggedBody.of(msgspec.json.encode(found)), if_none_match)

    @api.get(
        "/api/resolve",
        summary="which machine and model a name means, and why",
        response_model=None,
        responses=described(Resolution, "what the router decides", "invalid_request", "not_found"),
    )
    async def resolve(model: Name, surface: Surface = None) -> Response:
        running = service.live
        table = surface_table(running, surface)
        answer = await running.resolve(table, model, falls_back=True)
        return answered(running.catalog.described(table, answer))

    @api.get(
        "/api/roles",
        summary="what each role of a surface means now",
        response_model=None,
        responses=described(Roles, "the roles by name", "not_found"),
    )
    async def list_roles(surface: Surface = None) -> Response:
        running = service.live
        return answered(running.catalog.roles(surface_table(running, surface)))

    @api.get("/metrics", summary="Prometheus metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(service.metrics.exposition(), media_type=CONTENT_TYPE)

    add_fleet(api, service)
    add_favorites(api, service)
    api.add_exception_handler(StarletteHTTPException, _http_error)
    api.add_exception_handler(RequestValidationError, _invalid_request)
    _describe_events(api)
    return api


def _describe_events(api: FastAPI) -> None:
    """Add the shapes of the events, which no operation answers as such, to what ``/openapi.json`` says."""
    describe = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            describe()["components"]["schemas"].update(event_schemas())
        return describe()

    api.openapi = openapi  # type: ignore[method-assign]


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    detail: Any = error.detail
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["allow"] = ", ".join(sorted(_methods(request)))
    if not isinstance(detail, dict):
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        detail = {"code": code, "message": f"{request.method} {request.url.path}: {str(detail).lower()}"}
    return JSONResponse(error_body(**detail), error.status_code, headers=headers)


def _methods(request: Request) -> set[str]:
    """Every method that the path takes; each route knows only its own."""
    routes: list[BaseRoute] = request.app.routes
    taking = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in taking for method in getattr(route, "methods", None) or ()}


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = str(first["loc"][-1])
    message = f"{request.url.path}: '{param}': {str(first['msg']).lower()}"
    return JSONResponse(error_body(code="invalid_request", message=message, param=param), 400)
