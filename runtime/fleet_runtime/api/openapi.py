"""The OpenAPI description of the API, made from its operations and shapes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec

from fleet_runtime.api import event_stream
from fleet_runtime.api.examples import EXAMPLES
from fleet_runtime.api.operation import JSON, Header, Operation, Parameter, PathPart, Query
from fleet_runtime.api.shapes import ErrorBody
from fleet_runtime.api_shape import ApiShape
from fleet_runtime.errors import ERROR_KINDS
from fleet_runtime.events import EVENTS

DESCRIPTION: Final = """\
Providers, models, name resolution and favorites of a fleet.

Inference is not described here: it uses the paths of OpenAI, Anthropic and llama.cpp, below `/`, `/<surface>`
and `/providers/<name>`. Every GET has a HEAD.
"""
_REFERENCE: Final = "#/components/schemas/{name}"
_ETAG: Final = {"ETag": {"description": "stands for this response", "schema": {"type": "string"}}}


@cache
def openapi_document(operations: tuple[Operation, ...]) -> bytes:
    """Return ``/openapi.json``."""
    paths: dict[str, dict[str, Any]] = {}
    described = [operation for operation in operations if operation.described]
    for operation in described:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "fleet", "version": version("boofleet"), "description": DESCRIPTION},
        "paths": paths,
        "components": {"schemas": _schemas(described)},
    }
    return msgspec.json.encode(document)


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(operation.body)}}}
    if operation.shape is None:
        described["description"] = event_stream.DESCRIPTION
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    place = parameter.place
    schema = _schema(parameter.type)
    if not parameter.required and parameter.default is not None:
        schema = schema | {"default": parameter.default}
    described: dict[str, Any] = {
        "name": parameter.name.title() if isinstance(place, Header) else parameter.name,
        "in": {Query: "query", Header: "header", PathPart: "path"}[type(place)],
        "required": parameter.required,
        "description": place.description,
        "schema": schema,
    }
    if place.example is not None:
        described["example"] = msgspec.convert(place.example, parameter.type, strict=False)
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    """Return the response of the operation, its declared errors by status, and the default error."""
    headers = {parameter.name for parameter in operation.parameters}
    if operation.shape is not None:
        success: dict[str, Any] = {
            "description": "the response",
            "content": {JSON: {"schema": _schema(operation.shape)}},
        }
    else:
        content = {"schema": {"type": "string"}, "example": event_stream.EXAMPLE}
        success = {"description": "the events", "content": {event_stream.MEDIA_TYPE: content}}
    responses: dict[str, Any] = {"200": success}
    if headers & {"if-none-match", "if-match"} or operation.name == "list_favorites":
        success["headers"] = _ETAG
    if "if-none-match" in headers:
        responses["304"] = {"description": "not modified since the client's previous response"}
    by_status: dict[str, list[str]] = {}
    for code in operation.errors:
        by_status.setdefault(str(ERROR_KINDS[code].status), []).append(f"`{code}`")
    errors = {status: ", ".join(codes) for status, codes in by_status.items()}
    for status, description in {**errors, "default": "any other error of the gateway"}.items():
        content = {JSON: {"schema": _schema(ErrorBody)}}
        responses[status] = {"description": description, "content": content}
    return responses


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return schema


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the schemas of all shapes and events, with their examples."""
    used = {shape for each in operations for shape in (each.shape, each.body) if shape is not None}
    kinds: list[type[ApiShape]] = sorted({*used, ErrorBody, *EVENTS}, key=lambda shape: shape.__name__)
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    for shape, example in EXAMPLES.items():
        schemas[shape.__name__]["examples"] = [msgspec.to_builtins(example)]
    events = {event.topic: f"{event.__name__}Event" for event in EVENTS}
    for event in EVENTS:
        schemas[events[event.topic]] = {
            "title": events[event.topic],
            "type": "object",
            "properties": {"event": {"const": event.topic}, "data": _schema(event)},
            "required": ["event", "data"],
        }
    references = {topic: _REFERENCE.format(name=name) for topic, name in events.items()}
    schemas["FleetEvent"] = {
        "title": "FleetEvent",
        "description": "Any event of `GET /api/events`.",
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "event", "mapping": references},
    }
    return schemas
