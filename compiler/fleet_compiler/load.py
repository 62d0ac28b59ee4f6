"""fleet.yaml from disk to a checked model: the one way in for every command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fleet_compiler.checks.run import check_fleet
from fleet_compiler.config.model import FleetConfig, parse_fleet
from fleet_compiler.config.recovery import valid_subset
from fleet_compiler.config.schema import find_schema_problems
from fleet_compiler.config.secret_spans import secret_spans
from fleet_compiler.diagnostics.diagnostic import Diagnostic, sort_diagnostics
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.source import Source, read_source
from fleet_compiler.document.document import Document, load_document


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration, with the warnings it deserves."""

    fleet: FleetConfig
    document: Document
    source: Source
    warnings: tuple[Diagnostic, ...]


def load_fleet(path: Path | Literal["-"]) -> Loaded:
    """Read, check and normalise a fleet.yaml; raises ConfigInvalid with every diagnostic there is."""
    return load_source(read_source(path))


def load_source(source: Source) -> Loaded:
    """As `load_fleet`, from a text that is already read."""
    document = load_document(source)
    shown = replace(source, secrets=secret_spans(document))
    faults = find_schema_problems(document)
    if faults:
        found = [fault.diagnostic for fault in faults]
        rest = valid_subset(document, [fault.path for fault in faults])
        raise ConfigError([*found, *(_errors(check_fleet(rest, document)) if rest else ())], shown)
    fleet = parse_fleet(document)
    found = check_fleet(fleet, document)
    if _errors(found):
        raise ConfigError(found, shown)
    return Loaded(fleet, document, shown, tuple(sort_diagnostics(found)))


def _errors(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
