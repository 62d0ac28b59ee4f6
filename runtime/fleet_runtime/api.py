"""The gateway's own API (``/api``, ``/health``, ``/ready``): FastAPI, off the hot path."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from fleet_runtime.api_answers import Surface, surface_table, tagged
from fleet_runtime.api_favorites import favorites_router
from fleet_runtime.api_fleet import fleet_router
from fleet_runtime.errors import error_body
from fleet_runtime.metrics import CONTENT_TYPE
from fleet_runtime.service import Service


def create_api(service: Service) -> FastAPI:
    """The API over whatever snapshot the service runs when a request comes."""
    api = FastAPI(title="fleet", docs_url=None, redoc_url=None)

    @api.get("/health", summary="the process answers")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/ready", summary="a snapshot is loaded; machines do not matter")
    def ready() -> dict[str, str]:
        return {"status": "ready", "snapshot": service.running.snapshot.id}

    @api.get("/api/models", summary="the models of a surface, grouped by provider")
    def models(surface: Surface = None, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        running = service.running
        body = running.catalog.by_provider(surface_table(running, surface))
        return tagged(body, if_none_match)

    @api.get("/api/models/{id:path}", summary="one model, by anything that resolves to it")
    async def model(id: str, surface: Surface = None) -> dict[str, Any]:
        running = service.running
        table = surface_table(running, surface)
        answer = await running.resolve(table, id)
        found = running.catalog.model(table, answer)
        if found is None:
            message = answer.refusal.message if answer.refusal else f"nothing is known of model '{id}'"
            raise HTTPException(404, detail={"code": "model_not_found", "message": message, "param": "model"})
        return found

    @api.get("/api/resolve", summary="which machine and model a name means, and why")
    async def resolve(model: str, surface: Surface = None) -> dict[str, Any]:
        running = service.running
        table = surface_table(running, surface)
        return running.catalog.described(table, await running.resolve(table, model, falls_back=True))

    @api.get("/api/roles", summary="what each role of a surface means now")
    def roles(surface: Surface = None) -> dict[str, Any]:
        running = service.running
        return running.catalog.roles(surface_table(running, surface))

    @api.get("/metrics", summary="Prometheus metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(service.metrics.exposition(), media_type=CONTENT_TYPE)

    api.include_router(fleet_router(service))
    api.include_router(favorites_router(service))
    api.add_exception_handler(StarletteHTTPException, _http_error)
    api.add_exception_handler(RequestValidationError, _invalid_request)
    return api


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    detail: Any = error.detail
    if not isinstance(detail, dict):
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        detail = {"code": code, "message": f"{request.method} {request.url.path}: {str(detail).lower()}"}
    return JSONResponse(error_body(**detail), error.status_code, headers=dict(error.headers or {}))


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = str(first["loc"][-1])
    message = f"{request.url.path}: '{param}': {str(first['msg']).lower()}"
    return JSONResponse(error_body(code="invalid_request", message=message, param=param), 400)
