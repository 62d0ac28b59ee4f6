"""A healthy fleet, and what can be wrong with its gateway, its files and opencode (real processes)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import anyio
import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.runtime.doctor.conftest import Computer
from tests.support.fleet_process import run_fleet
from tests.support.ports import free_port
from tests.support.raw_server import raw_server, responding
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

SPECS = (
    ServerSpec("desk", models=(SimulatedModel("qwen3-8b"), SimulatedModel("org/qwen3-4b")), sidecar=True),
    ServerSpec("nas", kind="ollama", models=(SimulatedModel("llama3:latest"),)),
)
QUIET = "inventory: {interval: 0.1, timeout: 10, grace: 30}\n"


def healthy_fleet(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: desk
providers:
  desk: {{url: "{machines.url("desk")}", sidecar: "{machines.sidecar_url("desk")}"}}
  nas: {{url: "{machines.url("nas")}"}}
  cloud: {{url: http://127.0.0.1:9, api_key_file: cloud.key, class: cloud, models: [big]}}
roles: {{default: desk/qwen3-8b, task: [nas/llama3, desk/qwen3-8b]}}
surfaces: {{boochat: , code: {{client: opencode}}}}
gateway: {{listen: "{listen}"}}
{QUIET}"""


def started(
    folder: Path,
    fleet_yaml: Callable[[SimulationThread, str], str] = healthy_fleet,
    env: dict[str, str] | None = None,
) -> AbstractContextManager[Stack]:
    (folder / "cloud.key").write_text("canary-cloud-key\n")
    return running_stack(folder, SPECS, fleet_yaml, env=env)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """For tests that leave it as it is."""
    with started(tmp_path_factory.mktemp("healthy")) as stack:
        for id in ("desk/org/qwen3-4b", "nas/llama3:latest", "cloud/big"):
            assert stack.client.put(f"/api/favorites/{id}").status_code == 200
        yield stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A healthy fleet of one's own, without opencode to be judged."""

    def without_client(machines: SimulationThread, listen: str) -> str:
        return healthy_fleet(machines, listen).replace(", code: {client: opencode}", "")

    with started(tmp_path, without_client) as stack:
        yield stack


@pytest.fixture
def checkout(healthy: Stack, tmp_path: Path) -> Path:
    """A copy of the healthy fleet's files, to be changed; it leads to the same gateway."""
    return shutil.copytree(healthy.folder, tmp_path / "checkout")


def generated(stack: Stack) -> str:
    return str(stack.folder / "generated" / "opencode.json")


def test_nothing_is_found_in_a_healthy_fleet(healthy: Stack, computer: Computer) -> None:
    computer.install_opencode()
    found = computer.diagnose(healthy.folder, OPENCODE_CONFIG=generated(healthy))
    assert (found.findings, found.code) == ([], 0)
    told = computer.run(healthy.folder, OPENCODE_CONFIG=generated(healthy))
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == "no problems found: 3 providers, 4 models, 3 favorites\n"


def test_nothing_is_found_from_a_folder_without_a_fleet_yaml(
    healthy: Stack, computer: Computer, tmp_path: Path
) -> None:
    found = computer.diagnose(tmp_path, "--url", healthy.url)
    assert (found.findings, found.code) == ([], 0)


def test_asking_loads_no_model(healthy: Stack, computer: Computer) -> None:
    computer.diagnose(healthy.folder)
    assert healthy.machines.inference("desk") == []


def test_opencode_that_is_not_installed_is_a_note(healthy: Stack, computer: Computer) -> None:
    found = computer.diagnose(healthy.folder)
    assert (found.of("opencode"), found.code) == ([("note", "is not on PATH")], 0)


def test_opencode_that_knows_nothing_of_the_fleet_is_a_note(healthy: Stack, computer: Computer) -> None:
    computer.install_opencode()
    file = computer.configure_opencode('{"theme": "mine", /* not ours */}', "opencode.jsonc")
    found = computer.diagnose(healthy.folder)
    [(severity, what)] = found.of(f"opencode (which reads '{file}')")
    assert (severity, found.code) == ("note", 0)
    assert "does not have the providers of 'generated/opencode.json'" in what


def test_opencode_with_an_old_copy_of_the_providers_is_found(healthy: Stack, computer: Computer) -> None:
    computer.install_opencode()
    copy = json.loads(Path(generated(healthy)).read_bytes())
    del copy["provider"]["nas"]
    copy["provider"]["desk"]["options"]["baseURL"] = "http://127.0.0.1:9/v1"
    file = computer.configure_opencode(json.dumps(copy))
    found = computer.diagnose(healthy.folder)
    [(severity, what)] = found.of(f"opencode (which reads '{file}')")
    assert (severity, found.code) == ("warning", 1)
    assert what.endswith("lacks 'nas' and has 'desk' with other settings")


def test_a_configuration_of_opencode_that_cannot_be_read_is_found(
    healthy: Stack, computer: Computer, tmp_path: Path
) -> None:
    computer.install_opencode()
    deep = computer.configure_opencode("[" * 100_000, "config.json")
    broken, missing = computer.configure_opencode("{"), tmp_path / "missing.json"
    found = computer.diagnose(healthy.folder, OPENCODE_CONFIG=str(missing))
    for file in (deep, broken, missing):
        assert [severity for severity, _ in found.of(f"'{file}'")] == ["warning"]


def test_a_build_that_is_rejected_is_found(stack: Stack, computer: Computer) -> None:
    (stack.folder / "generated" / "routing" / "boochat.json").write_text("{}")
    assert stack.client.post("/api/reload").status_code == 409
    found = computer.diagnose(stack.folder)
    [(severity, what)] = found.of(f"gateway '{stack.url}'")
    assert (severity, found.code) == ("error", 1)
    assert "rejected the newest build" in what
    assert [severity for severity, _ in found.of("generated/")] == ["warning"]


def test_a_fleet_yaml_that_was_not_built_is_found(checkout: Path, computer: Computer) -> None:
    config = checkout / "fleet.yaml"
    config.write_text(config.read_text().replace("task: [nas/llama3, desk/qwen3-8b]", "task: nas/llama3"))
    found = computer.diagnose(checkout)
    [(severity, what)] = found.of("generated/")
    assert (severity, found.code) == ("warning", 1)
    assert "routing/boochat.json' would change" in what


def test_a_fleet_yaml_that_is_not_valid_is_found(checkout: Path, computer: Computer) -> None:
    config = checkout / "fleet.yaml"
    config.write_text(config.read_text().replace("roles:", "rolls:"))
    found = computer.diagnose(checkout)
    told = ("error", "cannot be built: unknown key 'rolls' in the file")
    assert (found.of("fleet.yaml"), found.code) == ([told], 1)


def test_a_setting_that_waits_for_a_restart_and_a_folder_that_is_another_are_found(
    stack: Stack, computer: Computer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = stack.client.get("/api/fleet").json()["snapshot"]
    config = stack.folder / "fleet.yaml"
    config.write_text(config.read_text().replace("gateway: {", "gateway: {state: other.db, "))
    assert stack.fleet("build", "--frozen").returncode == 0
    eventually(lambda: stack.client.get("/api/fleet").json()["snapshot"] != before)
    found = computer.diagnose(stack.folder)
    told = "applies the change of 'gateway.state' only after a restart"
    assert found.of(f"gateway '{stack.url}'") == [("warning", told)]

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "fleet.yaml").write_text(
        "version: 1\ndefault_provider: a\nproviders: {a: {url: http://127.0.0.1:9, poll: false}}\n"
    )
    assert run_fleet("build", cwd=elsewhere).returncode == 0
    found = computer.diagnose(elsewhere, "--url", stack.url)
    other = ("warning", "serves another build than the one in generated/ here")
    assert other in found.of(f"gateway '{stack.url}'")


def test_a_state_that_cannot_be_written_is_found(tmp_path: Path, computer: Computer) -> None:
    def blocked(machines: SimulationThread, listen: str) -> str:
        return healthy_fleet(machines, listen).replace("gateway: {", "gateway: {state: cloud.key/state.db, ")

    with started(tmp_path, blocked) as stack:
        found = computer.diagnose(tmp_path)
        [(severity, what)] = found.of(f"gateway '{stack.url}'")
    assert (severity, found.code) == ("error", 1)
    assert what.startswith("cannot save favorites and history: ")


def guarded_fleet(machines: SimulationThread, listen: str) -> str:
    keys = "keys: {all: {env: FLEET_TEST_KEY}, chat: {env: FLEET_TEST_CHAT, surfaces: [boochat]}}"
    return (
        healthy_fleet(machines, listen)
        .replace("gateway: {", f"gateway: {{{keys}, ")
        .replace("client: opencode", "client: opencode, key: all")
    )


def test_a_key_that_is_missing_or_opens_too_little_is_found(tmp_path: Path, computer: Computer) -> None:
    env = {"FLEET_TEST_KEY": "canary-all", "FLEET_TEST_CHAT": "canary-chat"}
    computer.install_opencode()
    # The stack's own client has no key, and asks nothing but /health.
    with started(tmp_path, guarded_fleet, env) as stack:
        for key in ("", "canary-chat"):
            found = computer.diagnose(tmp_path, FLEET_KEY=key)
            [(severity, what)] = found.of(f"gateway '{stack.url}'")
            assert (severity, found.code) == ("error", 1)
            assert what.startswith("rejects the request: ")
            assert "export FLEET_KEY=" in found.findings[0]["remedy"]
        reads = str(tmp_path / "generated" / "opencode.json")
        found = computer.diagnose(tmp_path, FLEET_KEY="canary-all", OPENCODE_CONFIG=reads)
        unset = "refers to the environment variable 'FLEET_TEST_KEY', which is not set here"
        assert found.of("'generated/opencode.json'") == [("warning", unset)]
        assert len(found.findings) == 1
        found = computer.diagnose(tmp_path, FLEET_KEY="canary-all", OPENCODE_CONFIG=reads, **env)
        assert (found.findings, found.code) == ([], 0)


def test_without_a_gateway_what_can_be_seen_here_is_reported_with_exit_code_4(
    tmp_path: Path, computer: Computer
) -> None:
    with SimulationThread(SPECS) as machines:
        (tmp_path / "cloud.key").write_text("")
        (tmp_path / "fleet.yaml").write_text(guarded_fleet(machines, f"127.0.0.1:{free_port()}"))
        assert run_fleet("build", cwd=tmp_path).returncode == 0
    found = computer.diagnose(tmp_path, FLEET_TEST_CHAT="canary-chat")
    [gateway, *others] = found.findings
    assert (found.code, gateway["severity"], gateway["remedy"]) == (4, "error", "`fleet serve`")
    assert "does not respond (connection refused)" in gateway["what"]
    all_key = "is missing here: environment variable 'FLEET_TEST_KEY' is not set"
    assert found.of("the gateway's key 'all'") == [("warning", all_key)]
    cloud_key = "is missing here: file 'cloud.key' is empty"
    assert found.of("the key of provider 'cloud'") == [("warning", cloud_key)]
    assert {each["where"] for each in others} == {
        "the gateway's key 'all'",
        "the key of provider 'cloud'",
        "opencode",
    }


def test_a_fleet_yaml_that_was_never_built_is_reported_with_exit_code_4(
    tmp_path: Path, computer: Computer
) -> None:
    (tmp_path / "fleet.yaml").write_text(
        "version: 1\ndefault_provider: a\nproviders: {a: http://127.0.0.1:9}\n"
    )
    found = computer.diagnose(tmp_path)
    assert found.code == 4
    assert {each["where"]: each["remedy"] for each in found.findings} == {
        "gateway": "`fleet build`",
        "generated/": "`fleet build`",
    }


def test_neither_a_fleet_yaml_nor_a_url_is_wrong_usage(tmp_path: Path, computer: Computer) -> None:
    ran = computer.run(tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--url" in ran.stderr


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}", 4, "is not a gateway (HTTP 404)"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 1, "runs another version of fleet"),
    ],
)
async def test_what_is_not_a_gateway_of_this_version_is_reported(
    tmp_path: Path, computer: Computer, answer: bytes, code: int, told: str
) -> None:
    async with raw_server(responding(answer)) as server:
        found = await anyio.to_thread.run_sync(computer.diagnose, tmp_path, "--url", server.url)
    [(severity, what)] = found.of(f"gateway '{server.url}'")
    assert (severity, found.code) == ("error", code)
    assert what.startswith(told)


def test_the_report_groups_findings_and_names_a_remedy_for_each(checkout: Path, computer: Computer) -> None:
    config = checkout / "fleet.yaml"
    config.write_text(config.read_text().replace("roles:", "rolls:"))
    told = computer.run(checkout)
    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.splitlines() == [
        "Files here",
        "  error    fleet.yaml cannot be built: unknown key 'rolls' in the file",
        "           → `fleet validate`",
        "",
        "opencode here",
        "  note     opencode is not on PATH",
        "           → `npm install -g opencode-ai`, to use it on this computer",
        "",
        "1 error, 1 note",
    ]
    assert "\x1b[31m" in computer.run(checkout, FORCE_COLOR="1").stdout
    assert "\x1b" not in computer.run(checkout, FORCE_COLOR="1", NO_COLOR="1").stdout
