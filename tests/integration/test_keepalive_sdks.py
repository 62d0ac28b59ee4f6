"""The SDKs of OpenAI and Anthropic behind comments that keep a stream open, and at a late error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

COLD = SimulatedModel("cold", load_seconds=0.5)
SAY_HI = [{"role": "user", "content": "hi"}]


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers: {{box: "{machines.url("box")}"}}
surfaces: {{open: {{keepalive: 0.1}}}}
gateway: {{listen: "{listen}", captures: {{}}}}
inventory: {{interval: 0.2, timeout: 1, grace: 0.5}}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = (ServerSpec("box", models=(COLD,)),)
    with running_stack(tmp_path_factory.mktemp("sdks"), specs, fleet_yaml, online=("box",)) as stack:
        yield stack


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The model is not loaded."""
    shared.machines.reset("box")
    eventually(lambda: unload(shared) == 200)
    return shared


def unload(stack: Stack) -> int:
    body = {"model": "cold", "force": True}
    return stack.client.post("/api/fleet/box/unload", json=body).status_code


@pytest.fixture
def openai(stack: Stack) -> Iterator[Any]:
    sdk = pytest.importorskip("openai", reason="the SDK is not installed: run `make integration`")
    with sdk.OpenAI(base_url=f"{stack.url}/open/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic(stack: Stack) -> Iterator[Any]:
    sdk = pytest.importorskip("anthropic", reason="the SDK is not installed: run `make integration`")
    with sdk.Anthropic(base_url=f"{stack.url}/open", api_key="any", max_retries=0) as client:
        yield client


def comments(stack: Stack) -> int:
    """Return how many the last client got."""
    (row, *_) = stack.client.get("/api/activity").json()["requests"]
    body = stack.client.get(f"/api/activity/{row['id']}/capture").json()["response"]["body"]
    return int(body.count(": keepalive\n\n"))


def test_openai_reads_every_stream_after_comments(openai: Any, stack: Stack) -> None:
    chat = openai.chat.completions.create(model="box/cold", messages=SAY_HI, stream=True)
    assert "".join(each.choices[0].delta.content or "" for each in chat if each.choices) == "[box] cold: hi"
    assert comments(stack) > 0


def test_openai_reads_completions_and_responses_after_comments(openai: Any, stack: Stack) -> None:
    completion = openai.completions.create(model="box/cold", prompt="hi", stream=True)
    assert "".join(each.choices[0].text for each in completion if each.choices) == "[box] cold: hi"
    assert comments(stack) > 0
    assert unload(stack) == 200
    events = openai.responses.create(model="box/cold", input="hi", stream=True)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "[box] cold: hi"
    assert comments(stack) > 0


def test_anthropic_reads_a_message_after_comments(anthropic: Any, stack: Stack) -> None:
    with anthropic.messages.stream(model="box/cold", max_tokens=50, messages=SAY_HI) as stream:
        assert "".join(stream.text_stream) == "[box] cold: hi"
    assert comments(stack) > 0


@pytest.fixture
def failing(stack: Stack) -> Iterator[None]:
    """The provider holds its response, which is an error, until the client has got a comment."""
    stack.machines.set("box", error_status=500, hold=True)

    def got_comment() -> bool:
        running = stack.client.get("/api/activity").json()["running"]
        paths = [f"/api/activity/{row['id']}/capture" for row in running]
        return any(stack.client.get(path).json()["response"] is not None for path in paths)

    over = threading.Event()  # also if the test is skipped

    def release() -> None:
        eventually(lambda: over.is_set() or got_comment())
        stack.machines.set("box", hold=False)

    thread = threading.Thread(target=release)
    thread.start()
    yield
    over.set()
    thread.join()
    stack.machines.reset("box")


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("api", ["chat", "completions", "responses"])
def test_openai_raises_the_error_of_the_provider(openai: Any, api: str) -> None:
    sdk = pytest.importorskip("openai")
    with pytest.raises(sdk.APIError) as failed:  # noqa: PT012
        if api == "chat":
            list(openai.chat.completions.create(model="box/cold", messages=SAY_HI, stream=True))
        elif api == "completions":
            list(openai.completions.create(model="box/cold", prompt="hi", stream=True))
        else:
            list(openai.responses.create(model="box/cold", input="hi", stream=True))
    assert failed.value.body["status"] == 500


@pytest.mark.usefixtures("failing")
def test_anthropic_raises_the_error_of_the_provider(anthropic: Any) -> None:
    sdk = pytest.importorskip("anthropic")
    with (
        pytest.raises(sdk.APIStatusError) as failed,
        anthropic.messages.stream(model="box/cold", max_tokens=50, messages=SAY_HI) as stream,
    ):
        stream.until_done()
    assert failed.value.body["error"]["status"] == 500
