"""A hosted provider with OpenAI's API that requires a Bearer key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from fleet_runtime.simulator.engine import OPENAI_PATHS, ActiveRequest, Engine, TooLongError, decoded, form
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.reply import Reply, cloud, json_reply

_CREATED = 1735689600
_CODES = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


def error(status: int, message: str) -> Reply:
    kind, code = _CODES.get(status, ("server_error", None))
    return json_reply({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)


async def respond(
    engine: Engine, active: ActiveRequest, marks: Mapping[str, Any] = MappingProxyType({})
) -> Reply:
    """Respond as OpenAI does; each item of the list has the `marks` of another kind of server, too."""
    request = active.request
    if (request.method, request.path) == ("GET", "/v1/models"):
        items = [
            {"id": model.id, "object": "model", "created": _CREATED, "owned_by": engine.spec.name, **marks}
            for model in engine.listed
        ]
        return json_reply({"object": "list", "data": items})
    endpoint = OPENAI_PATHS.get(request.path)
    if request.method != "POST" or endpoint is None:
        return error(404, f"Invalid URL ({request.method} {request.path})")
    multipart = (request.header("content-type") or "").startswith("multipart/")
    payload = form(request) if multipart else decoded(request)
    if payload is None:
        return error(400, "We could not parse the JSON body of your request.")
    name = payload.get("model")
    model = engine.by_name.get(name) if isinstance(name, str) else None
    if model is None:
        return error(404, f"The model `{name}` does not exist or you do not have access to it.")
    await engine.enter(active, model)
    try:
        return await engine.respond(active, endpoint, model, payload, llama_cpp=False)
    except TooLongError as long:
        return error(400, f"This model's maximum context length is {long.context} tokens.")


PRODUCT = Product(
    headers=cloud,
    respond=respond,
    error=error,
    unauthorized=lambda: error(401, "Incorrect API key provided."),
    list_paths=frozenset({"/v1/models"}),
    resident=True,
)


def marked(marks: Mapping[str, Any]) -> Product:
    """Return a server that is recognised by `marks`, and otherwise is like any other server of OpenAI's
    API."""
    return replace(PRODUCT, respond=partial(respond, marks=marks))
