"""Load fleet.yaml from disk to a checked model, for every command."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from fleet_compiler.checks.run import check_fleet
from fleet_compiler.config.model import FleetConfig, parse_fleet
from fleet_compiler.config.secret_spans import shown_source
from fleet_compiler.config.validity import is_valid
from fleet_compiler.diagnostics.diagnostic import Diagnostic, sort_diagnostics
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.finding import Finding
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document.document import Document
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import read_source


class Loaded(msgspec.Struct, frozen=True):
    """A valid configuration and its warnings."""

    fleet: FleetConfig
    document: Document
    source: Source
    warnings: tuple[Diagnostic, ...]


def load_fleet(path: Path | Literal["-"]) -> Loaded:
    """Read, check and normalise a fleet.yaml; raises `ConfigError` with all diagnostics."""
    return load_source(read_source(path))


def load_source(source: Source) -> Loaded:
    """Check and normalise a text that is already read; raises as `load_fleet` does."""
    document = load_document(source)
    shown = shown_source(document)
    if not is_valid(document.data) and (problems := _problems(document)):
        raise ConfigError(document.locate_all(problems), shown)
    fleet = parse_fleet(document)
    findings = check_fleet(fleet, document.data)
    found = sort_diagnostics(document.locate_all(findings))
    if _errors(findings):
        raise ConfigError(found, shown)
    return Loaded(fleet, document, shown, tuple(found))


def _problems(document: Document) -> list[Finding]:
    """Return the schema violations, and the errors of the valid rest; modules that explain them are imported
    only here."""
    from fleet_compiler.config.recovery import valid_subset
    from fleet_compiler.config.schema_check import find_schema_problems

    problems = find_schema_problems(document.data)
    rest = valid_subset(document, [problem.path for problem in problems]) if problems else None
    return problems + (_errors(check_fleet(rest, document.data)) if rest else [])


def _errors(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]
