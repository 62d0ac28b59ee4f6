"""The registry of diagnostics: every code with its explanation for `fleet explain` and docs/diagnostics.md.

The texts are in codes.toml, with instructions for writing them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

EXAMPLE_HEAD = "version: 1\ndefault_provider: box\n"
EXAMPLE_PROVIDERS = "providers:\n  box: http://192.168.1.20:8080\n"


@dataclass(frozen=True, slots=True)
class Code:
    """`title` is a few words, `text` explains the cause and the remedy; `wrong` and `right` are parts of a
    file."""

    title: str
    text: str
    wrong: str | None = None
    right: str | None = None


@cache
def codes() -> Mapping[str, Code]:
    """Return every code of a diagnostic, in order."""
    import tomllib

    tables = tomllib.loads(Path(__file__).with_name("codes.toml").read_text(encoding="utf-8"))
    return {
        code: Code(table["title"], " ".join(table["text"].split()), table.get("wrong"), table.get("right"))
        for code, table in tables.items()
    }


def complete_example(part: str) -> str:
    """Return a complete fleet.yaml with the part from an example."""
    if "version:" in part:
        return part
    head = EXAMPLE_HEAD.partition("\n")[0] + "\n" if "default_provider:" in part else EXAMPLE_HEAD
    return f"{head}{'' if 'providers:' in part.splitlines() else EXAMPLE_PROVIDERS}{part}\n"
