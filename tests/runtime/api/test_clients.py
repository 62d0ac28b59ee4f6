"""``/api/clients``: what a client's configuration is made from, and nothing that the surface may not use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack

KEYS = {"ALL": "key-of-everything", "CODE": "key-of-code"}
OPEN = {"authorization": "Bearer key-of-everything"}
LIMITED = {"authorization": "Bearer key-of-code"}


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers:
  box:
    url: {machines.url("box")}
    models: {{big: {{context: 65536, output: 4096}}, old: {{hidden: true}}}}
  attic: {{url: "{machines.url("attic")}", formerly: [loft]}}
aliases: {{gpt: attic/secret, qwen: box/big}}
roles: {{default: [attic/secret, box/big]}}
surfaces:
  code: {{client: [{{kind: opencode, exclusive: false}}, codex], providers: [box]}}
  chat:
gateway:
  listen: "{listen}"
  url: http://fleet.example:8400
  keys: {{all: {{env: ALL}}, code: {{env: CODE, surfaces: [code]}}}}
inventory: {{interval: 0.2, timeout: 1}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = [
        ServerSpec("box", models=(SimulatedModel("big"), SimulatedModel("old"))),
        ServerSpec("attic", models=(SimulatedModel("secret"),)),
    ]
    with running_stack(tmp_path_factory.mktemp("clients"), specs, fleet_yaml, KEYS) as stack:
        yield stack


def test_a_surface_is_described_as_data_for_the_computer_of_the_client(stack: Stack) -> None:
    headers = {**LIMITED, "host": "127.0.0.1"}
    found = stack.client.get("/api/clients/code", headers=headers).json()
    assert (found["url"], found["requires_key"]) == ("http://fleet.example:8400", True)
    assert found["clients"] == {"opencode": {"exclusive": False}, "codex": {}}
    table = found["table"]
    (provider,) = table["providers"]
    assert set(provider["models"]) == {"big"}
    model = provider["models"]["big"]
    assert (model["context"], model["context_source"], model["output"]) == (65536, "configured", 4096)
    assert (table["aliases"], table["names"]) == ({"qwen": "box/big"}, {"box": "box"})
    assert table["roles"] == {"default": ["box/big"]}
    text = str(found)
    assert not any(word in text for word in ("secret", "attic", "loft", "key-of", "CODE"))


def test_the_kinds_of_each_surface_are_listed(stack: Stack) -> None:
    every = {"surfaces": {"chat": [], "code": ["opencode", "codex"]}}
    assert stack.client.get("/api/clients", headers=OPEN).json() == every
    one = {"surfaces": {"code": ["opencode", "codex"]}}
    assert stack.client.get("/api/clients?surface=code", headers=LIMITED).json() == one


@pytest.mark.parametrize(
    ("path", "status"), [("", 403), ("/chat", 403), ("/%63ode", 403), ("?surface=chat", 403)]
)
def test_a_limited_key_opens_only_its_own(stack: Stack, path: str, status: int) -> None:
    assert stack.client.get(f"/api/clients{path}", headers=LIMITED).status_code == status


def test_an_unknown_surface_is_named(stack: Stack) -> None:
    response = stack.client.get("/api/clients/nowhere", headers=OPEN)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
