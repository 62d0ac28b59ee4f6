"""``fleet build`` and ``fleet diff``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import ONE_MACHINE, Fleet, write

CANARY = "canary-8d1f77"


@pytest.fixture(scope="module")
def machines() -> Iterator[SimulationThread]:
    models = tuple(SimulatedModel(id) for id in ("qwen3-8b", "qwen3-4b"))
    with SimulationThread([ServerSpec("desk", models=models), ServerSpec("attic", models=models)]) as running:
        yield running


def two(machines: SimulationThread) -> str:
    return f"""
    version: 1
    default_provider: desk
    providers:
      desk: {machines.url("desk")}
      attic: {machines.url("attic")}
    surfaces: {{chat: , code: {{client: opencode}}}}
    """


def test_a_build_probes_new_providers_once(fleet: Fleet, tmp_path: Path, machines: SimulationThread) -> None:
    for name in ("desk", "attic"):
        machines.reset(name)
    write(tmp_path, two(machines))
    first = fleet("build")
    assert first.out.splitlines() == [
        "+ desk: 2 models, on chat, code",
        "+ attic: 2 models, on chat, code",
        "wrote 7 files to generated/",
    ]
    assert sorted(first.err.splitlines()) == ["attic: llama-swap, 2 models", "desk: llama-swap, 2 models"]
    asked = len(machines.records("desk"))
    second = fleet("build")
    assert (second.code, second.out, second.err) == (0, "generated/ is up to date\n", "")
    assert len(machines.records("desk")) == asked
    assert (machines.counters("desk")["loads"], machines.counters("desk")["ttl_resets"]) == (0, 0)


def test_one_more_line_is_one_more_provider(fleet: Fleet, tmp_path: Path, machines: SimulationThread) -> None:
    write(tmp_path, two(machines).replace(f"      attic: {machines.url('attic')}\n", ""))
    fleet("build")
    write(tmp_path, two(machines))
    assert fleet("build").out.splitlines()[0] == "+ attic: 2 models, on chat, code"


def test_a_silent_provider_is_built_without_models_and_probed_again(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread
) -> None:
    write(tmp_path, two(machines))
    machines.set("attic", offline=True)
    silent = fleet("build")
    machines.set("attic", offline=False)
    assert silent.code == 0
    assert "+ attic: 0 models, on chat, code" in silent.out
    url = f"{machines.url('attic')}/v1"
    assert silent.err.splitlines()[-1] == (
        f"warning: 'attic' has no models: {url}: connection refused; start it, or correct its `url`; "
        f"`curl -i {machines.url('attic')}/v1/models`; the next build, or `fleet lock attic`, probes it again"
    )
    assert "attic" not in json.loads((tmp_path / "fleet.lock").read_text())["providers"]
    again = fleet("build")
    assert "~ attic:\n    + qwen3-4b\n    + qwen3-8b\n" in again.out


def test_a_default_provider_that_responds_with_404_is_reported_last_with_its_url(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread
) -> None:
    url = machines.url("desk")
    write(tmp_path, f"version: 1\ndefault_provider: desk\nproviders: {{desk: '{url}/nowhere'}}\n")
    ran = fleet("build")
    assert ran.code == 0
    assert ran.err.splitlines()[-1].startswith(
        f"warning: default provider 'desk' has no models: {url}/nowhere/v1: '/models' returned 404; "
    )


def test_a_fleet_without_surfaces_is_shown_what_works_without_them(fleet: Fleet, project: Path) -> None:
    hint = "no surfaces are configured; clients use /v1, or /providers/<name>/v1 for one provider\n"
    assert hint not in fleet("build").err
    write(project, ONE_MACHINE.partition("surfaces:")[0])
    assert fleet("build").err.endswith(hint)
    assert fleet("build").err == ""


def test_a_glob_that_matches_nothing_is_warned_about(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread
) -> None:
    machines.reset("desk")
    write(
        tmp_path,
        f"""
        version: 1
        default_provider: desk
        providers:
          desk: {{url: "{machines.url("desk")}", include: [qwen3-8b, "gemma*"]}}
        """,
    )
    for arguments in (["build"], ["validate"], ["validate", "--live"]):
        ran = fleet(*arguments)
        assert ran.code == 0
        assert ran.err.count("warning[F308]") == 1
        assert "'gemma*' matches no model of provider 'desk' in fleet.lock" in ran.err
        assert "help: it lists 'qwen3-4b' and 'qwen3-8b'" in ran.err


@pytest.mark.parametrize("flag", ["--locked", "--frozen", "--check"])
def test_locked_frozen_and_check_probe_no_provider(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread, flag: str
) -> None:
    machines.reset("desk")
    write(tmp_path, two(machines))
    fleet("build", flag)
    assert machines.records("desk") == []


def test_a_model_that_is_listed_as_a_relative_path_is_reported_with_what_to_write(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread
) -> None:
    """llama-server until 2025, started with ``-m ../models/q.gguf`` and no ``--alias``."""
    machines.reset("desk")
    machines.set("desk", list_body=json.dumps({"data": [{"id": "../models/q.gguf", "owned_by": "llamacpp"}]}))
    url = machines.url("desk")
    remedy = "start its server with `--alias q`, or write `models: {q: {}}` and `unlisted: forward`"
    for models in ("", ", models: ['../models/q.gguf']"):
        write(
            tmp_path,
            f"""
            version: 1
            default_provider: desk
            providers:
              desk: {{url: "{url}"{models}}}
            """,
        )
        assert remedy in fleet("build").err
    write(
        tmp_path,
        f"""
        version: 1
        default_provider: desk
        providers:
          desk: {{url: "{url}", models: {{q: {{}}}}, unlisted: forward}}
        """,
    )
    assert fleet("build").code == 0
    assert "desk/q" in fleet("models").out


def test_a_check_writes_nothing_and_names_the_remedy(fleet: Fleet, project: Path) -> None:
    ran = fleet("build", "--check", "--generated", "out")
    assert (ran.code, ran.out) == (3, "")
    assert "'out/gateway.json' is missing" in ran.err
    assert ran.err.endswith("run `fleet build --generated out`\n")
    assert [path.name for path in project.iterdir()] == ["fleet.yaml"]


def test_a_check_is_satisfied_by_a_build(fleet: Fleet, project: Path) -> None:
    assert fleet("build").code == 0
    ran = fleet("build", "--check")
    assert (ran.code, ran.out, ran.err) == (0, "generated/ is up to date\n", "")


def test_a_check_distinguishes_changed_edited_missing_and_superfluous_files(
    fleet: Fleet, project: Path
) -> None:
    fleet("build")
    write(project, ONE_MACHINE.replace("chat: ,", "notes: ,"))
    (project / "generated" / "opencode.json").write_text("{}\n")
    lines = fleet("build", "--check").err.splitlines()
    assert any(line.startswith("'generated/gateway.json' would change (+") for line in lines)
    assert any(
        line.startswith("'generated/opencode.json' was changed since the last build") for line in lines
    )
    assert "'generated/routing/notes.json' is missing" in lines
    assert "'generated/routing/chat.json' is no longer generated" in lines


def test_what_was_edited_by_hand_is_named_before_it_is_overwritten(fleet: Fleet, project: Path) -> None:
    fleet("build")
    (project / "generated" / "opencode.json").write_text("{}\n")
    ran = fleet("build")
    assert "warning: overwriting 'generated/opencode.json', which was changed since the last build" in ran.err
    assert json.loads((project / "generated" / "opencode.json").read_text())["share"] == "disabled"


def test_a_check_as_json_says_what_is_stale_and_why(fleet: Fleet, project: Path) -> None:
    fleet("build")
    write(project, ONE_MACHINE.replace("chat: ,", "notes: ,"))
    (project / "generated" / "opencode.json").write_text("{}\n")
    (project / "fleet.lock").unlink()
    for spelling in (["--format", "json"], ["--json"]):
        ran = fleet("build", "--check", *spelling)
        assert (ran.code, ran.err) == (3, "")
        told = json.loads(ran.out)
        assert (told["status"], told["generated"], told["remedy"]) == ("stale", "generated", "fleet build")
        reasons = {file["path"]: file["reason"] for file in told["stale"]}
        assert reasons["fleet.lock"] == "missing"
        assert reasons["generated/gateway.json"] == "changed"
        assert reasons["generated/opencode.json"] == "edited"
        assert reasons["generated/routing/notes.json"] == "missing"
        assert reasons["generated/routing/chat.json"] == "surplus"


def test_a_check_as_json_of_current_files_is_empty(fleet: Fleet, project: Path) -> None:
    fleet("build")
    ran = fleet("build", "--check", "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["status"], told["stale"], told["remedy"]) == (0, "current", [], None)


def test_an_invalid_file_is_reported_as_json_too(fleet: Fleet, project: Path) -> None:
    write(project, ONE_MACHINE.replace("default_provider: desk", "default_provider: dexk"))
    for arguments in (["--check", "--json"], ["--json"]):
        ran = fleet("build", *arguments)
        told = json.loads(ran.out)
        assert (ran.code, ran.err, told["status"]) == (1, "", "invalid")
        assert told["diagnostics"][0]["code"] == "F201"


def test_a_build_as_json_says_what_was_written_and_what_changed(fleet: Fleet, project: Path) -> None:
    ran = fleet("build", "--json")
    told = json.loads(ran.out)
    assert (ran.code, ran.err, told["status"]) == (0, "", "written")
    assert told["changes"] == ["+ desk: 2 models, on chat, code"]
    assert "generated/manifest.json" in [file["path"] for file in told["written"]]
    assert json.loads(fleet("build", "--json").out)["status"] == "current"


def test_a_place_that_cannot_be_written_to_is_reported_as_json(fleet: Fleet, project: Path) -> None:
    (project / "generated").write_text("a file")
    ran = fleet("build", "--json")
    assert (ran.code, json.loads(ran.out)["status"]) == (1, "failed")


@pytest.mark.parametrize(
    "pair", [("--check", "--watch"), ("--watch", "--json"), ("--locked", "--frozen")], ids=" ".join
)
def test_options_that_exclude_each_other_are_a_usage_error(
    fleet: Fleet, project: Path, pair: tuple[str, str]
) -> None:
    ran = fleet("build", *pair)
    assert (ran.code, ran.out) == (2, "")
    assert f"{pair[0]} and {pair[1]} cannot be used together" in ran.err


def test_a_locked_build_fails_while_a_polled_provider_has_no_entry(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread
) -> None:
    write(tmp_path, two(machines))
    fleet("lock", "desk")
    ran = fleet("build", "--locked")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == ("error: fleet.lock has no entry for 'attic': run `fleet lock` while online\n")
    assert json.loads(fleet("build", "--locked", "--json").out)["status"] == "incomplete_lock"
    assert not (tmp_path / "generated").exists()
    fleet("lock")
    assert fleet("build", "--locked").code == 0


def test_a_frozen_build_takes_what_there_is(fleet: Fleet, tmp_path: Path, machines: SimulationThread) -> None:
    write(tmp_path, two(machines))
    fleet("lock", "desk")
    ran = fleet("build", "--frozen")
    assert ran.code == 0
    assert "+ attic: 0 models, on chat, code" in ran.out
    assert ran.err == "warning: 'attic' is not in fleet.lock and has no models: run `fleet lock attic`\n"


def test_the_variable_names_the_file_from_anywhere(
    fleet: Fleet, project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("FLEET_CONFIG", str(project / "fleet.yaml"))
    assert fleet("build").code == 0
    assert (project / "generated" / "manifest.json").is_file()
    assert "desk/qwen3-8b" in fleet("models").out


def test_a_diff_as_json_holds_files_changes_and_lines(fleet: Fleet, project: Path) -> None:
    told = json.loads(fleet("diff", "--json").out)
    assert told["changes"] == ["+ desk: 2 models, on chat, code"]
    assert "generated/gateway.json" in [file["path"] for file in told["stale"]]
    assert "+++ b/gateway.json" in told["diff"]


def test_files_below_a_parent_are_found_and_named_from_here(
    fleet: Fleet, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = project / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert "wrote 7 files to ../../generated" in fleet("build").out
    assert (project / "generated" / "manifest.json").is_file()


def test_another_file_brings_its_own_lock_and_folder(fleet: Fleet, project: Path) -> None:
    other = project / "other"
    other.mkdir()
    write(other, ONE_MACHINE)
    assert fleet("build", "-f", "other/fleet.yaml").code == 0
    assert sorted(path.name for path in other.iterdir()) == ["fleet.lock", "fleet.yaml", "generated"]
    assert not (project / "generated").exists()


def test_a_failing_build_changes_nothing(fleet: Fleet, project: Path) -> None:
    fleet("build")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    config = write(project, ONE_MACHINE.replace("desk/qwen3-8b", "gone/qwen3-8b"))
    assert fleet("build").code == 1
    after = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert {path for path in after if before[path] != after[path]} == {config}


def test_a_diff_shows_a_build_without_doing_it(fleet: Fleet, project: Path) -> None:
    fleet("build")
    assert fleet("diff").out == ""
    write(project, ONE_MACHINE.replace("[qwen3-8b, qwen3-4b]", "[qwen3-8b]"))
    ran = fleet("diff")
    assert ran.code == 0
    assert "--- a/opencode.json\n+++ b/opencode.json\n" in ran.out
    assert '-      "whitelist": ["qwen3-4b", "qwen3-8b"],\n+      "whitelist": ["qwen3-8b"],\n' in ran.out
    assert "change opencode.json  +1 -2\n" in fleet("diff", "--stat").out
    assert fleet("build", "--check").code == 3


def test_no_secret_is_in_any_output_or_file(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in the environment and one in a file: both reach their provider, and nothing else."""
    machines.reset("desk")
    machines.reset("attic")
    (tmp_path / "attic.key").write_text(f"{CANARY}-file\n")
    write(
        tmp_path,
        f"""
        version: 1
        default_provider: desk
        providers:
          desk: {{url: "{machines.url("desk")}", api_key_env: DESK_KEY}}
          attic: {{url: "{machines.url("attic")}", api_key_file: attic.key}}
        surfaces: {{code: {{client: opencode, key: laptop}}}}
        gateway: {{keys: {{laptop: {{env: DESK_KEY}}}}}}
        """,
    )
    monkeypatch.setenv("DESK_KEY", f"{CANARY}-env")
    commands = (
        ["build"],
        ["lock"],
        ["validate", "--live"],
        ["models", "--json"],
        ["diff"],
        ["resolve", "@x"],
    )
    said = [fleet(*arguments) for arguments in commands]
    assert {record.header("authorization") for record in machines.records("desk")} == {f"Bearer {CANARY}-env"}
    assert {record.header("authorization") for record in machines.records("attic")} == {
        f"Bearer {CANARY}-file"
    }
    assert all(CANARY not in ran.out + ran.err for ran in said)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "attic.key"]
    assert all(CANARY.encode() not in path.read_bytes() for path in files)
    with_key = {path: path.read_bytes() for path in files}
    monkeypatch.delenv("DESK_KEY")
    (tmp_path / "attic.key").unlink()
    fleet("build")
    assert {path: path.read_bytes() for path in files} == with_key


def test_watching_repeats_no_warning_and_builds_only_after_changes(project: Path) -> None:
    unlisted = ONE_MACHINE.replace("roles: {default: desk/qwen3-8b}", "roles: {default: desk/gone}")
    write(project, unlisted)
    command = [sys.executable, "-m", "fleet_compiler", "build", "--watch"]
    process = subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    try:
        first = list(takewhile(lambda line: line != "watching 'fleet.yaml'\n", lines))
        write(project, unlisted.replace("[qwen3-8b, qwen3-4b]", "[qwen3-8b, new]"))
        second = list(takewhile(lambda line: line != "watching 'fleet.yaml'\n", lines))
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert sum("[F302]" in line for line in first) == 1
    assert second == ["~ desk:\n", "    + new\n", "    - qwen3-4b\n", "wrote 7 files to generated/\n"]


def test_watching_builds_again_when_the_file_changes(project: Path) -> None:
    command = [sys.executable, "-m", "fleet_compiler", "build", "--watch"]
    process = subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        first = [process.stdout.readline() for _ in range(2)]
        assert first == ["+ desk: 2 models, on chat, code\n", "wrote 7 files to generated/\n"]
        write(project, ONE_MACHINE.replace("[qwen3-8b, qwen3-4b]", "[qwen3-8b, new]"))
        changed = iter(process.stdout.readline, "")
        assert "~ desk:\n" in changed
        assert next(changed) == "    + new\n"
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize(
    ("name", "mangled", "said"),
    [
        ("fleet.lock", '{"format": 1, "providers": ' + "9" * 5000 + "}", "error[F301]"),
        ("fleet.lock", '{"format": 1, "providers": {"\\ud800": {}}}', "error[F301]"),
        ("fleet.yaml", "providers: [", "error[F0"),
    ],
)
def test_watching_continues_after_a_mangled_file(project: Path, name: str, mangled: str, said: str) -> None:
    command = [sys.executable, "-m", "fleet_compiler", "build", "--watch"]
    process = subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")

    def put(content: bytes) -> None:
        (project / "new").write_bytes(content)
        (project / "new").replace(project / name)

    try:
        assert "watching 'fleet.yaml'\n" in lines
        sound = (project / name).read_bytes()
        put(mangled.encode())
        assert any(line.startswith(said) for line in lines)
        assert "watching 'fleet.yaml'\n" in lines
        put(sound)
        assert "generated/ is up to date\n" in lines
    finally:
        process.terminate()
        process.communicate(timeout=20)
