"""The errors that end a command, each with its exit code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from fleet_compiler.diagnostics.diagnostic import Diagnostic, sort_diagnostics
from fleet_compiler.diagnostics.source import Source
from fleet_runtime.text import count


class FleetError(Exception):
    """Anything that fleet itself raises; the text is one message for people."""

    exit_code: ClassVar[int] = 70


class ConfigError(FleetError):
    """The configuration cannot be used.

    `diagnostics` are sorted and may include warnings; `sources` are the texts that they point into.
    """

    exit_code = 1

    def __init__(self, diagnostics: Iterable[Diagnostic], *sources: Source) -> None:
        self.diagnostics = sort_diagnostics(diagnostics)
        self.sources = sources
        errors = sum(diagnostic.severity == "error" for diagnostic in self.diagnostics)
        super().__init__(count(errors, "error"))


class OutputError(FleetError):
    """A file could not be written; nothing was changed."""

    exit_code = 1


class UsageError(FleetError):
    """The command was used incorrectly."""

    exit_code = 2


class StaleArtifactsError(FleetError):
    """Generated files or the lock do not match the configuration; `plan` lists the differences."""

    exit_code = 3

    def __init__(self, message: str, plan: object = None) -> None:
        self.plan = plan
        super().__init__(message)


class ProviderSilentError(FleetError):
    """A required provider did not respond."""

    exit_code = 4
