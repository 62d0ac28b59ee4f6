"""Which path goes where: inference paths on every base, the lists, the API behind, our 404 and 405."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from fleet_runtime.edge.asgi import Receive, Scope, Send
from fleet_runtime.proxy.endpoints import ENDPOINTS
from tests.support.artifacts import connection
from tests.support.gateway import models, running_gateway
from tests.support.raw_client import ask, client, request
from tests.support.raw_server import raw_server, responding

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PATHS = [endpoint.path for endpoint in ENDPOINTS] + [
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/images/generations",
    "/v1/images/edits",
]


async def test_every_endpoint_is_proxied_on_every_base_and_on_former_names() -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(
            connection("a", machine.url), table={"names": {"a": "a", "old-a": "a"}}, surfaces=("boochat",)
        ) as gateway,
        client(gateway.port) as browser,
    ):
        for base, model in (
            ("", "a/m"),
            ("/boochat", "a/m"),
            ("/providers/a", "m"),
            ("/providers/old-a", "m"),
        ):
            for path in PATHS:
                await browser.send(request(base + path, {"model": model}))
                answer = await browser.answer()
                assert answer.status == 200, (base, path, answer)
                sent = machine.requests.pop()
                assert (sent.target, sent.body) == (path.encode(), b'{"model":"m"}')


async def test_an_api_that_does_not_live_under_v1_is_reached_at_its_own_prefix() -> None:
    async with raw_server(responding(OK)) as machine:
        served = connection("a", f"{machine.url}/x", api_base=f"{machine.url}/x/openai/v3")
        async with running_gateway(served) as gateway:
            await ask(gateway.port, "/v1/chat/completions?a=b&c", {"model": "a/m"})
            await ask(gateway.port, "/tokenize", {"model": "a/m"})
        targets = [sent.target for sent in machine.requests]
        assert targets == [b"/x/openai/v3/chat/completions?a=b&c", b"/x/tokenize"]


async def test_a_pinned_path_takes_a_body_without_a_model_and_passes_it_unchanged() -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        body = b'{ "content" : "x", "content" : "y" }'
        answer = await ask(gateway.port, "/providers/a/tokenize", body)
        assert answer.status == 200
        assert answer.header(b"x-fleet-provider") == [b"a"]
        assert machine.requests[0].body == body
        assert (await ask(gateway.port, "/tokenize", body)).code == "model_required"


async def test_the_query_is_forwarded_without_its_model() -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        for query, onward in (
            ("?beta=true&x=%20", b"?beta=true&x=%20"),
            ("?model=evil&beta=true", b"?beta=true"),
            ("?m%6Fdel=evil", b""),
            ("?a=1&Model=evil&b", b"?a=1&b"),
        ):
            await ask(gateway.port, f"/v1/messages{query}", {"model": "a/m"})
            assert machine.requests.pop().target == b"/v1/messages" + onward


async def test_wrong_methods_are_405_and_unknown_paths_404_with_the_gateways_message() -> None:
    async with running_gateway(connection("a")) as gateway:
        for method, path in (
            ("GET", "/v1/chat/completions"),
            ("DELETE", "/boochat/v1/embeddings"),
            ("OPTIONS", "/v1/chat/completions"),
            ("POST", "/v1/models"),
            ("PUT", "/v1/models/a/m"),
        ):
            answer = await ask(gateway.port, path, None, method=method)
            assert (answer.status, answer.code) == (405, "method_not_allowed")
            assert answer.header(b"allow") in ([b"POST"], [b"GET, HEAD"])
        for path in (
            "/v1/chat",
            "/nowhere/v1/chat/completions",
            "/providers/b/v1/chat/completions",
            "/providers/v1/models",
            "/v1/audio/",
            "/v1/audio/a/b",
            "/v1/chat/completions/",
            "//v1/models",
        ):
            answer = await ask(gateway.port, path, {"model": "a/m"})
            assert (answer.status, answer.code) == (404, "not_found"), path


async def test_lists_are_those_of_the_base() -> None:
    async with running_gateway(connection("a")) as gateway:
        for path, base, pinned in (
            ("/v1/models", "", None),
            ("/boochat/v1/models?x=y", "/boochat", None),
            ("/providers/a/v1/models/", "", "a"),
        ):
            answer = await ask(gateway.port, path)
            assert answer.json() == {"object": "list", "base": base, "pinned": pinned}
        head = await ask(gateway.port, "/v1/models", method="HEAD")
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("id", ["m", "a/b/c", "x:7b@q4", "with space", "100%", "ünï", "a%2Fb", "v1/models/m"])
async def test_a_model_is_found_by_an_id_with_anything_in_it(id: str) -> None:
    async with running_gateway(connection("a"), lists={"a": models(id)}) as gateway:
        for quoted in {quote(id), quote(id, safe="")}:
            answer = await ask(gateway.port, f"/v1/models/a/{quoted}")
            assert answer.json() == {"id": f"a/{id}"}
            answer = await ask(gateway.port, f"/v1/models/a%2F{quoted}")
            assert answer.json() == {"id": f"a/{id}"}
            answer = await ask(gateway.port, f"/providers/a/v1/models/{quoted}")
            assert answer.json() == {"id": f"a/{id}"}


async def test_an_unknown_model_is_404_and_says_what_may_have_been_meant() -> None:
    async with running_gateway(connection("a"), lists={"a": models("qwen3-8b")}) as gateway:
        answer = await ask(gateway.port, "/v1/models/a/qwen3-9b")
        assert (answer.status, answer.code) == (404, "model_not_found")
        assert "'a/qwen3-8b'" in answer.json()["error"]["message"]
        assert (await ask(gateway.port, "/v1/models/%ff")).status == 404


async def test_other_paths_go_to_the_api_with_their_body() -> None:
    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        body = f"{scope['method']} {scope['path']} {size}".encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async with running_gateway(connection("a"), api=api) as gateway:
        assert (await ask(gateway.port, "/api/models")).body == b"GET /api/models 0"
        assert (await ask(gateway.port, "/api/x", b"x" * 150_000)).body == b"POST /api/x 150000"
        assert (await ask(gateway.port, "/v1/chat/completions", method="GET")).status == 405
