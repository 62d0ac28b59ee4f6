"""What is wrong with a configuration, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fleet_compiler.diagnostics.codes import CODES, Code

__all__ = [
    "CODES",
    "MAX_FOUND",
    "MAX_SHOWN",
    "Code",
    "Diagnostic",
    "Related",
    "Severity",
    "Span",
    "sort_diagnostics",
]

Severity: TypeAlias = Literal["error", "warning"]

MAX_SHOWN = 50
MAX_FOUND = 200
"""Where a file is so wrong that looking on for faults would take long, each step stops at about so many."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of one line, 1-based; columns count characters and `end_column` is the first one after."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that a diagnostic speaks of."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `file` is a source's name as shown to people; `code` is a key of `CODES`."""

    code: str
    severity: Severity
    message: str
    file: str
    span: Span | None = None
    help: str | None = None
    related: tuple[Related, ...] = ()


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by file, line, column and code, each once, at most `MAX_SHOWN`, errors before warnings.

    Where some are left out, a last one without a place says how many.
    """
    every = sorted(set(diagnostics), key=_place)
    if len(every) <= MAX_SHOWN:
        return every
    errors = [diagnostic for diagnostic in every if diagnostic.severity == "error"]
    warnings = [diagnostic for diagnostic in every if diagnostic.severity == "warning"]
    shown = sorted((errors + warnings)[:MAX_SHOWN], key=_place)
    left = len(every) - MAX_SHOWN
    severity: Severity = "error" if len(errors) > MAX_SHOWN else "warning"
    at_least = "at least " if len(every) >= MAX_FOUND else ""
    message = f"{at_least}{left} more {'finding is' if left == 1 else 'findings are'} not shown"
    return [*shown, Diagnostic("F000", severity, message, every[-1].file, help="mend these first")]


def _place(diagnostic: Diagnostic) -> tuple[str, tuple[int, int, int], str, str]:
    span = diagnostic.span
    where = (span.line, span.column, span.end_column) if span else (0, 0, 0)
    return (diagnostic.file, where, diagnostic.code, diagnostic.message)
