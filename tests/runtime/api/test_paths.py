"""HEAD, wrong paths and methods, large bodies and wrong parameters of the API (real processes)."""

from __future__ import annotations

import json
import socket

import pytest

from fleet_runtime.api.app import OPERATIONS
from fleet_runtime.edge.asgi import MAX_BODY
from tests.support.stack import Stack
from tests.support.waiting import eventually

GETS = [
    each.path
    for each in OPERATIONS
    if each.method == "GET" and "{" not in each.path and each.path != "/api/events"
]


@pytest.mark.parametrize("path", GETS)
def test_head_is_get_without_the_body(stack: Stack, path: str) -> None:
    query = {"model": "qwen3-8b"} if path == "/api/resolve" else None
    head, get = stack.client.head(path, params=query), stack.client.get(path, params=query)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_of_the_events_ends_at_once(stack: Stack) -> None:
    head = stack.client.head("/api/events")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/boochat/chat/completions", "/boochat/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/boochat/v1/v1/models", "/boochat/v1/models"),
        ("//v1/models", "/v1/models"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1//embeddings", "/v1/embeddings"),
        ("/models", "/v1/models"),
        ("/api/v1/models", "/v1/models"),
        ("/api/fleet/", "/api/fleet"),
        ("/health/", "/health"),
        ("/v1", "/v1/models"),
        ("/boochat/v1/", "/boochat/v1/models"),
        ("/V1/models", "/v1/models"),
        ("/v1/Chat/Completions", "/v1/chat/completions"),
        ("/openai/v1/models", "/v1/models"),
        ("/openai/chat/completions", "/v1/chat/completions"),
        ("/api/chat/completions", "/v1/chat/completions"),
        ("/v1beta/models", "/v1/models"),
        ("/v1beta/openai/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/chat/completion", "/v1/chat/completions"),
        ("/v1/embedding", "/v1/embeddings"),
        ("/api/favorite", "/api/favorites"),
        ("/v1%2fmodels", "/v1/models"),
    ],
)
def test_a_wrong_path_gets_a_hint(stack: Stack, path: str, meant: str) -> None:
    # httpx would tidy the path, and so would a base URL
    response = stack.client.post(f"{stack.url}{path}", content=b"{}")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (404, "not_found")
    assert error["message"] == f"path '{path}' does not exist; did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("/api/chat", ""),
        ("/api/tags", ""),
        ("/api/embeddings", ""),
        ("/api/show/", ""),
        ("/boochat/api/generate", "/boochat"),
    ],
)
def test_a_path_of_ollamas_api_says_where_that_is(stack: Stack, path: str, base: str) -> None:
    response = stack.client.post(path, content=b"{}")
    places = f"Ollama's API is at '{base}/ollama', OpenAI's at '{base}/v1'"
    message = f"path '{path}' does not exist; {places}"
    assert (response.status_code, response.json()["error"]["message"]) == (404, message)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v2/models", "/boochat", "/api", "/v1/" + "x" * 253, "/%E2%82%AC"]
)
def test_any_other_wrong_path_gets_none(stack: Stack, path: str) -> None:
    error = stack.client.get(path).json()["error"]
    assert (error["code"], error["message"]) == ("not_found", f"path '{path}' does not exist")


def test_a_method_that_a_path_does_not_have_names_those_it_has(stack: Stack) -> None:
    response = stack.client.patch("/api/favorites/x")
    assert (response.status_code, response.headers["allow"]) == (405, "DELETE, PUT")
    response = stack.client.post("/api/models")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"PUT /nowhere", b"404"),
        (b"POST /v1/chat/completion", b"404"),
        (b"POST /api/favorites", b"405"),
        (b"PUT /api/favorites", b"100"),
    ],
)
def test_a_client_that_expects_100_continue_learns_whether_the_path_exists(
    stack: Stack, request_line: bytes, status: bytes
) -> None:
    url = stack.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=10) as browser:
        browser.sendall(
            request_line
            + b" HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
        )
        with browser.makefile("rb") as response:
            assert response.readline().split()[1] == status


def test_an_error_of_the_api_is_logged_as_rejected_with_its_code(stack: Stack) -> None:
    assert stack.client.get("/api/nothing-to-see").status_code == 404

    def lines() -> list[str]:
        return [line for line in stack.log.splitlines() if "/api/nothing-to-see" in line]

    eventually(lambda: len(lines()) == 1)
    assert "refused" in lines()[0]
    assert "not_found" in lines()[0]


def test_a_body_beyond_the_limit_is_rejected(stack: Stack) -> None:
    body = b'{"favorites": []}' + b" " * MAX_BODY
    response = stack.client.put("/api/favorites", content=body, headers={"if-match": "*"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    chunked = stack.client.put("/api/favorites", content=iter((body,)), headers={"if-match": "*"})
    assert chunked.status_code == 413


def test_a_large_body_within_the_limit_is_read(stack: Stack) -> None:
    body = json.dumps({"favorites": []}).encode() + b" " * (MAX_BODY - 100)
    assert stack.client.put("/api/favorites", content=body, headers={"if-match": "*"}).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"favorites": 1}', b'{"favorites": [[]]}', b"\xff"])
def test_a_body_of_another_shape_is_an_invalid_request(stack: Stack, body: bytes) -> None:
    response = stack.client.put("/api/favorites", content=body, headers={"if-match": "*"})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "invalid_request")
    assert error["message"].startswith("the body ")


@pytest.mark.parametrize("limit", ["0", "1001", "x", "", "1.5", "null"])
def test_a_parameter_of_another_type_is_an_invalid_request_that_names_it(stack: Stack, limit: str) -> None:
    response = stack.client.get("/api/fleet/history", params={"limit": limit})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_request", "limit")


def test_the_text_null_is_a_name_like_any_other(stack: Stack) -> None:
    assert stack.client.get("/api/models", params={"surface": "null"}).status_code == 404
