"""docs/architecture.md lists the rooms in their order, and where to add what.

``UPDATE_DOCS=1 pytest tests/docs/test_architecture_page.py`` writes both tables again.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

from tests.docs.where_to_add import Addition, additions
from tests.support.paths import DOCS, ROOT
from tests.test_structure import COMPILER, COMPILER_ROOMS, RUNTIME, RUNTIME_ROOMS

PAGE = DOCS / "architecture.md"


def link(path: str) -> str:
    return f"[`{Path(path).name if path.endswith('.py') else path}`](../{path})"


def room_rows(package: Path, rooms: tuple[str, ...]) -> str:
    """A row for each room that is there, described by the first sentence of its docstring."""
    rows = ["| room | what is in it |", "|---|---|"]
    for room in rooms:
        places = [package / room / "__init__.py", package / f"{room}.py"]
        file = next((place for place in places if place.exists()), None)
        if file is None:
            continue
        text = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
        target = file.parent if file.name == "__init__.py" else file
        summary = " ".join(text.split()).replace("``", "`").rstrip(".")
        rows.append(f"| [`{room}`](../{target.relative_to(ROOT)}) | {summary} |")
    return "\n".join(rows)


def addition_rows(table: list[Addition]) -> str:
    rows = ["| what | declared in | then |", "|---|---|---|"]
    for addition in table:
        rest = ", ".join(link(place) for place in addition.places)
        rows.append(f"| {addition.what} | {link(addition.declared_in)} | {rest} |")
    return "\n".join(rows)


TABLES = {
    "rooms of runtime/fleet_runtime": lambda: room_rows(RUNTIME, RUNTIME_ROOMS),
    "rooms of compiler/fleet_compiler": lambda: room_rows(COMPILER, COMPILER_ROOMS),
    "where to add": lambda: addition_rows(additions()),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_page_is_current(name: str) -> None:
    begin, end = f"<!-- {name} -->\n", "\n<!-- end -->"
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(begin)
    shown, _, tail = rest.partition(end)
    table = TABLES[name]()
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(head + begin + table + end + tail, encoding="utf-8")
        return
    assert shown == table, "UPDATE_DOCS=1 pytest tests/docs/test_architecture_page.py writes it again"


@pytest.mark.parametrize("package", [RUNTIME, COMPILER], ids=["runtime", "compiler"])
def test_every_module_is_in_a_room_of_the_page(package: Path) -> None:
    rooms = set(re.findall(r"^\| \[`(\w+)`\]", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    parts = {
        file.relative_to(package).parts[0].removesuffix(".py")
        for file in package.rglob("*.py")
        if file.parent != package or not file.name.startswith("__")
    }
    assert parts - rooms == set()


@pytest.mark.parametrize("addition", additions(), ids=lambda addition: addition.what)
def test_what_is_declared_is_known_in_every_other_place(addition: Addition) -> None:
    assert addition.missing() == []
