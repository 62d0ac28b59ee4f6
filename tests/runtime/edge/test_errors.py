"""Errors of the gateway's own: OpenAI's shape, Anthropic's on its API, each code with its status."""

from __future__ import annotations

import json

import pytest

from fleet_runtime.errors import ERROR_KINDS, ErrorResponse, request_error, suggest
from tests.support.artifacts import connection
from tests.support.gateway import running_gateway
from tests.support.raw_client import ask

STATUSES = {
    "invalid_json": 400,
    "model_required": 400,
    "unauthorized": 401,
    "surface_not_allowed": 403,
    "forbidden_host": 403,
    "forbidden_origin": 403,
    "model_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "model_asleep": 409,
    "body_too_large": 413,
    "too_many_requests": 429,
    "not_implemented": 501,
    "upstream_error": 502,
    "upstream_redirect": 502,
    "provider_unreachable": 503,
    "provider_disabled": 503,
    "upstream_timeout": 504,
}


def test_every_documented_code_has_its_status() -> None:
    assert {code: ERROR_KINDS[code].status for code in STATUSES} == STATUSES


@pytest.mark.parametrize("code", ERROR_KINDS)
def test_every_code_is_reported_in_three_shapes(code: str) -> None:
    answer = ErrorResponse(code, "what 'x' did", "model")
    error = json.loads(answer.body())["error"]
    assert error == {
        "message": "what 'x' did",
        "type": ERROR_KINDS[code].type,
        "code": code,
        "param": "model",
    }
    anthropic = json.loads(answer.body("anthropic"))
    assert anthropic["type"] == "error"
    assert anthropic["error"] == error | {"type": ERROR_KINDS[code].anthropic}
    assert json.loads(answer.body("ollama")) == {"error": "what 'x' did"}
    assert answer.event().startswith(b"\n\ndata: {")
    assert answer.event("anthropic").startswith(b"\n\nevent: error\ndata: {")
    assert answer.event().count(b"\n") == 4


def test_a_message_that_cannot_be_encoded_is_reported_anyway() -> None:
    assert json.loads(request_error("not_found", "'\ud800'").answer.body())["error"]["message"] == "'?'"


def test_suggestions_are_at_the_end_of_the_message() -> None:
    assert suggest("no", ()) == "no"
    assert suggest("no", ("a", "b")) == "no; did you mean 'a', 'b'?"


def test_an_error_that_outlasts_a_clients_patience_is_not_retried() -> None:
    advice = {code: dict(request_error(code, "x").answer.headers) for code in ERROR_KINDS}
    final = {code for code, headers in advice.items() if headers.get(b"x-should-retry") == b"false"}
    access = {"unauthorized", "surface_not_allowed", "forbidden_host", "forbidden_origin"}
    offline = {"provider_unreachable", "provider_disabled"}
    assert final == access | offline | {"request_cancelled", "loop_detected"}
    assert {code for code, headers in advice.items() if b"retry-after-ms" in headers} == offline
    assert {ERROR_KINDS[code].anthropic for code in offline} == {"api_error"}


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/providers/a/v1/messages"])
async def test_on_the_messages_api_errors_have_anthropics_shape(path: str) -> None:
    async with running_gateway(connection("a", "http://127.0.0.1:1")) as gateway:
        for body, headers, status, type_ in (
            (b"{", {}, 400, "invalid_request_error"),
            (b'{"model":"a/none"}', {}, 404, "not_found_error"),
            (b'{"model":1}', {}, 400, "invalid_request_error"),
            (b'{"model":"m"}', {}, 503, "api_error"),
            (b'{"model":"m"}', {"origin": "http://evil"}, 403, "permission_error"),
        ):
            answer = await ask(gateway.port, path, body, headers)
            assert answer.status == status
            assert answer.json()["type"] == "error"
            assert answer.json()["error"]["type"] == type_
        assert (await ask(gateway.port, path)).json()["type"] == "error"


@pytest.mark.anyio
async def test_a_failure_of_the_gateway_itself_is_500_with_a_code_and_nothing_of_its_inside() -> None:
    async with running_gateway(connection("a")) as gateway:
        gateway.fleet.view = {}
        answer = await ask(gateway.port, "/v1/chat/completions", {"model": "a/m"})
        assert (answer.status, answer.code) == (500, "internal_error")
        assert "KeyError" not in answer.body.decode()
        assert answer.header(b"x-request-id")
