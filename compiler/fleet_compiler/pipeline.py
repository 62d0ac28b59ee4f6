"""The compiler from end to end: fleet.yaml and fleet.lock to a plan of what changes in generated/."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec.structs import replace

from fleet_compiler.checks.against_lock import lock_warnings, unmatched_globs
from fleet_compiler.checks.lock_entries import rename_warnings, stale_warnings
from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.errors import OutputError, StaleArtifactsError
from fleet_compiler.emit.build_summary import Build, describe_changes, read_last_build, summarize_surface
from fleet_compiler.emit.editor_schema import SCHEMA, editor_schema
from fleet_compiler.emit.own_outputs import Templates, read_templates, render_outputs
from fleet_compiler.emit.plan import MANIFEST, Change, Plan, line_counts, plan_outputs, write_outputs
from fleet_compiler.emit.render import (
    render_artifact,
    render_client,
    render_tables,
    render_text,
    require_same,
)
from fleet_compiler.emit.tables import Resolved, resolve_connections, resolve_fleet, table_path
from fleet_compiler.load import Loaded, load_fleet
from fleet_compiler.lock.entries import current_entries, merge_observations, needs_probe
from fleet_compiler.lock.lockfile import dump_lock, load_lock
from fleet_compiler.lock.model import Lock
from fleet_compiler.process_lock import hold_process_lock
from fleet_compiler.project import Project
from fleet_runtime.artifacts.contract import FLEET_TABLE, Manifest, ProviderConfig
from fleet_runtime.artifacts.hashes import canonical_json, sha256_hex
from fleet_runtime.artifacts.polling import is_polled
from fleet_runtime.artifacts.snapshot import ArtifactError, parse_snapshot
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.text import join_names

if TYPE_CHECKING:
    from fleet_compiler.lock.discover import ProbeLimits, Progress

StaleReason: TypeAlias = Literal["missing", "changed", "edited", "surplus"]
LockMode: TypeAlias = Literal["update", "locked", "frozen"]
"""`update` probes the polled providers of which fleet.lock has no current entry. The others probe no
provider: `locked` requires an entry of each, `frozen` builds from what there is."""


@dataclass(frozen=True, slots=True)
class StaleFile:
    """A file that a build would write or remove, and why; `added` and `removed` are lines.

    `missing`: it does not exist. `changed`: its content would change. `edited`: it is not as the last build
    wrote it. `surplus`: it is no longer generated.
    """

    path: str
    reason: StaleReason
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """The result of compiling fleet.yaml and a lock: the content of every generated file, by path."""

    loaded: Loaded
    lock: Lock
    resolved: Resolved
    files: Mapping[str, bytes]
    warnings: tuple[Diagnostic, ...]

    def build(self) -> Build:
        """Return the build for a summary, with surfaces in the order of fleet.yaml."""
        tables = self.resolved.tables
        surfaces = {name: summarize_surface(tables[table_path(name)]) for name in self.loaded.fleet.surfaces}
        return Build(tables[FLEET_TABLE], surfaces)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A build that is ready to be written.

    `without_models`: the polled providers of which neither fleet.lock nor a probe gave a model list, with the
    observation of those that were probed. `unconfirmed`: those that did not respond at their new url.
    """

    project: Project
    compiled: Compiled
    plan: Plan
    lock_before: bytes | None
    lock_after: bytes
    without_models: Mapping[str, Observation | None]
    unconfirmed: Mapping[str, Observation]
    changes: tuple[str, ...]

    @property
    def stale(self) -> bool:
        return bool(self.plan.pending) or self.lock_before != self.lock_after

    def stale_files(self) -> Iterator[StaleFile]:
        """Yield the stale files: fleet.lock, then the generated files by path."""
        project = self.project
        if self.lock_before != self.lock_after:
            kind: Literal["add", "change"] = "add" if self.lock_before is None else "change"
            change = Change(project.lock.name, kind, self.lock_before, self.lock_after)
            yield _stale_file(str(project.lock), change)
        for change in self.plan.pending:
            yield _stale_file(str(project.generated / change.path), change)

    def write(self) -> None:
        """Write fleet.lock, or what it is a link to, and the generated files, or none of them."""
        is_same = self.lock_before == self.lock_after
        write_outputs(
            self.plan, together=() if is_same else ((self.project.lock.resolve(), self.lock_after),)
        )


def _stale_file(path: str, change: Change) -> StaleFile:
    reasons: dict[str, StaleReason] = {"add": "missing", "remove": "surplus"}
    reason = reasons.get(change.kind, "edited" if change.foreign else "changed")
    return StaleFile(path, reason, *line_counts(change))


def compile_fleet(
    loaded: Loaded,
    lock: Lock,
    root: str,
    templates: Templates = MappingProxyType({}),
    providers: tuple[ProviderConfig, ...] | None = None,
) -> Compiled:
    """Compile. Pure: the same fleet.yaml, lock and templates result in the same bytes everywhere.

    `lock` holds the current entries of the providers (`current_entries`), `providers` what
    `resolve_connections` returned, if available, `templates` the texts that `outputs` names. Raises
    `ConfigError` for a template that cannot be rendered, and `OutputError` for a result that the gateway
    could not load.
    """
    resolved = resolve_fleet(loaded.fleet, lock, root, providers)
    files = {"gateway.json": render_text(resolved.gateway)}
    files |= render_tables(resolved.tables)
    for main, (kind, view) in resolved.clients.items():
        outputs = CLIENTS[kind].outputs(main)
        files |= {path: render_client(file, view) for path, file in outputs.items()}
    files |= render_outputs(resolved, loaded.fleet.outputs, templates)
    files[SCHEMA] = editor_schema(resolved.gateway, resolved.tables[FLEET_TABLE])
    manifest = Manifest(
        model=model_digest(loaded.fleet),
        lock=sha256_hex(canonical_json(lock.model_dump(mode="json", by_alias=True))),
        files={path: sha256_hex(content) for path, content in sorted(files.items())},
    )
    files[MANIFEST] = render_artifact(manifest)
    try:
        snapshot = parse_snapshot(files[MANIFEST], files, Path())
    except ArtifactError as error:
        raise OutputError(f"a gateway could not load the result: {error}") from error
    require_same(snapshot.gateway, resolved.gateway)
    for table in resolved.tables.values():
        require_same(snapshot.tables[table.base], table)
    findings = [
        *lock_warnings(loaded.fleet, resolved),
        *unmatched_globs(loaded.fleet, lock),
        *stale_warnings(resolved.gateway.providers, lock),
    ]
    warnings = (*loaded.warnings, *loaded.document.locate_all(findings))
    return Compiled(loaded, lock, resolved, files, warnings)


def model_digest(fleet: FleetConfig) -> str:
    """Return the digest of a fleet.yaml for the manifest."""
    return sha256_hex(canonical_json(fleet.model_dump(mode="json", by_alias=True)))


def prepare(
    project: Project,
    *,
    environ: Mapping[str, str],
    mode: LockMode = "update",
    limits: ProbeLimits | None = None,
    progress: Progress = lambda provider, seen: None,
) -> Prepared:
    """Prepare a build: everything except writing.

    A provider that does not respond is built from its old entry, or without models. `environ` is used for
    API keys only: the generated files do not depend on it. Raises `ConfigError`, and `StaleArtifactsError` if
    fleet.lock is incomplete in the mode `locked`.
    """
    loaded = load_fleet(project.config)
    templates = read_templates(project.folder, loaded.fleet, loaded.document)
    providers = resolve_connections(loaded.fleet)
    lock_read = load_lock(project.lock)
    lock = current_entries(lock_read, providers)
    polled = [each for each in providers if is_polled(each)]
    seen: Mapping[str, Observation] = {}
    if mode == "locked":
        _require_entries(project.lock, lock, polled)
    elif mode == "update" and (new := [each for each in polled if needs_probe(lock, each.name)]):
        from fleet_compiler.lock.discover import discover

        seen = discover(new, project.folder, environ, limits=limits, progress=progress)
        lock = merge_observations(lock, seen, providers)
    document = loaded.document
    renames = document.locate_all(rename_warnings(loaded.fleet, providers, lock_read, document.data))
    loaded = replace(loaded, warnings=(*loaded.warnings, *renames))
    compiled = compile_fleet(loaded, lock, project.root, templates, providers)
    return Prepared(
        project,
        compiled,
        plan_outputs(project.generated, compiled.files),
        project.lock.read_bytes() if project.lock.is_file() else None,
        dump_lock(compiled.lock),
        {each.name: seen.get(each.name) for each in polled if each.name not in lock.providers},
        {name: seen[name] for name, entry in lock.providers.items() if entry.stale and name in seen},
        tuple(describe_changes(read_last_build(project.generated), compiled.build())),
    )


def _require_entries(path: Path, lock: Lock, polled: Iterable[ProviderConfig]) -> None:
    missing = [each.name for each in polled if each.name not in lock.providers]
    if missing:
        names = join_names(missing, limit=8)
        raise StaleArtifactsError(f"{path.name} has no entry for {names}: run `fleet lock` while online")


def build(
    project: Project,
    *,
    environ: Mapping[str, str],
    mode: LockMode = "update",
    limits: ProbeLimits | None = None,
    progress: Progress = lambda provider, seen: None,
    on_wait: Callable[[], None] = lambda: None,
    before_writing: Callable[[Prepared], None] = lambda prepared: None,
) -> Prepared:
    """Build and write, one process at a time; `on_wait` is called if another process is building."""
    with hold_process_lock(project.written_folders, on_wait):
        prepared = prepare(project, environ=environ, mode=mode, limits=limits, progress=progress)
        before_writing(prepared)
        prepared.write()
    return prepared
