"""``fleet add``, ``move``, ``rename`` and ``remove``."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_compiler.commands.apply_edit import apply_edit
from fleet_compiler.diagnostics.errors import OutputError
from fleet_compiler.edit.changes import Change
from fleet_compiler.edit.providers import move_provider
from fleet_compiler.load import Loaded
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import Fleet, write

MODELS = (SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))


@pytest.fixture(scope="module")
def machines() -> Iterator[SimulationThread]:
    with SimulationThread(
        [
            ServerSpec("box", models=MODELS),
            ServerSpec("attic", kind="ollama", models=MODELS),
            ServerSpec("many", models=tuple(SimulatedModel(f"model-{n:02}") for n in range(13))),
        ]
    ) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, machines: SimulationThread) -> Path:
    """A fleet.yaml of the one provider `box`, with comments."""
    return write(
        tmp_path,
        f"""
        version: 1
        default_provider: box   # the desk
        providers:
          # under the desk
          box: {machines.url("box")}   # by cable
        roles: {{default: box/qwen3-8b, task: [box/qwen3-4b]}}   # first choices
        surfaces: {{chat: , code: {{client: opencode, providers: [box]}}}}
        """,
    )


def lock_of(folder: Path) -> dict[str, object]:
    providers: dict[str, object] = json.loads((folder / "fleet.lock").read_text())["providers"]
    return providers


def test_add_probes_a_provider_shows_its_models_and_builds(
    fleet: Fleet, config: Path, machines: SimulationThread
) -> None:
    before = config.read_text()
    ran = fleet("add", "attic", machines.url("attic"), "--yes")
    line = f"  attic: {machines.url('attic')}\n"
    assert (ran.code, config.read_text()) == (0, before.replace("by cable\n", f"by cable\n{line}"))
    assert ran.err.startswith("attic: ollama, 2 models\n  attic/qwen3-8b\n  attic/qwen3-4b\n")
    assert f"+{line}" in ran.out
    assert "+ attic: 2 models, on chat\n" in ran.out
    assert set(lock_of(config.parent)) == {"attic", "box"}


def test_add_shows_the_first_of_many_models(fleet: Fleet, config: Path, machines: SimulationThread) -> None:
    ran = fleet("add", "many", machines.url("many"), "--dry-run")
    assert ran.err.endswith("  many/model-09\n  and 3 more\nnothing was written (--dry-run)\n")


def test_a_provider_that_does_not_respond_can_be_added(fleet: Fleet, config: Path) -> None:
    ran = fleet("add", "attic", "http://127.0.0.1:9", "--yes")
    assert ran.code == 0
    assert "warning: attic did not return a model list: http://127.0.0.1:9/v1: connection refused" in ran.err
    assert "+ attic: 0 models, on chat\n" in ran.out


def at_a_terminal(folder: Path, answer: str, *arguments: str) -> int:
    """The exit code of a command at whose terminal a person types `answer`."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    program = [sys.executable, "-m", "fleet_compiler", *arguments]
    ran = subprocess.run(program, cwd=folder, stdin=theirs, capture_output=True, check=False)
    os.close(ours)
    os.close(theirs)
    assert b"add it to fleet.yaml?" in ran.stderr
    return ran.returncode


@pytest.mark.parametrize(("answer", "code", "added"), [("y\n", 0, True), ("n\n", 130, False)])
def test_add_asks_at_a_terminal(
    config: Path, machines: SimulationThread, answer: str, code: int, added: bool
) -> None:
    assert at_a_terminal(config.parent, answer, "add", "attic", machines.url("attic")) == code
    assert ("attic" in config.read_text()) is added


def test_at_a_terminal_the_default_is_yes_for_a_provider_that_responds(
    config: Path, machines: SimulationThread
) -> None:
    at_a_terminal(config.parent, "\n", "add", "attic", machines.url("attic"))
    at_a_terminal(config.parent, "\n", "add", "loft", "http://127.0.0.1:9")
    assert ("attic" in config.read_text(), "loft" in config.read_text()) == (True, False)


def test_without_a_terminal_add_wants_yes(
    fleet: Fleet, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = config.read_text()
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        ran = fleet("add", "attic", "http://127.0.0.1:9")
    assert (ran.code, config.read_text()) == (2, before)
    assert ran.err.endswith("error: cannot ask without a terminal: add --yes\n")


def test_a_name_that_is_taken_is_reported_with_its_place(
    fleet: Fleet, config: Path, machines: SimulationThread
) -> None:
    ran = fleet("add", "box", "http://127.0.0.1:9", "--yes")
    assert (ran.code, ran.err) == (
        2,
        f"error: fleet.yaml:5:3: provider 'box' exists and is at {machines.url('box')}; "
        "`fleet move box http://127.0.0.1:9` changes its address\n",
    )


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("add", "attic", "127.0.0.1:9"), "fleet.yaml:6:10"),
        (("move", "box", "ftp://127.0.0.1"), "fleet.yaml:5:8"),
    ],
)
def test_a_change_that_would_make_the_file_invalid_is_not_made(
    fleet: Fleet, config: Path, arguments: tuple[str, ...], place: str
) -> None:
    before = config.read_text()
    ran = fleet(*arguments)
    assert (ran.code, config.read_text()) == (1, before)
    assert ran.err.startswith("nothing was changed: 'fleet.yaml' would become invalid\nerror[F")
    assert f" --> {place}\n" in ran.err
    assert not (config.parent / "generated").exists()


def test_move_changes_the_address_and_nothing_else(
    fleet: Fleet, config: Path, machines: SimulationThread
) -> None:
    before = config.read_text()
    ran = fleet("move", "box", machines.url("many"))
    assert (ran.code, config.read_text()) == (0, before.replace(machines.url("box"), machines.url("many")))
    assert "wrote fleet.yaml\n" in ran.out
    assert (config.parent / "generated" / "gateway.json").is_file()


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_move_to_where_a_provider_is_changes_nothing(
    fleet: Fleet, config: Path, machines: SimulationThread, ending: str
) -> None:
    before = config.stat()
    ran = fleet("move", "box", machines.url("box") + ending, "--no-build")
    assert (ran.code, ran.out) == (0, "fleet.yaml is unchanged\n")
    assert config.stat() == before


def test_a_sidecar_that_stays_behind_is_reported(fleet: Fleet, tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        version: 1
        default_provider: box
        providers:
          box: {url: "http://127.0.0.1:9", sidecar: "http://127.0.0.1:10", poll: false, models: [a]}
        """,
    )
    ran = fleet("move", "box", "http://127.0.0.2:9", "--no-build")
    assert ran.err == (
        "warning: fleet.yaml:4:45: the sidecar of 'box' is still at http://127.0.0.1:10: "
        "change it if it moved too\n"
    )
    assert fleet("move", "box", "http://127.0.0.2:8", "--no-build").err == ""


def test_rename_carries_references_and_the_lock_entry(
    fleet: Fleet, config: Path, machines: SimulationThread
) -> None:
    fleet("build")
    entry = lock_of(config.parent)["box"]
    ran = fleet("rename", "box", "desk", "--no-build")
    assert (ran.code, lock_of(config.parent)) == (0, {"desk": entry})
    assert config.read_text() == (
        "version: 1\n"
        "default_provider: desk   # the desk\n"
        "providers:\n"
        "  # under the desk\n"
        f"  desk: {{url: {machines.url('box')}, formerly: [box]}}   # by cable\n"
        "roles: {default: desk/qwen3-8b, task: [desk/qwen3-4b]}   # first choices\n"
        "surfaces: {chat: , code: {client: opencode, providers: [desk]}}\n"
    )
    assert ran.err == "saved ids that begin with 'box/' still work: 'box' is a former name of 'desk'\n"


def test_a_renamed_provider_does_not_get_the_lock_entry_that_another_one_left_under_that_name(
    fleet: Fleet, config: Path, machines: SimulationThread
) -> None:
    fleet("add", "many", machines.url("many"), "--yes")
    entry = lock_of(config.parent)["box"]
    fleet("remove", "many", "--no-build")
    fleet("rename", "box", "many")
    assert lock_of(config.parent) == {"many": entry}


def test_a_provider_that_is_off_keeps_its_models_when_it_is_renamed(
    fleet: Fleet, config: Path, machines: SimulationThread
) -> None:
    fleet("build")
    machines.set("box", offline=True)
    ran = fleet("rename", "box", "desk")
    machines.set("box", offline=False)
    assert ran.code == 0
    assert fleet("resolve", "box/qwen3-8b").out.startswith("desk/qwen3-8b\n")


@pytest.mark.parametrize("command", [("rename", "box"), ("add",)], ids=" ".join)
@pytest.mark.parametrize(("name", "remedy"), [("Box", ""), ("My box", "write 'my-box'; ")])
def test_a_name_that_no_provider_can_have_is_one_error_with_a_free_name_like_it(
    fleet: Fleet, config: Path, command: tuple[str, ...], name: str, remedy: str
) -> None:
    before = config.read_text()
    ran = fleet(*command, name, *(["http://127.0.0.1:9"] if command == ("add",) else []))
    assert (ran.code, config.read_text()) == (2, before)
    assert ran.err.startswith(
        f"error: '{name}' is not a valid provider name; {remedy}use up to 63 lower-case letters"
    )


def test_remove_says_what_refers_to_a_provider_and_changes_nothing(
    fleet: Fleet, config: Path, machines: SimulationThread
) -> None:
    fleet("add", "attic", machines.url("attic"), "--yes", "--no-build")
    before = config.read_text()
    ran = fleet("remove", "box")
    assert (ran.code, config.read_text()) == (1, before)
    places = [line.strip() for line in ran.err.splitlines() if "-->" in line]
    assert places == [f"--> fleet.yaml:{at}" for at in ("2:19", "7:18", "7:39", "8:57")]


def test_remove_with_fix_updates_the_references(
    fleet: Fleet, config: Path, machines: SimulationThread
) -> None:
    fleet("add", "attic", machines.url("attic"), "--yes")
    config.write_text(config.read_text().replace("providers: [box]", "providers: [box, attic]"))
    ran = fleet("remove", "box", "--fix")
    assert (ran.code, config.read_text()) == (
        0,
        "version: 1\n"
        "default_provider: attic   # the desk\n"
        "providers:\n"
        "  # under the desk\n"
        f"  attic: {machines.url('attic')}\n"
        "roles: {}   # first choices\n"
        "surfaces: {chat: , code: {client: opencode, providers: [attic]}}\n",
    )
    assert ran.err.startswith(
        "bare model ids now belong to 'attic', the default provider instead of 'box'\n"
        "fleet.yaml: the comment above 'box' stays: delete it if it was about that provider only\n"
    )
    assert set(lock_of(config.parent)) == {"attic"}


@pytest.mark.parametrize(
    ("providers", "is_noted"),
    [
        ("# all\nproviders: {box: 'http://127.0.0.1:9', attic: 'http://127.0.0.2:9'}\n", False),
        ("providers:\n  box: http://127.0.0.1:9\n  # above\n  attic: http://127.0.0.2:9\n", True),
    ],
    ids=["several on a line", "a line for each"],
)
def test_a_comment_above_a_removed_provider_is_noted_if_the_provider_has_a_line(
    fleet: Fleet, tmp_path: Path, providers: str, is_noted: bool
) -> None:
    (tmp_path / "fleet.yaml").write_text(f"version: 1\ndefault_provider: box\n{providers}")
    ran = fleet("remove", "attic", "--no-build")
    assert (ran.code, "the comment above 'attic' stays" in ran.err) == (0, is_noted)


def test_no_comment_is_above_the_first_line(fleet: Fleet, tmp_path: Path) -> None:
    providers = "{box: 'http://127.0.0.1:9', attic: 'http://127.0.0.2:9'}"
    config = f"{{version: 1, default_provider: box, providers: {providers}}}\n# the end"
    (tmp_path / "fleet.yaml").write_text(config)
    ran = fleet("remove", "attic", "--no-build")
    assert (ran.code, ran.err) == (0, "")


def test_the_only_provider_stays(fleet: Fleet, config: Path) -> None:
    ran = fleet("remove", "box", "--fix")
    assert (ran.code, ran.err) == (
        2,
        "error: fleet.yaml:5:3: 'box' is the only provider: add another one first, `fleet add NAME URL`\n",
    )


@pytest.mark.parametrize(
    "arguments", [("move", "bx", "http://127.0.0.1:9"), ("rename", "bx", "b"), ("remove", "bx")]
)
def test_an_unknown_name_gets_a_suggestion(fleet: Fleet, config: Path, arguments: tuple[str, ...]) -> None:
    ran = fleet(*arguments)
    assert (ran.code, ran.err) == (2, "error: no provider 'bx' in fleet.yaml; did you mean 'box'?\n")


def test_a_former_name_leads_to_the_present_one(fleet: Fleet, config: Path) -> None:
    fleet("rename", "box", "desk", "--no-build")
    assert fleet("remove", "box").err == (
        "error: no provider 'box' in fleet.yaml; that is a former name of 'desk'\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "attic", "http://127.0.0.1:9"),
        ("move", "box", "http://127.0.0.1:9"),
        ("rename", "box", "desk"),
    ],
)
def test_a_dry_run_shows_the_change_and_writes_nothing(
    fleet: Fleet, config: Path, arguments: tuple[str, ...]
) -> None:
    before = config.read_text()
    ran = fleet(*arguments, "--dry-run")
    assert (ran.code, config.read_text()) == (0, before)
    assert ran.out.startswith("--- fleet.yaml\n+++ fleet.yaml\n@@ ")
    assert ran.err.endswith("nothing was written (--dry-run)\n")
    assert [path.name for path in config.parent.iterdir()] == ["fleet.yaml"]


def test_a_place_that_cannot_be_changed_safely_is_reported_with_the_line_to_write(
    fleet: Fleet, tmp_path: Path
) -> None:
    write(
        tmp_path,
        """
        version: 1
        default_provider: box
        providers:
          box: >-
            http://127.0.0.1:9
        """,
    )
    ran = fleet("move", "box", "http://127.0.0.1:8")
    assert ran.code == 1
    assert ran.err.startswith("error[F401]: this cannot be changed safely: its value spans several lines\n")
    assert " --> fleet.yaml:4:3\n" in ran.err
    assert "= help: by hand: write http://127.0.0.1:8 here\n" in ran.err


def test_a_linked_file_stays_a_link_and_keeps_its_permissions(
    fleet: Fleet, config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "link"
    folder.mkdir()
    config.chmod(0o600)
    (folder / "fleet.yaml").symlink_to(config)
    ran = fleet("move", "box", "http://127.0.0.1:9", "--no-build", "-f", "link/fleet.yaml")
    assert (ran.code, (folder / "fleet.yaml").is_symlink()) == (0, True)
    assert "http://127.0.0.1:9 " in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o600


def test_standard_input_cannot_be_changed(fleet: Fleet) -> None:
    ran = fleet("rename", "a", "b", "-f", "-")
    assert (ran.code, ran.err) == (
        2,
        "error: standard input cannot be changed: name a file with -f FILE\n",
    )


def test_a_change_waits_for_another_command_in_the_same_folder(config: Path) -> None:
    program = [sys.executable, "-m", "fleet_compiler", "rename", "box", "desk", "--no-build"]
    holder = os.open(config.parent, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with subprocess.Popen(program, cwd=config.parent, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "waiting for another fleet command in '.'\n"
        assert "desk:" not in config.read_text()
        os.close(holder)
        assert waiting.wait(20) == 0
    assert "desk:" in config.read_text()


def test_what_an_editor_saves_meanwhile_is_not_lost(tmp_path: Path) -> None:
    config = write(tmp_path, "version: 1\ndefault_provider: box\nproviders: {box: http://127.0.0.1:9}\n")
    saved = config.read_bytes() + b"# saved in an editor\n"

    def plan(loaded: Loaded) -> list[Change]:
        config.write_bytes(saved)
        return move_provider(loaded, "box", "http://127.0.0.1:10")

    with pytest.raises(OutputError, match="was changed by something else meanwhile"):
        apply_edit(config, plan, dry_run=False)
    assert config.read_bytes() == saved
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fleet.yaml"]
