"""The real programs of the kinds of client, started by ``fleet run`` on what was generated for them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fleet_compiler.clients import CLIENTS
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from fleet_runtime.simulator.spec import ScriptedCall
from tests.integration.client_programs import MODEL, PROGRAMS, WORK, ClientProgram
from tests.integration.elsewhere import Elsewhere, elsewhere
from tests.integration.processes import finished
from tests.support.fleet_process import FLEET
from tests.support.stack import Stack, running_stack

pytestmark = pytest.mark.integration

CHAT = ("qwen3-8b", "qwen3-4b", "unsloth/Qwen3-8B-GGUF:Q4_K_M", "deepseek-chat")
TWO = ("alpha", "beta")
KEY = "key-of-the-tests"
RUN_SECONDS = 150.0
EDIT = "note.txt\n```\nedited\n```\n"
"""What aider takes for a change of a file."""


def machines() -> list[ServerSpec]:
    models = tuple(SimulatedModel(model, context=65536) for model in CHAT)
    editor = SimulatedModel("editor", context=65536, reply=f"\n{EDIT}")
    vectors = SimulatedModel("nomic-embed", purpose="embedding")
    return [
        *(ServerSpec(name, models=(*models, editor, vectors)) for name in TWO),
        ServerSpec("cloud", kind="cloud", models=models, api_key="canary"),
    ]


def fleet_yaml(simulated: SimulationThread, listen: str) -> str:
    known = ", ".join(f'"{model}": {{context: 65536}}' for model in (*CHAT, "editor"))
    models = f"{{{known}, nomic-embed: {{purpose: embedding}}}}"
    kinds = ", ".join(kind for kind, program in PROGRAMS.items() if program.by_surface)
    surfaces = "\n  ".join(
        f"{name}: {{client: [{kinds}], classes: [local], roles: {{default: {name}/qwen3-8b}}}}"
        for name in (*TWO, "dead")
    )
    every = f"client: [{', '.join(PROGRAMS)}], classes: [local]"
    return f"""\
version: 1
default_provider: alpha
providers:
  alpha: {{url: "{simulated.url("alpha")}", models: {models}}}
  beta: {{url: "{simulated.url("beta")}", models: {models}}}
  dead: {{url: "http://127.0.0.1:9", poll: false, models: {{qwen3-8b: {{context: 65536}}}}}}
  cloud: {{url: "{simulated.url("cloud")}", class: cloud, api_key_env: CANARY_KEY, models: [deepseek-chat]}}
roles: {{default: alpha/editor, task: beta/qwen3-4b, embedding: alpha/nomic-embed}}
surfaces:
  code: {{{every}}}
  {surfaces}
  kept: {{{every}, roles: {{default: beta/qwen3-8b}}, keepalive: 0.3}}
gateway: {{listen: "{listen}", keys: {{laptop: {{env: FLEET_KEY}}}}, captures: {{keep: 20}}}}
inventory: {{interval: 1, timeout: 1, grace: 3}}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    keys = {"CANARY_KEY": "canary", "FLEET_KEY": KEY}
    with running_stack(tmp_path_factory.mktemp("fleet"), machines(), fleet_yaml, env=keys) as stack:
        yield stack


@dataclass(frozen=True, slots=True)
class Bench:
    """A program in a home and a working folder of its own; what it asks of another address is only noted."""

    program: ClientProgram
    stack: Stack
    folder: Path
    proxy: str

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def run(
        self, *arguments: str, model: str = "alpha/qwen3-8b", surface: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Start it by ``fleet run``."""
        kind = self.program.kind
        filled = [each.replace(MODEL, model).replace(WORK, str(self.work)) for each in arguments]
        surface = surface or (model.partition("/")[0] if self.program.by_surface else "code")
        config = str(self.stack.folder / "fleet.yaml")
        return self.start(*FLEET, "run", "-f", config, "--surface", surface, kind, *filled)

    def start(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `command`, which finds the program on its PATH."""
        programs = self.program.require(CLIENTS[self.program.kind].program)
        for folder in (self.home, self.work):
            folder.mkdir(exist_ok=True)
        environment = {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "FLEET_KEY": KEY,
            "TERM": "dumb",
        }
        if self.program.proxied:
            environment |= {
                "HTTP_PROXY": self.proxy,
                "HTTPS_PROXY": self.proxy,
                "NO_PROXY": "127.0.0.1,localhost",
            }
        return finished(command, self.work, environment, RUN_SECONDS)

    def captured(self) -> dict[str, str]:
        """Return the bodies of the responses on the surface `kept`, by the ids of their requests."""
        api, key = self.stack.client, {"authorization": f"Bearer {KEY}"}
        rows = api.get("/api/activity", headers=key).json()["requests"]
        ids = [row["id"] for row in rows if row["surface"] == "kept"]
        found = {id: api.get(f"/api/activity/{id}/capture", headers=key) for id in ids}
        return {id: each.json()["response"]["body"] for id, each in found.items() if each.is_success}

    def asked(self) -> list[tuple[str, str]]:
        """Provider and model of every request, as the providers themselves recorded them."""
        return [
            (name, record.json["model"])
            for name in (*TWO, "cloud")
            for record in self.stack.machines.inference(name)
            if not record.path.endswith("/count_tokens")
        ]


@pytest.fixture
def outside() -> Iterator[Elsewhere]:
    with elsewhere() as seen:
        yield seen


@pytest.fixture
def bench(kind: str, shared: Stack, outside: Elsewhere, tmp_path: Path) -> Iterator[Bench]:
    for name in (*TWO, "cloud"):
        shared.machines.reset(name)
    yield Bench(PROGRAMS[kind], shared, tmp_path, outside.url)
    assert shared.machines.inference("cloud") == [], "a cloud was asked for a local model"
    hosts = {line.split()[1].partition(":")[0] for line in outside.asked if line.startswith("CONNECT")}
    assert hosts <= PROGRAMS[kind].outside
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file() and path.stat().st_size < 10**6]
    assert [path for path in left if KEY in path.read_text(errors="replace")] == []


def kinds(having: str) -> pytest.MarkDecorator:
    """Each kind whose program has something; the ones that CI does not run are slow."""
    return pytest.mark.parametrize(
        "kind",
        [
            pytest.param(kind, marks=() if having in program.in_ci else pytest.mark.slow)
            for kind, program in PROGRAMS.items()
            if getattr(program, having)
        ],
    )


@kinds("lists")
def test_it_lists_exactly_the_models_of_the_surface(bench: Bench) -> None:
    done = bench.run(*bench.program.lists)
    assert done.returncode == 0, done.stderr
    wanted = {f"{provider}/{model}" for provider in TWO for model in (*CHAT, "editor")}
    listed = bench.program.listed(done.stdout + done.stderr)
    ours = sorted(id for id in listed if id.partition("/")[0] in (*TWO, "dead", "cloud"))
    assert ours == sorted({*wanted, "dead/qwen3-8b"})
    assert bench.asked() == []


@kinds("ask")
def test_the_provider_that_an_id_names_responds(bench: Bench) -> None:
    for provider in TWO:
        done = bench.run(*bench.program.ask, model=f"{provider}/qwen3-8b")
        assert done.returncode == 0, done.stderr
        assert f"[{provider}] qwen3-8b:" in done.stdout, done.stdout + done.stderr
    assert set(bench.asked()) == {(provider, "qwen3-8b") for provider in TWO}


@pytest.mark.slow
@kinds("ask")
def test_it_reads_an_answer_behind_keepalive_comments(bench: Bench) -> None:
    bench.stack.machines.set("beta", latency_ms=1500, scope="inference")
    before = bench.captured()
    done = bench.run(*bench.program.ask, model="beta/qwen3-8b", surface="kept")
    assert done.returncode == 0, done.stderr
    assert "[beta] qwen3-8b:" in done.stdout, done.stdout + done.stderr
    bodies = [body for id, body in bench.captured().items() if id not in before]
    assert any(body.count(": keepalive\n\n") > 1 for body in bodies)


@kinds("call")
def test_it_carries_out_a_tool_call_and_sends_the_result(bench: Bench) -> None:
    program, call = bench.program, bench.program.call
    bench.work.mkdir()
    (bench.work / "note.txt").write_text("made by a tool\n")
    bench.stack.machines.set("beta", call=filled(call, bench.work))
    done = bench.run(*program.use_tool, model="beta/qwen3-8b")
    assert done.returncode == 0, done.stderr
    assert set(bench.asked()) == {("beta", "qwen3-8b")}
    bodies = [record.body.decode() for record in bench.stack.machines.inference("beta")]
    assert any("made by a tool" in body or program.version in body for body in bodies[1:])


@kinds("small")
def test_it_asks_its_small_model(bench: Bench) -> None:
    program = bench.program
    bench.work.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=bench.work, check=True)
    (bench.work / "note.txt").write_text("as it was\n")
    if program.small_call is not None:
        bench.stack.machines.set("alpha", call=program.small_call)
    done = bench.run(*program.small, model="alpha/editor")
    assert done.returncode == 0, done.stderr
    assert {("alpha", "editor"), ("beta", "qwen3-4b")} <= set(bench.asked()), done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["codex"])
def test_codex_accepts_every_key_of_the_profile_in_its_strict_mode(bench: Bench) -> None:
    """In a file, that is an error; of flags, it says which are ignored."""
    written = (bench.stack.folder / "generated" / "code" / "codex" / "codex.toml").read_text(encoding="utf-8")
    own = bench.home / ".codex"
    own.mkdir(parents=True)
    (own / "ours.config.toml").write_text(written, encoding="utf-8")
    (own / "wrong.config.toml").write_text(f"nonsense = 1\n{written}", encoding="utf-8")
    strict = ("exec", "--strict-config", "--skip-git-repo-check")
    wrong = bench.start("codex", *strict, "-p", "wrong", "say hi")
    assert "unknown configuration field `nonsense`" in wrong.stderr
    assert bench.asked() == []
    for done in (bench.start("codex", *strict, "-p", "ours", "say hi"), bench.run(*strict, "say hi")):
        assert done.returncode == 0, done.stderr
        assert "is ignored" not in done.stderr
    assert set(bench.asked()) == {("alpha", "editor")}


@pytest.mark.slow
@kinds("ask")
def test_it_ends_soon_if_the_provider_is_off(bench: Bench) -> None:
    began = time.monotonic()
    done = bench.run(*bench.program.ask, model="dead/qwen3-8b")
    assert time.monotonic() - began < bench.program.dead_seconds
    assert "connection refused" in done.stdout + done.stderr
    assert bench.asked() == []


def filled(call: ScriptedCall | None, work: Path) -> ScriptedCall | None:
    if call is None:
        return None
    texts = {key: value.replace(WORK, str(work)) for key, value in call.arguments.items()}
    return replace(call, arguments=texts)
