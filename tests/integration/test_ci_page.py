"""docs/ci.md as written: the workflow, the hooks of pre-commit, and the refresh of fleet.lock."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.integration import tools
from tests.support.paths import DOCS, ROOT

pytestmark = pytest.mark.integration

PAGE = (DOCS / "ci.md").read_text(encoding="utf-8")
WORKFLOW, HOOKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
(REFRESH,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
FLEET = "version: 1\ndefault_provider: desk\nproviders: {desk: {url: http://127.0.0.1:9, models: [m]}}\n"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_CONFIG_GLOBAL": os.devnull}
    who |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com"}
    path = os.pathsep.join((str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    environ = {**os.environ, **who, "PATH": path, "PRE_COMMIT_HOME": str(folder / ".cache")}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    assert run(folder, "git", "init", "--quiet", "--initial-branch=main").returncode == 0
    return folder


def commit(folder: Path, message: str = "change") -> None:
    run(folder, "git", "add", "--all")
    assert run(folder, "git", "commit", "--quiet", "--no-verify", "-m", message).returncode == 0


def test_actionlint_accepts_every_workflow(tmp_path: Path) -> None:
    workflows = tmp_path / ".github" / "workflows"
    shutil.copytree(ROOT / ".github" / "workflows", workflows)
    (workflows / "fleet.yml").write_text(WORKFLOW)
    repository(tmp_path / "x")
    files = [str(path) for path in sorted(workflows.iterdir())]
    checked = run(tmp_path, str(tools.actionlint()), *files)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_hooks_reject_what_is_wrong(tmp_path: Path) -> None:
    pytest.importorskip("pre_commit", reason="pre-commit is not installed: run `make integration`")
    hooks = repository(tmp_path / "hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    commit(hooks)
    revision = run(hooks, "git", "rev-parse", "HEAD").stdout.strip()
    fleet = repository(tmp_path / "fleet")
    text = re.sub(r"repo: .*", f"repo: {hooks}", HOOKS)
    text = re.sub(r"rev: .*", f"rev: {revision}", text)
    text = re.sub(r"( +)- id: (.*)", r"\1- id: \2\n\1  language: system", text)
    (fleet / ".pre-commit-config.yaml").write_text(text)
    (fleet / "fleet.yaml").write_text(FLEET)
    run(fleet, "fleet", "build", "--frozen")
    commit(fleet)

    def check() -> tuple[int, str]:
        ran = run(fleet, sys.executable, "-m", "pre_commit", "run", "--all-files")
        return ran.returncode, ran.stdout

    assert check()[0] == 0
    (fleet / "fleet.yaml").write_text(FLEET.replace("[m]", "[m, n]"))
    run(fleet, "git", "add", "--all")
    code, shown = check()
    assert code == 1
    assert "generated files are out of date: run `fleet build`" in shown
    (fleet / "fleet.yaml").write_text(FLEET.replace("desk:", "desk :x"))
    run(fleet, "git", "add", "--all")
    assert "error[F" in check()[1]


def test_a_refresh_pushes_what_changed_and_nothing_else(tmp_path: Path) -> None:
    origin = tmp_path / "origin.git"
    repository(tmp_path / "unused")
    assert (
        run(tmp_path, "git", "init", "--quiet", "--bare", "--initial-branch=main", str(origin)).returncode
        == 0
    )
    clone = repository(tmp_path / "clone")
    (clone / "bin").mkdir()
    for name, text in (("gh", "#!/bin/sh\n"), ("lock", "")):
        (clone / "bin" / name).write_text(text)
        (clone / "bin" / name).chmod(stat.S_IRWXU)
    (clone / "fleet.yaml").write_text(FLEET)
    run(clone, "fleet", "build", "--frozen")
    commit(clone)
    run(clone, "git", "remote", "add", "origin", str(origin))
    assert run(clone, "git", "push", "--quiet", "--set-upstream", "origin", "main").returncode == 0
    (clone / ".git" / "info" / "exclude").write_text("/bin\n")
    script = REFRESH.replace("fleet lock --quiet", ":")
    assert run(clone, "sh", "-c", script).returncode == 0
    assert "lock-refresh" not in run(origin, "git", "branch").stdout
    grown = dedent("""\
        sed -i 's/"format": 1/"format": 1/' fleet.lock
        python - <<'E'
        import json, pathlib
        lock = {"format": 1, "providers": {"desk": {"url": "http://127.0.0.1:9", "kind": "vllm",
                "models": {"new": {}}}}}
        pathlib.Path("fleet.lock").write_text(json.dumps(lock))
        E
        """)
    done = run(clone, "sh", "-c", REFRESH.replace("fleet lock --quiet", grown))
    assert done.returncode == 0, done.stderr
    assert "lock-refresh" in run(origin, "git", "branch").stdout
    assert run(clone, "git", "branch", "--show-current").stdout.strip() == "main"
    assert "desk/new" in run(clone, "fleet", "diff", "--against", "lock-refresh").stdout
