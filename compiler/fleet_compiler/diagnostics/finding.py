"""What a check found in a fleet.yaml, before it has a place in the text."""

from __future__ import annotations

from dataclasses import dataclass

from fleet_compiler.diagnostics.diagnostic import Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` leads to a value of fleet.yaml, or with `key` to its key; `help` is what to do."""

    code: str
    path: tuple[str | int, ...]
    message: str
    help: str | None = None
    severity: Severity = "warning"
    key: bool = False
