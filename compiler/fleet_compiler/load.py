"""fleet.yaml from disk to a checked model: the one way in for every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fleet_compiler.check import check_fleet
from fleet_compiler.diagnostics import Diagnostic, arranged
from fleet_compiler.document import Document, load_document
from fleet_compiler.errors import ConfigInvalid
from fleet_compiler.model import Fleet, parse_fleet
from fleet_compiler.source import Source, read_source
from fleet_compiler.validate import check_schema


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration, with the warnings it deserves."""

    fleet: Fleet
    document: Document
    source: Source
    warnings: tuple[Diagnostic, ...]


def load_fleet(path: Path | Literal["-"]) -> Loaded:
    """Read, check and normalise a fleet.yaml; raises ConfigInvalid with every diagnostic there is."""
    return load_source(read_source(path))


def load_source(source: Source) -> Loaded:
    """As `load_fleet`, from a text that is already read."""
    document = load_document(source)
    found = check_schema(document)
    if found:
        raise ConfigInvalid(found, document.source)
    fleet = parse_fleet(document)
    found = check_fleet(fleet, document)
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise ConfigInvalid(found, document.source)
    return Loaded(fleet, document, document.source, tuple(arranged(found)))
