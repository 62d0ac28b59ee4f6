"""The output of ``fleet build``: text for people, one JSON object for programs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fleet_compiler.commands.progress import probe_data
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.errors import ConfigError, FleetError, StaleArtifactsError
from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.diagnostics.report import render
from fleet_compiler.load import Loaded
from fleet_compiler.pipeline import Prepared, StaleFile
from fleet_runtime.routing.old_names import OldNameKind


def stale_text(file: StaleFile) -> str:
    """Say why a file is out of date."""
    match file.reason:
        case "missing":
            return f"'{file.path}' is missing"
        case "surplus":
            return f"'{file.path}' is no longer generated"
        case "edited":
            return f"'{file.path}' was changed since the last build (+{file.added} -{file.removed} lines)"
        case "changed":
            return f"'{file.path}' would change (+{file.added} -{file.removed} lines)"


def build_command(file: Path | None, generated: Path | None) -> str:
    """Return the command that updates the stale files found by ``--check``."""
    words = ["fleet", "build"]
    words += ["-f", str(file)] if file is not None else []
    words += ["--generated", str(generated)] if generated is not None else []
    return shlex.join(words)


def check_data(prepared: Prepared, remedy: str) -> dict[str, Any]:
    """Return ``fleet build --check`` as JSON data; `status` is ``current`` or ``stale``."""
    stale = [asdict(file) for file in prepared.stale_files()]
    return {
        "status": "stale" if stale else "current",
        "generated": str(prepared.project.generated),
        "stale": stale,
        "diagnostics": diagnostics_data(prepared.compiled.warnings),
        "old_names": list(_old_names(prepared.compiled.loaded)),
        "remedy": remedy if stale else None,
    }


def build_data(prepared: Prepared) -> dict[str, Any]:
    """Return a build as JSON data; `status` is ``written``, or ``current`` if nothing changed."""
    return {
        "status": "written" if prepared.stale else "current",
        "generated": str(prepared.project.generated),
        "written": [asdict(file) for file in prepared.stale_files()],
        "changes": list(prepared.changes),
        "without_models": list(prepared.without_models),
        "not_responding": [
            probe_data(name, seen)
            for name, seen in {**prepared.unconfirmed, **prepared.without_models}.items()
            if seen is not None
        ],
        "diagnostics": diagnostics_data(prepared.compiled.warnings),
    }


def failure_data(error: FleetError, remedy: str) -> dict[str, Any]:
    """Return why nothing was built; `status` is ``invalid``, ``incomplete_lock`` or ``failed``."""
    if isinstance(error, ConfigError):
        found = diagnostics_data(error.diagnostics)
        return {"status": "invalid", "diagnostics": found, "remedy": "fleet validate"}
    status = "incomplete_lock" if isinstance(error, StaleArtifactsError) else "failed"
    return {"status": status, "error": str(error), "diagnostics": [], "remedy": remedy}


def _old_names(loaded: Loaded) -> Iterator[dict[str, Any]]:
    """Yield each old name with its position in fleet.yaml."""
    fleet, document = loaded.fleet, loaded.document
    places: list[tuple[OldNameKind, str, YamlPath]] = [
        ("formerly", former, ("providers", name, "formerly", number))
        for name, provider in fleet.providers.items()
        for number, former in enumerate(provider.formerly)
    ]
    places += [("alias", name, ("aliases", name)) for name in fleet.aliases]
    places += [("namespace", name, ("namespaces", number)) for number, name in enumerate(fleet.namespaces)]
    for kind, name, path in places:
        yield {"kind": kind, "name": name, "line": document.span(path, key=True).line}


def diagnostics_data(diagnostics: Iterable[Diagnostic]) -> Any:
    """Return diagnostics as the JSON of `fleet validate --json`."""
    return json.loads(render(tuple(diagnostics), (), "json"))
