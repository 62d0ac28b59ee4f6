"""``make new-client NAME=…``: a client kind that works, to be made into the real one.

It writes the module, the template, a test and a section of docs/clients.md, then everything that is made from
the registry: the schema of fleet.yaml, its page, and the golden files of the new kind.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
SKELETONS = Path(__file__).parent / "skeletons"
CLIENT_FILES = {
    "client.py.txt": "compiler/fleet_compiler/clients/{module}.py",
    "client.json.j2.txt": "templates/{name}.json.j2",
    "test_client.py.txt": "tests/compiler/clients/test_{module}.py",
}
CLIENTS_PAGE = ROOT / "docs" / "clients.md"
REGISTRY_TESTS = ("tests/compiler/clients/test_registry.py", "tests/compiler/clients/test_every_kind.py")


def new_client(name: str) -> list[Path]:
    """Write the files of a client kind; raises ValueError for a name that it cannot have."""
    if not NAME.fullmatch(name):
        raise ValueError(f"'{name}' is not a name for a client: use lower-case letters, digits and '-'")
    module = name.replace("-", "_")
    written = []
    for skeleton, place in CLIENT_FILES.items():
        path = ROOT / place.format(name=name, module=module)
        if path.exists():
            raise ValueError(f"'{path.relative_to(ROOT)}' exists: choose another name")
        text = (SKELETONS / skeleton).read_text(encoding="utf-8")
        path.write_text(text.replace("NAME", name).replace("VARIABLE", module.upper()), encoding="utf-8")
        written.append(path)
    section = (SKELETONS / "client.md.txt").read_text(encoding="utf-8").replace("NAME", name)
    with CLIENTS_PAGE.open("a", encoding="utf-8") as page:
        page.write(section)
    return [*written, CLIENTS_PAGE]


def make_the_rest(*registry_tests: str) -> None:
    """Write what is made from a registry: schemas, pages and golden files."""
    for module in ("schemas", "yaml_page", "cli_page"):
        run_module(f"docs.generate.{module}")
    run_module("pytest", "-q", "-p", "no:cacheprovider", "--snapshot-update", *registry_tests)


def run_module(module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "UPDATE_CASES": "1"}, check=True)  # noqa: S603


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit("usage: make new-client NAME=…")
    try:
        written = new_client(arguments[0])
    except ValueError as error:
        sys.exit(f"error: {error}")
    make_the_rest(*REGISTRY_TESTS)
    for path in written:
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
