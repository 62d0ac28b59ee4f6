"""The real Open WebUI as ``fleet run`` starts it: lists, chats, titles, embeddings and tools."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fleet_runtime.child_process import running
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from fleet_runtime.simulator.spec import ScriptedCall
from tests.integration.client_programs import OPEN_WEBUI
from tests.integration.processes import answers
from tests.support.fleet_process import FLEET
from tests.support.ports import free_port
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TWO = ("alpha", "beta")
START_SECONDS = 420.0
TOOL = '''
class Tools:
    def read_note(self, name: str) -> str:
        """
        Read a note.
        :param name: its name
        """
        return f"{name}: made by a tool"
'''
"""What a user writes under Workspace, Tools."""


def fleet_yaml(simulated: SimulationThread, listen: str) -> str:
    vectors = "nomic-embed: {purpose: embedding}"
    return f"""\
version: 1
default_provider: alpha
providers:
  alpha: {{url: "{simulated.url("alpha")}", models: {{{vectors}}}}}
  beta: {{url: "{simulated.url("beta")}", models: {{{vectors}}}}}
roles: {{default: alpha/qwen3-8b, task: beta/qwen3-4b, embedding: beta/nomic-embed}}
surfaces: {{chat: {{client: open-webui}}}}
gateway: {{listen: "{listen}", keys: {{all: {{env: FLEET_KEY}}}}}}
inventory: {{interval: 1, timeout: 1}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    models = (
        *(SimulatedModel(id) for id in ("qwen3-8b", "qwen3-4b")),
        SimulatedModel("nomic-embed", purpose="embedding"),
    )
    specs = [ServerSpec(name, models=models) for name in TWO]
    folder, keys = tmp_path_factory.mktemp("fleet"), {"FLEET_KEY": "key"}
    with running_stack(folder, specs, fleet_yaml, env=keys) as stack:
        yield stack


@pytest.fixture(scope="module")
def webui(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of it, signed in, without accounts."""
    programs, folder, port = OPEN_WEBUI.require("open-webui"), tmp_path_factory.mktemp("webui"), free_port()
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "FLEET_KEY": "key",
        "WEBUI_AUTH": "False",
        "WEBUI_SECRET_KEY": "of-the-tests",
        "OFFLINE_MODE": "true",
    }
    config = str(stack.folder / "fleet.yaml")
    command = [*FLEET, "run", "-f", config, "open-webui", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running(command, folder / "log", environment, folder):
        eventually(lambda: answers(f"{url}/health"), START_SECONDS)
        signed = httpx.post(f"{url}/api/v1/auths/signin", json={"email": "", "password": ""}, trust_env=False)
        headers = {"authorization": f"Bearer {signed.json()['token']}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            yield client


def test_it_lists_the_models_of_the_surface_and_uses_each_where_it_is(
    stack: Stack, webui: httpx.Client
) -> None:
    reset(stack)
    listed = {model["id"] for model in webui.get("/api/models").json()["data"]}
    assert {f"{name}/{id}" for name in TWO for id in ("qwen3-8b", "qwen3-4b")} <= listed
    hi = {"messages": [{"role": "user", "content": "hi"}]}
    for name in TWO:
        body = webui.post("/api/chat/completions", json={"model": f"{name}/qwen3-8b", **hi}).json()
        assert body["choices"][0]["message"]["content"] == f"[{name}] qwen3-8b: hi"
    title = webui.post("/api/v1/tasks/title/completions", json={"model": "alpha/qwen3-8b", **hi})
    assert title.json()["choices"][0]["message"]["content"].startswith("[beta] qwen3-4b:")
    vectors = webui.post("/api/embeddings", json={"model": "beta/nomic-embed", "input": "hi"})
    assert vectors.is_success
    asked = [(name, record.json["model"]) for name in TWO for record in stack.machines.inference(name)]
    assert sorted(asked) == [
        ("alpha", "qwen3-8b"),
        ("beta", "nomic-embed"),
        ("beta", "qwen3-4b"),
        ("beta", "qwen3-8b"),
    ]


def reset(stack: Stack) -> None:
    for name in TWO:
        stack.machines.reset(name)


def chat(webui: httpx.Client, model: str, *, tools: list[str]) -> dict[str, Any]:
    """Ask as its page does, in a new chat, and return the message of the model when it is complete."""
    question, answer = str(uuid.uuid4()), str(uuid.uuid4())
    message = {"role": "user", "content": "read it"}
    sent = {
        "model": model,
        "stream": True,
        "messages": [message],
        "params": {"function_calling": "native"},
        "tool_ids": tools,
        "session_id": "of-the-tests",
        "parent_id": None,
        "id": answer,
        "user_message": {"id": question, "parentId": None, "models": [model], **message},
        "background_tasks": {"title_generation": True},
    }
    begun = webui.post("/api/chat/completions", json=sent).json()

    def message_of_model() -> dict[str, Any]:
        kept = webui.get(f"/api/v1/chats/{begun['chat_id']}").json()["chat"]["history"]["messages"]
        found: dict[str, Any] = kept[answer]
        return found

    eventually(lambda: bool(message_of_model().get("done")), 60)
    return message_of_model()


def test_it_carries_out_a_tool_call_and_sends_the_result(stack: Stack, webui: httpx.Client) -> None:
    reset(stack)
    tool = {"id": "notes", "name": "Notes", "content": TOOL, "meta": {"description": "notes"}}
    assert webui.post("/api/v1/tools/create", json=tool).is_success
    stack.machines.set("beta", call=ScriptedCall("read_note", {"name": "a.txt"}))
    message = chat(webui, "beta/qwen3-8b", tools=["notes"])
    first, second = (
        record.json for record in stack.machines.inference("beta") if record.json["model"] == "qwen3-8b"
    )
    assert "read_note" in [each["function"]["name"] for each in first["tools"]]
    (result,) = (each for each in second["messages"] if each["role"] == "tool")
    assert result["content"] == "a.txt: made by a tool"
    assert message["content"].startswith("[beta] qwen3-8b:"), message
    assert stack.machines.inference("alpha") == []
