"""Which room may import which (docs/architecture.md), and what a module may hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

COMPILER = ROOT / "compiler" / "fleet_compiler"
RUNTIME = ROOT / "runtime" / "fleet_runtime"

# Imports go down only: a room may import its own modules and those of the rooms after it.
RUNTIME_ROOMS = (
    *("commands", "demo", "simulator", "server", "doctor", "api", "console", "control", "ollama", "gateway"),
    *("telemetry", "edge", "proxy", "store", "catalog", "providers", "upstream", "event_log", "events"),
    *(
        "loop_guard",
        "dialects",
        "routing",
        "artifacts",
        "client",
        "targets",
        "opencode_files",
        "user_folders",
        "api_shape",
        "errors",
        "chunked_body",
        "header_lines",
    ),
    *("tasks", "turns", "child_process", "interrupts", "files", "urls", "text"),
)
COMPILER_ROOMS = (
    *(
        "__main__",
        "cli",
        "commands",
        "pipeline",
        "live",
        "scan",
        "edit",
        "load",
        "checks",
        "emit",
        "clients",
        "lock",
    ),
    *("config", "document", "files", "diagnostics", "project", "process_lock", "assets"),
)
SHARED = ("artifacts", "routing", "dialects", "files", "urls", "text")
"""The rooms of the runtime that the compiler may import; its commands may import any."""

PURE = (
    *(
        "artifacts/contract.py",
        "artifacts/provider_access.py",
        "artifacts/shapes.py",
        "routing",
        "dialects",
        "urls.py",
        "text.py",
    ),
    *("providers/health.py", "providers/model_list.py", "providers/lock_drift.py", "catalog/favorites.py"),
    *("edge/api_keys.py", "doctor/gateway_checks.py", "doctor/local_checks.py"),
)
IMPURE = {"asyncio", "httpx", "socket", "time", "threading", "httptools", "sqlite3", "subprocess"}
ONLY_IN = {"ruamel": "document", "jsonschema": "config", "jinja2": "emit"}
MAX_LINES = 350


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


MODULES = {
    ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): file
    for package in (COMPILER, RUNTIME)
    for file in modules(package)
}


@cache
def imports(file: Path) -> tuple[str, ...]:
    """Every module that a file imports, at its top or inside a function."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            assert node.module is not None
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in MODULES else node.module


def room(module: str) -> str | None:
    """The room of a module of ours; None for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", modules(RUNTIME), ids=shown)
def test_the_runtime_never_imports_the_compiler(file: Path) -> None:
    assert [name for name in imports(file) if name.split(".")[0] == "fleet_compiler"] == []


@pytest.mark.parametrize("file", modules(COMPILER), ids=shown)
def test_the_compiler_imports_only_shared_rooms_of_the_runtime(file: Path) -> None:
    if file.is_relative_to(COMPILER / "commands"):
        return
    foreign = [name for name in imports(file) if name.startswith("fleet_runtime.")]
    assert [name for name in foreign if room(name) not in SHARED] == []


@pytest.mark.parametrize(
    ("package", "rooms"), [(COMPILER, COMPILER_ROOMS), (RUNTIME, RUNTIME_ROOMS)], ids=["compiler", "runtime"]
)
def test_a_room_imports_only_rooms_below_it(package: Path, rooms: tuple[str, ...]) -> None:
    upward = []
    for module, file in MODULES.items():
        here = room(module)
        if not file.is_relative_to(package) or here is None:
            continue
        for name in imports(file):
            there = room(name) if name.startswith(package.name + ".") else None
            if there is not None and rooms.index(there) < rooms.index(here):
                upward.append(f"{module} imports {name}")
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module: {name for name in imports(file) if name in MODULES and name != module}
        for module, file in MODULES.items()
    }
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in finished:
            return
        for name in sorted(graph[module]):
            visit(name, (*path, module))
        finished.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("place", PURE)
def test_a_pure_module_imports_no_clock_no_loop_and_no_transport(place: str) -> None:
    path = RUNTIME / place
    for file in modules(path) if path.is_dir() else [path]:
        assert {found.split(".")[0] for found in imports(file)} & IMPURE == set(), shown(file)


@pytest.mark.parametrize(("library", "only"), ONLY_IN.items())
def test_a_library_of_the_compiler_is_imported_in_one_room(library: str, only: str) -> None:
    users = {
        room(module)
        for module, file in MODULES.items()
        if module.startswith("fleet_compiler")
        and any(name.split(".")[0] == library for name in imports(file))
    }
    assert users == {only}


CONSOLE = sorted(file for file in (RUNTIME / "console/static").rglob("*.js") if "vendor" not in file.parts)


@pytest.mark.parametrize("file", modules(COMPILER) + modules(RUNTIME) + CONSOLE, ids=shown)
def test_a_module_holds_one_idea_on_at_most_350_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


TESTS = sorted(file for file in (ROOT / "tests").rglob("*.py") if ".cache" not in file.parts)


def test_the_tests_pause_in_one_module_only() -> None:
    pausing = {
        shown(file)
        for file in TESTS
        if re.search(r"\b(asyncio|time)\.sleep\(", file.read_text(encoding="utf-8"))
    }
    assert pausing == {"tests/support/waiting.py"}


def test_no_test_uses_a_private_name_of_what_it_tests() -> None:
    using = [
        f"{shown(file)}:{node.lineno} {node.attr}"
        for file in TESTS
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and re.match("_[a-z]", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "os"))
    ]
    assert using == []
