"""A fleet in which everything that can be wrong with providers, roles and favorites is, found in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.runtime.doctor.conftest import Computer, Diagnosis, listing
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

SPECS = (
    ServerSpec("desk", models=(SimulatedModel("qwen3-8b"), SimulatedModel("nas/llama3")), sidecar=True),
    ServerSpec("nas", kind="ollama", models=(SimulatedModel("llama3"),)),
    ServerSpec("guarded", models=(SimulatedModel("m"),), api_key="canary-key"),
    ServerSpec("broken", models=(SimulatedModel("m"),)),
    ServerSpec("strange", kind="vllm", models=(SimulatedModel("m"),)),
    ServerSpec(
        "drifting",
        kind="vllm",
        models=(
            *(SimulatedModel(id) for id in ("one", "two", "three")),
            SimulatedModel("five", context=0),
        ),
    ),
)
GONE = "  ghost: {url: http://127.0.0.1:9, poll: false, models: [spirit]}\n"


def sick_fleet(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: desk
providers:
  desk: {{url: "{machines.url("desk")}", sidecar: "{machines.sidecar_url("desk")}"}}
  nas: {{url: "{machines.url("nas")}"}}
  guarded: {{url: "{machines.url("guarded")}"}}
  broken: {{url: "{machines.url("broken")}"}}
  strange: {{url: "{machines.url("strange")}", kind: ollama}}
  drifting: {{url: "{machines.url("drifting")}"}}
  keyless: {{url: http://127.0.0.1:9, api_key_env: FLEET_TEST_UNSET_KEY, models: [m]}}
  keyfile: {{url: http://127.0.0.1:9, api_key_file: no.key, models: [m]}}
  asleep: {{url: http://127.0.0.1:9, enabled: false, models: [m]}}
{GONE}roles:
  default: strange/m
  dead: [nas/llama3, drifting/one]
  second: [nas/llama3, strange/m]
  stale: [strange/m, drifting/one]
surfaces:
  boochat:
  arena: {{roles: {{default: nas/llama3}}}}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.1, timeout: 10, grace: 0.3}}
"""


@pytest.fixture(scope="module")
def diagnosis(
    tmp_path_factory: pytest.TempPathFactory, new_computer: Callable[[], Computer]
) -> Iterator[Diagnosis]:
    folder = tmp_path_factory.mktemp("sick")
    answering = ("desk", "nas", "broken", "strange", "drifting")
    with running_stack(folder, SPECS, sick_fleet, online=answering) as stack:
        for id in ("drifting/one", "ghost/spirit", "nas/llama3", "desk/qwen3-8b"):
            assert stack.client.put(f"/api/favorites/{id}").status_code == 200
        _fall_ill(stack)
        yield new_computer().diagnose(folder)


def _fall_ill(stack: Stack) -> None:
    machines, before = stack.machines, stack.client.get("/api/fleet").json()["snapshot"]
    machines.set("desk", sidecar_offline=True)
    machines.set("nas", offline=True)
    machines.set("broken", list_status=500)
    machines.set("strange", list_body=listing({"id": "m", "max_model_len": 8192}, {"id": "a\u0007b"}))
    two, three = {"id": "two", "max_model_len": 4096}, {"id": "three", "max_model_len": 16384}
    four, five = {"id": "four"}, {"id": "five", "max_model_len": 2048}
    machines.set("drifting", list_body=listing(two, three, four, five))
    config = stack.folder / "fleet.yaml"
    config.write_text(config.read_text().replace(GONE, ""))
    assert stack.fleet("build", "--frozen").returncode == 0
    eventually(lambda: stack.client.get("/api/fleet").json()["snapshot"] != before)
    expected = {"desk": "degraded", "nas": "offline", "guarded": "config_error", "broken": "degraded"}
    for name, status in expected.items():
        eventually(lambda name=name, status=status: stack.status(name) == status)  # type: ignore[misc]
    eventually(lambda: "drifting" in stack.client.get("/api/fleet").json()["drift"])
    eventually(lambda: len(_warnings(stack, "strange")) == 1)


def _warnings(stack: Stack, name: str) -> list[str]:
    providers = stack.client.get("/api/fleet").json()["providers"]
    return next(item["warnings"] for item in providers if item["name"] == name)


PREPARED = [
    ("error", "provider 'desk'", "has a sidecar that does not respond"),
    ("warning", "provider 'desk'", "lists 'nas/llama3', which as a bare id means a model of 'nas'"),
    ("error", "provider 'nas'", "has been offline since"),
    ("error", "provider 'guarded'", "rejects the gateway"),
    ("warning", "provider 'broken'", "is failing: '/models' returned 500"),
    ("warning", "provider 'strange'", "configured as 'ollama', but its responses are those of 'vllm'"),
    ("warning", "provider 'strange'", "is skipped: its id contains a control character"),
    ("warning", "provider 'drifting'", "lists 'four', which fleet.lock does not contain"),
    ("warning", "provider 'drifting'", "no longer lists 'one', which fleet.lock has"),
    ("warning", "provider 'drifting'", "'two' (4096 tokens instead of 8192)"),
    ("note", "provider 'drifting'", "'three' (16384 tokens instead of 8192)"),
    ("note", "provider 'drifting'", "reports context that fleet.lock does not have: 'five' (2048 tokens)"),
    ("error", "provider 'keyless'", "environment variable 'FLEET_TEST_UNSET_KEY' is not set"),
    ("error", "provider 'keyfile'", "file 'no.key' does not exist"),
    ("note", "provider 'asleep'", "is disabled in fleet.yaml"),
    (
        "error",
        "role 'dead'",
        "'nas/llama3': its provider does not respond; 'drifting/one': no provider lists it",
    ),
    ("note", "role 'second'", "uses 'strange/m', a later choice than 'nas/llama3'"),
    ("warning", "role 'stale'", "refers to 'drifting/one', which no provider lists"),
    ("error", "role 'default' of surface 'arena'", "'nas/llama3': its provider does not respond"),
    ("warning", "favorite 'drifting/one'", "is not listed by its provider"),
    ("warning", "favorite 'ghost/spirit'", "'ghost', which is no longer in fleet.yaml"),
]


@pytest.mark.parametrize(("severity", "where", "what"), PREPARED, ids=[f"{w}: {t}" for _, w, t in PREPARED])
def test_a_prepared_fault_is_found(diagnosis: Diagnosis, severity: str, where: str, what: str) -> None:
    found = diagnosis.of(where)
    assert any(each == severity and what in told for each, told in found), found


def test_nothing_else_is_found_and_the_exit_code_reports_faults(diagnosis: Diagnosis) -> None:
    others = [
        each
        for each in diagnosis.findings
        if not any(each["where"] == where and what in each["what"] for _, where, what in PREPARED)
    ]
    assert (others, diagnosis.code, len(diagnosis.findings)) == ([], 1, len(PREPARED))
