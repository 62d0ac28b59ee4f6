"""``make new-dialect NAME=…``: a kind of server that is recognised, probed, simulated and documented.

It writes the module from a skeleton, adds it to the registry and to the contract's enum, then makes
everything that follows from the registry: the schemas, the page, and the golden file of the new kind.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docs.generate.scaffold import NAME, ROOT, SKELETONS, make_the_rest

DIALECTS = ROOT / "runtime" / "fleet_runtime" / "dialects"
CONTRACT = ROOT / "runtime" / "fleet_runtime" / "artifacts" / "contract.py"
REGISTRY_TESTS = "tests/runtime/dialects/test_registry.py"


def new_dialect(name: str) -> Path:
    """Write the module of a dialect and register it; raises ValueError for a name that it cannot have."""
    if not NAME.fullmatch(name):
        raise ValueError(f"'{name}' is not a name for a dialect: use lower-case letters, digits and '-'")
    module = name.replace("-", "_")
    path = DIALECTS / f"{module}.py"
    if path.exists() or name == "auto":
        raise ValueError(f"'{path.relative_to(ROOT)}' exists: choose another name")
    skeleton = (SKELETONS / "dialect.py.txt").read_text(encoding="utf-8")
    path.write_text(skeleton.replace("NAME", name), encoding="utf-8")
    registry = DIALECTS / "registry.py"
    _insert(registry, r"(from fleet_runtime\.dialects import )(?P<names>[^\n]+)", module)
    _insert(registry, r"(for module in \()(?P<names>[^)]+)(?=\))", module, before="openai")
    _insert(CONTRACT, r"(ProviderKind = Literal\[)(?P<names>[^\]]+)(?=\])", f'"{name}"', before='"openai"')
    return path


def _insert(file: Path, pattern: str, name: str, before: str | None = None) -> None:
    """Add `name` to a list of names in a source: before one of them, or in the order of the alphabet."""

    def extended(match: re.Match[str]) -> str:
        names = [each.strip() for each in match["names"].split(",") if each.strip()]
        if before is None:
            names = sorted([*names, name])
        else:
            names.insert(names.index(before), name)
        return match[1] + ", ".join(names)

    text, count = re.subn(pattern, extended, file.read_text(encoding="utf-8"), count=1)
    if count != 1:
        raise ValueError(f"'{file.relative_to(ROOT)}' has no list of dialects to add '{name}' to")
    file.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit("usage: make new-dialect NAME=…")
    try:
        written = new_dialect(arguments[0])
    except ValueError as error:
        sys.exit(f"error: {error}")
    make_the_rest(REGISTRY_TESTS)
    print(f"wrote {written.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
