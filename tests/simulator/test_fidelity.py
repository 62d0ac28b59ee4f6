"""A simulated llama-server writes what a real one wrote: status, headers and their order, keys and theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleet_runtime.simulator import SimulatedModel
from fleet_runtime.simulator.spec import SimulatedKind
from tests.simulator.servers import client, machine
from tests.support.recorded import Recorded, recorded

pytestmark = pytest.mark.anyio

TINY = SimulatedModel("tiny-chat", context=2048, trained=2048)
SERVERS: dict[str, tuple[SimulatedKind, SimulatedModel]] = {
    "llama-server-2k": ("llama-server", TINY),
    "llama-server-api-key": ("llama-server", TINY),
    "llama-server-embeddings": ("llama-server", SimulatedModel("tiny-embed", purpose="embedding")),
    "llama-server-rerank": ("llama-server", SimulatedModel("tiny-rerank", purpose="rerank")),
    "llama-server-reasoning": ("llama-server", SimulatedModel("tiny-think", thinking="hm well")),
    "llama-server-tools": ("llama-server", SimulatedModel("tiny-tools")),
    "llama-server-router": ("llama-server-router", SimulatedModel("tiny-chat-2k")),
}
SAME = [
    "llama-server-2k/chat",
    "llama-server-2k/chat-unknown-model",
    "llama-server-2k/chat-no-model-field",
    "llama-server-2k/chat-stream",
    "llama-server-2k/chat-stream-usage",
    "llama-server-2k/chat-missing-messages",
    "llama-server-2k/chat-bad-json",
    "llama-server-2k/completions",
    "llama-server-2k/completions-stream-usage",
    "llama-server-2k/embeddings-disabled",
    "llama-server-2k/expect-100",
    "llama-server-2k/health",
    "llama-server-2k/messages",
    "llama-server-2k/messages-stream",
    "llama-server-2k/messages-count-tokens",
    "llama-server-2k/messages-bad-json",
    "llama-server-2k/model-by-id",
    "llama-server-2k/models",
    "llama-server-api-key/chat-badkey",
    "llama-server-api-key/chat-nokey",
    "llama-server-api-key/chat-key",
    "llama-server-api-key/messages-x-api-key",
    "llama-server-api-key/health-nokey",
    "llama-server-api-key/models-nokey",
    "llama-server-api-key/unknown-path-nokey",
    "llama-server-embeddings/embeddings",
    "llama-server-embeddings/embeddings-array",
    "llama-server-embeddings/embeddings-base64",
    "llama-server-embeddings/rerank-disabled",
    "llama-server-rerank/rerank",
    "llama-server-rerank/rerank-tei",
    "llama-server-rerank/rerank-topn",
    "llama-server-tools/responses",
    "llama-server-reasoning/responses-think-stream",
    "llama-server-router/chat-unknown-model",
    "llama-server-router/chat-no-model",
    "llama-server-router/chat-noautoload",
    "llama-server-router/chat",
    "llama-server-router/chat-stream",
    "llama-server-router/load",
    "llama-server-router/load-unknown",
    "llama-server-router/unload-again",
    "llama-server-router/props",
    "llama-server-router/props-model",
    "llama-server-router/slots-nomodel",
]


@pytest.mark.parametrize("name", SAME)
async def test_the_same_request_gets_a_response_of_the_same_shape(name: str) -> None:
    real = recorded(name)
    kind, model = SERVERS[name.split("/")[0]]
    key = None
    if "api-key" in name:
        given = real.request_headers.get("Authorization", "Bearer k1").removeprefix("Bearer ")
        key = given if real.status == 200 else "k1"
    async with machine(kind, model, api_key=key) as box, client(box) as http:
        request_body = (
            _for_the_only_model(real, model) if kind == "llama-server-router" else real.request_body
        )
        answer = await http.request(
            real.method,
            real.path,
            content=request_body or None,
            headers={"content-type": "application/json", **real.request_headers},
        )
    assert answer.status_code == real.status
    assert _head(answer.headers.multi_items()) == _head(list(real.headers))
    assert _shape(answer.content) == _shape(real.body)


async def test_the_bytes_on_the_wire_are_chunked_as_recorded() -> None:
    """One chunk an event, the first two in one, the last of the body before the end by itself."""
    real = recorded("llama-server-2k/chat-stream-raw-chunked")
    sizes = [line for line in real.body.split(b"\r\n") if line and b"data:" not in line]
    model = SimulatedModel("tiny-chat", reply="It is")
    async with machine("llama-server", model) as box, client(box) as http:
        asked = real.request_body
        async with http.stream("POST", real.path, content=asked) as answer:
            pieces = [piece async for piece in answer.aiter_raw()]
    body = b"".join(pieces)
    first = body.index(b"data: ", body.index(b"data: ") + 1)
    assert len(sizes) == 8
    assert pieces[-1] == b"data: [DONE]\n\n"
    assert pieces[0].startswith(body[:first])


async def test_a_routers_list_has_the_keys_of_the_recorded_one() -> None:
    real = recorded("llama-server-router/models-loaded").json["data"]
    models = [SimulatedModel("a"), SimulatedModel("b", loaded=True)]
    async with machine("llama-server-router", *models) as box, client(box) as http:
        unloaded, loaded = (await http.get("/models")).json()["data"]
    assert _keys(unloaded) == _keys(next(item for item in real if "meta" not in item))
    assert _keys(loaded) == _keys(next(item for item in real if "meta" in item))


async def test_properties_have_the_keys_of_the_recorded_ones() -> None:
    real = recorded("llama-server-2k/props").json
    async with machine("llama-server", TINY) as box, client(box) as http:
        made = (await http.get("/props")).json()
    for properties in (real, made):
        del properties["default_generation_settings"]["params"]
    assert _keys(made) == _keys(real)


def _for_the_only_model(real: Recorded, model: SimulatedModel) -> bytes:
    """The recorded request, for the one model that the simulated router has."""
    if not real.request_body:
        return b""
    asked = json.loads(real.request_body)
    if asked.get("model") not in (None, "nope"):
        asked["model"] = model.id
    return json.dumps(asked).encode()


def _head(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names in order, with values where those cannot differ."""
    shown = []
    for name, value in headers:
        lowered = name.lower()
        shown.append((lowered, "" if lowered == "content-length" else value))
    return shown


def _shape(body: bytes) -> Any:
    if not body.startswith((b"data: ", b"event: ")):
        return _keys(json.loads(body))
    shapes: list[Any] = []
    for block in body.decode().strip().split("\n\n"):
        name = next((line for line in block.split("\n") if line.startswith("event: ")), "")
        data = next((line[6:] for line in block.split("\n") if line.startswith("data: ")), "")
        shape = (name, data if data == "[DONE]" else _keys(json.loads(data)))
        if shapes[-1:] != [shape]:
            shapes.append(shape)
    return shapes


def _keys(value: Any) -> Any:
    """Keys in order and kinds of values; of a list the kinds that are in it."""
    if isinstance(value, dict):
        if "args" in value and "preset" in value:
            return list(value)
        return [(key, _keys(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        kinds = [_keys(inner) for inner in value]
        return [kind for number, kind in enumerate(kinds) if kind not in kinds[:number]]
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )
