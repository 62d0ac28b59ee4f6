"""A diagnostic: a problem of a configuration, its position, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from fleet_runtime.text import count

Severity: TypeAlias = Literal["error", "warning"]
Format: TypeAlias = Literal["text", "json", "github", "sarif"]
"""The output formats of diagnostics."""

MAX_SHOWN = 50
MAX_FOUND = 200
"""The approximate limit of findings per step, so that a file full of mistakes does not take long."""


class Span(msgspec.Struct, frozen=True, order=True):
    """Part of one line, 1-based; columns count characters and `end_column` is the first one after."""

    line: int
    column: int
    end_column: int


class Related(msgspec.Struct, frozen=True):
    """A second place that a diagnostic refers to."""

    span: Span
    message: str


class Diagnostic(msgspec.Struct, frozen=True):
    """A problem and its position. `file` is the displayed name of the source; `code` is in codes.toml."""

    code: str
    severity: Severity
    message: str
    file: str
    span: Span | None = None
    help: str | None = None
    related: tuple[Related, ...] = ()


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return each once, by file, line, column and code; at most `MAX_SHOWN`, errors before warnings.

    If some are omitted, the last one, without a position, has their number.
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
    message = f"{at_least}{count(left, 'more finding is', 'more findings are')} not shown"
    return [*shown, Diagnostic("F000", severity, message, every[-1].file, help="fix these first")]


def _place(diagnostic: Diagnostic) -> tuple[str, tuple[int, int, int], str, str]:
    span = diagnostic.span
    where = (span.line, span.column, span.end_column) if span else (0, 0, 0)
    return (diagnostic.file, where, diagnostic.code, diagnostic.message)
