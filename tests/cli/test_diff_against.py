"""``fleet diff --against``: a revision in git, and a running gateway."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import Fleet, write
from tests.support.stack import Stack, running_stack

BEFORE = """
version: 1
default_provider: desk
providers: {desk: {url: http://127.0.0.1:9, models: [a, b]}}
"""
AFTER = BEFORE.replace("[a, b]", "[a, c]")


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit has no fleet.yaml, and the second one `BEFORE`."""
    git(tmp_path, "init", "--initial-branch=main")
    git(tmp_path, "commit", "--allow-empty", "-m", "empty")
    write(tmp_path, BEFORE)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "begin")
    return tmp_path


def test_a_revision_is_compared_in_every_format(fleet: Fleet, repository: Path) -> None:
    assert fleet("diff", "--against", "main", "--exit-code").code == 0
    write(repository, AFTER)
    shown = fleet("diff", "--against", "main")
    assert shown.out == (
        "~ desk:\n    + c\n    - b\n- gone, everywhere:\n    - desk/b\n+ new, everywhere:\n    + desk/c\n"
    )
    assert shown.code == 0
    assert fleet("diff", "--against", "main", "--exit-code").code == 3
    comment = fleet("diff", "--against", "main", "--format", "markdown").out
    assert comment.startswith("### fleet: 1 gone, 1 new\n\nCompared with `main`.\n")
    data = json.loads(fleet("diff", "--against", "main", "--json").out)
    assert data["surfaces"][0]["gone"] == ["desk/b"]
    assert json.loads(fleet("diff", "--against", "main~1", "--json").out)["surfaces"][0]["new"] == [
        "desk/a",
        "desk/c",
    ]
    assert fleet("diff", "--format", "markdown").out.startswith("### fleet: generated/ changes\n")


def test_a_fleet_in_a_folder_of_the_repository_is_found_there(fleet: Fleet, repository: Path) -> None:
    inner = repository / "home"
    inner.mkdir()
    write(inner, AFTER)
    git(repository, "add", ".")
    git(repository, "commit", "-m", "inner")
    assert fleet("diff", "-f", "home/fleet.yaml", "--against", "HEAD", "--exit-code").code == 0


def test_a_revision_that_cannot_be_read_is_one_clear_error(
    fleet: Fleet, repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in ("nowhere", "--output=x", "HEAD:fleet.yaml"):
        ran = fleet("diff", f"--against={wrong}")
        assert (ran.code, ran.err.startswith(f"error: git revision '{wrong}' does not exist here: ")) == (
            2,
            True,
        )
    write(repository, "version: 1\nproviders: {}\n")
    git(repository, "commit", "-am", "broken")
    write(repository, AFTER)
    ran = fleet("diff", "--against", "HEAD")
    assert ran.code == 1
    assert "HEAD:fleet.yaml:2:12" in ran.err
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere, AFTER)
    ran = fleet("diff", "-f", str(elsewhere / "fleet.yaml"), "--against", "HEAD")
    assert (ran.code, "git cannot read a repository" in ran.err) == (2, True)
    monkeypatch.setenv("PATH", str(elsewhere))
    assert "needs git, which is not installed" in fleet("diff", "--against", "HEAD").err


def fleet_yaml(simulated: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers:
  box: {{url: "{simulated.url("box")}", formerly: [old]}}
  nas:
    url: "{simulated.url("nas")}"
    models: {{m: {{name: The M, input: [text, image]}}, hidden: {{hidden: true}}, plain: {{purpose: chat}}}}
aliases: {{saved: nas/m}}
roles: {{default: box/m}}
surfaces: {{chat: , narrow: {{providers: [nas]}}}}
gateway: {{listen: "{listen}"}}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    specs = [ServerSpec(name, kind="vllm", models=(SimulatedModel("m"),)) for name in ("box", "nas")]
    with running_stack(tmp_path, specs, fleet_yaml, online=("box", "nas")) as stack:
        yield stack


def test_what_a_gateway_serves_is_compared_with_the_files(fleet: Fleet, stack: Stack) -> None:
    config = stack.folder / "fleet.yaml"
    arguments = ("diff", "-f", str(config), "--against", stack.url, "--json")
    same = fleet(*arguments, "--exit-code")
    assert (same.code, json.loads(same.out)["surfaces"], json.loads(same.out)["changes"]) == (0, [], [])
    changed = (
        config.read_text().replace("saved: nas/m", "saved: box/m").replace("default: box/m", "task: nas/m")
    )
    config.write_text(changed)
    (everywhere, *_) = json.loads(fleet(*arguments).out)["surfaces"]
    assert everywhere["elsewhere"] == [{"name": "saved", "before": "nas/m", "after": "box/m"}]
    assert everywhere["roles"] == [
        {"role": "default", "before": ["box/m"], "after": []},
        {"role": "task", "before": [], "after": ["nas/m"]},
    ]
    silent = fleet("diff", "-f", str(config), "--against", "http://127.0.0.1:9")
    assert (silent.code, "connection refused" in silent.err) == (4, True)


def test_a_link_is_followed_inside_the_repository(fleet: Fleet, repository: Path) -> None:
    (repository / "shared").mkdir()
    (repository / "fleet.yaml").rename(repository / "shared" / "fleet.yaml")
    (repository / "fleet.yaml").symlink_to("shared/fleet.yaml")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "link")
    for revision in ("main", "main~1"):
        assert fleet("diff", "--against", revision, "--exit-code").code == 0
    below = repository / "below"
    below.mkdir()
    (below / "fleet.yaml").symlink_to("../fleet.yaml")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "below")
    assert fleet("diff", "-f", "below/fleet.yaml", "--against", "main", "--exit-code").code == 0
    assert fleet("diff", "-f", "below/fleet.yaml", "--against", "main~1", "--exit-code").code == 3


def test_a_link_that_leads_out_of_the_repository_is_named(
    fleet: Fleet, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = write(tmp_path_factory.mktemp("elsewhere"), BEFORE)
    (repository / "fleet.yaml").unlink()
    (repository / "fleet.yaml").symlink_to(elsewhere)
    git(repository, "add", ".")
    git(repository, "commit", "-m", "out")
    ran = fleet("diff", "--against", "main")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: 'fleet.yaml' is a link that leads out of the repository at commit ")
