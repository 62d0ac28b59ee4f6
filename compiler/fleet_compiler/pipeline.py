"""The compiler from end to end: fleet.yaml and fleet.lock to a plan of what changes in generated/."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet_compiler.checks.against_lock import lock_warnings, unmatched_globs
from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.emit.build_summary import Build, describe_changes, read_last_build, summarize_surface
from fleet_compiler.emit.editor_schema import SCHEMA, editor_schema
from fleet_compiler.emit.plan import MANIFEST, Plan, plan_outputs, write_outputs
from fleet_compiler.emit.render import render_client, render_gateway, render_manifest, render_routing
from fleet_compiler.emit.tables import Resolved, resolve_connections, resolve_fleet, table_path
from fleet_compiler.load import Loaded, load_fleet
from fleet_compiler.lock.discover import ProbeLimits, Progress, discover, is_polled
from fleet_compiler.lock.lockfile import current_entries, dump_lock, load_lock, merge_observations
from fleet_compiler.lock.model import Lock
from fleet_compiler.process_lock import hold_process_lock
from fleet_runtime.artifacts.contract import FLEET_TABLE, Manifest, canonical_json, sha256_hex
from fleet_runtime.dialects.observation import Observation


@dataclass(frozen=True, slots=True)
class Project:
    """Where the files of one fleet lie."""

    config: Path
    output: Path

    @property
    def folder(self) -> Path:
        return self.config.parent

    @property
    def lock(self) -> Path:
        return self.folder / "fleet.lock"


def project_of(config: Path, output: Path | None = None) -> Project:
    """fleet.lock lies beside `config`, and so does generated/ unless `output` is another folder."""
    return Project(config, output if output is not None else config.parent / "generated")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What fleet.yaml and a lock make: the content of every generated file by its path."""

    loaded: Loaded
    lock: Lock
    resolved: Resolved
    files: Mapping[str, bytes]
    warnings: tuple[Diagnostic, ...]

    def build(self) -> Build:
        """What it gives people, the surfaces in the order of fleet.yaml."""
        tables = self.resolved.tables
        surfaces = {name: summarize_surface(tables[table_path(name)]) for name in self.loaded.fleet.surfaces}
        return Build(tables[FLEET_TABLE], surfaces)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A build that only has to be written. `without_models`: the machines that are polled, and of which
    neither fleet.lock nor the asking gave a list, with what was seen of those that were asked."""

    project: Project
    compiled: Compiled
    plan: Plan
    lock_before: bytes | None
    lock_after: bytes
    without_models: Mapping[str, Observation | None]
    changes: tuple[str, ...]

    @property
    def stale(self) -> bool:
        return bool(self.plan.pending) or self.lock_before != self.lock_after

    def write(self) -> None:
        """Carry it out: fleet.lock and the generated files, or none of them."""
        lock = () if self.lock_before == self.lock_after else ((self.project.lock, self.lock_after),)
        write_outputs(self.plan, beside=lock)


def compile_fleet(loaded: Loaded, lock: Lock, root: str) -> Compiled:
    """Pure: the same fleet.yaml and lock make the same bytes everywhere."""
    resolved = resolve_fleet(loaded.fleet, lock, root)
    files = {"gateway.json": render_gateway(resolved.gateway)}
    files |= {path: render_routing(table) for path, table in resolved.tables.items()}
    files |= {
        path: render_client(CLIENTS[kind].template, CLIENTS[kind].context(view))
        for path, (kind, view) in resolved.clients.items()
    }
    files[SCHEMA] = editor_schema(resolved.gateway, resolved.tables[FLEET_TABLE])
    manifest = Manifest(
        model=model_digest(loaded.fleet),
        lock=sha256_hex(canonical_json(lock.model_dump(mode="json", by_alias=True))),
        files={path: sha256_hex(content) for path, content in sorted(files.items())},
    )
    files[MANIFEST] = render_manifest(manifest)
    warnings = (
        *loaded.warnings,
        *lock_warnings(loaded.fleet, resolved, loaded.document),
        *unmatched_globs(loaded.fleet, lock, loaded.document),
    )
    return Compiled(loaded, lock, resolved, files, warnings)


def model_digest(fleet: FleetConfig) -> str:
    """What a manifest holds of the fleet.yaml that its files were made from."""
    return sha256_hex(canonical_json(fleet.model_dump(mode="json", by_alias=True)))


def prepare(
    project: Project,
    *,
    environ: Mapping[str, str],
    ask: bool = True,
    patience: ProbeLimits | None = None,
    progress: Progress = lambda name, seen: None,
) -> Prepared:
    """Everything of a build but the writing.

    Providers without an entry for their present URL are asked, unless `ask` is False; one that does not
    answer is built without models. `environ` serves their keys only: what is generated does not depend
    on it.
    """
    loaded = load_fleet(project.config)
    connections = resolve_connections(loaded.fleet)
    lock = current_entries(load_lock(project.lock), connections)
    new = [
        connection
        for connection in connections
        if ask and connection.name not in lock.providers and is_polled(connection)
    ]
    seen = discover(new, project.folder, environ, patience=patience, progress=progress) if new else {}
    lock = merge_observations(lock, seen, connections)
    compiled = compile_fleet(loaded, lock, root_from(project))
    return Prepared(
        project,
        compiled,
        plan_outputs(project.output, compiled.files),
        project.lock.read_bytes() if project.lock.is_file() else None,
        dump_lock(compiled.lock),
        {
            connection.name: seen.get(connection.name)
            for connection in connections
            if is_polled(connection) and connection.name not in lock.providers
        },
        tuple(describe_changes(read_last_build(project.output), compiled.build())),
    )


def build(
    project: Project,
    *,
    environ: Mapping[str, str],
    locked: bool = False,
    patience: ProbeLimits | None = None,
    progress: Progress = lambda name, seen: None,
    waiting: Callable[[], None] = lambda: None,
    before_writing: Callable[[Prepared], None] = lambda prepared: None,
) -> Prepared:
    """Build and write, one process at a time; `waiting` is called where another one is at it."""
    with hold_process_lock(project.folder, waiting):
        prepared = prepare(project, environ=environ, ask=not locked, patience=patience, progress=progress)
        before_writing(prepared)
        prepared.write()
    return prepared


def root_from(project: Project) -> str:
    """The way from the generated folder to fleet.yaml's, as gateway.json holds it."""
    return Path(os.path.relpath(project.folder.absolute(), project.output.absolute())).as_posix()
