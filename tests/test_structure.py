"""Who may import whom (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

COMPILER = ROOT / "compiler" / "fleet_compiler"
RUNTIME = ROOT / "runtime" / "fleet_runtime"
SHARED = ("contract", "identity", "router", "dialects", "snapshot")
PURE = (
    *("contract", "identity", "router", "dialects", "health", "listing", "favorites", "keys"),
    *("findings", "local_findings", "drift"),
)
IMPURE = {"asyncio", "httpx", "socket", "time", "threading", "uvicorn", "httptools", "sqlite3", "subprocess"}
ONLY_IN = {"ruamel": {"document.py", "syntax.py"}, "jsonschema": {"validate.py"}, "jinja2": {"render.py"}}


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", modules(RUNTIME), ids=shown)
def test_the_runtime_never_imports_the_compiler(file: Path) -> None:
    assert [name for name in imports(file) if name.split(".")[0] == "fleet_compiler"] == []


@pytest.mark.parametrize("file", modules(COMPILER), ids=shown)
def test_the_compiler_imports_only_shared_knowledge_from_the_runtime(file: Path) -> None:
    foreign = [name.split(".") for name in imports(file) if name.startswith("fleet_runtime")]
    assert [parts for parts in foreign if len(parts) > 1 and parts[1] not in SHARED] == []


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_imports_no_clock_no_loop_and_no_transport(name: str) -> None:
    files = modules(RUNTIME / name) if (RUNTIME / name).is_dir() else [RUNTIME / f"{name}.py"]
    for file in files:
        assert {found.split(".")[0] for found in imports(file)} & IMPURE == set(), shown(file)


@pytest.mark.parametrize(("library", "allowed"), ONLY_IN.items())
def test_a_library_of_the_compiler_is_imported_in_one_place(library: str, allowed: set[str]) -> None:
    users = {
        file.name for file in modules(COMPILER) for name in imports(file) if name.split(".")[0] == library
    }
    assert users <= allowed


CODE = [file for file in modules(COMPILER) + modules(RUNTIME) if file.name != "codes.py"]


@pytest.mark.parametrize("file", CODE, ids=shown)
def test_a_module_holds_one_idea_on_at_most_350_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 350
