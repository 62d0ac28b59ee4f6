"""``fleet lock``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from fleet_compiler.checks.lock_entries import rename_warnings
from fleet_compiler.commands.fleet_names import complete_provider
from fleet_compiler.commands.gateway_contexts import fetch_contexts
from fleet_compiler.commands.options import file_option, fleet_file, json_option
from fleet_compiler.commands.progress import probe_data, probe_text, responded_text, show_probe
from fleet_compiler.commands.terminal import change, note, say, show_diagnostics, show_json, warn
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.errors import ProviderSilentError, StaleArtifactsError, UsageError
from fleet_compiler.diagnostics.text import nearest
from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import Loaded, load_fleet
from fleet_compiler.lock.diff import Difference, compare_locks, describe_difference
from fleet_compiler.lock.discover import Progress, discover
from fleet_compiler.lock.entries import carry_names, current_entries, merge_observations
from fleet_compiler.lock.from_gateway import Contexts, merge_contexts
from fleet_compiler.lock.lockfile import dump_lock, load_lock, save_lock
from fleet_compiler.lock.model import Lock
from fleet_compiler.process_lock import hold_process_lock
from fleet_compiler.project import Project, locate_project
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.artifacts.polling import is_polled
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.text import count, join_names, quote
from fleet_runtime.urls import AddressError, mask_url, parse_url, server_root


@dataclass(frozen=True, slots=True)
class LockUpdate:
    """fleet.lock before and after; `stale` says whether the file differs from what it should hold.

    `loaded` is fleet.yaml at the moment of the update, and `changed` the providers that it had otherwise when
    they were probed.
    """

    before: Lock
    after: Lock
    differences: tuple[Difference, ...]
    stale: bool
    loaded: Loaded
    changed: tuple[str, ...]


@click.command(
    epilog=epilog(
        "fleet lock",
        "fleet lock embedding",
        "fleet lock --check                                # would anything change?",
        "fleet lock embedding --at http://127.0.0.1:9001   # probe another address once",
        "fleet lock --from-gateway http://127.0.0.1:8400   # contexts of models it has seen loaded",
        exits={
            0: "success",
            1: "the configuration is invalid",
            2: "usage error",
            3: "fleet.lock is out of date (--check)",
            4: "a NAME or the gateway did not respond, or no provider did",
        },
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_provider)
@file_option
@click.option("--check", is_flag=True, help="Write nothing; exit 3 if fleet.lock is out of date.")
@click.option(
    "--at",
    metavar="URL",
    help="Probe NAME at this address instead of its configured one. Takes exactly one NAME.",
)
@click.option("--url", hidden=True, help="Rejected: --url is the gateway's address in all other commands.")
@click.option(
    "--from-gateway",
    "gateway",
    metavar="URL",
    help="Probe nothing; read the contexts of loaded models from a running gateway. Its key is $FLEET_KEY.",
)
@json_option
def lock(
    names: tuple[str, ...],
    file: Path | None,
    check: bool,
    at: str | None,
    url: str | None,
    gateway: str | None,
    as_json: bool,
) -> None:
    """Probe all providers, or each NAME, and update fleet.lock with their models.

    Providers are probed in parallel. A probe never loads or unloads a model. A provider that does not respond
    keeps its entry, even if it was moved or renamed in fleet.yaml. With -f test.yaml, the file is test.lock.
    """
    if url is not None:
        raise UsageError("--url is always the gateway's address: write --at URL, or --from-gateway URL")
    if at is not None and gateway is not None:
        raise UsageError("--at and --from-gateway cannot be used together")
    project = locate_project(fleet_file(file))
    loaded = load_fleet(project.config)
    providers = resolve_connections(loaded.fleet)
    chosen = _choose(providers, names)
    load_lock(project.lock)  # a damaged one is reported before anything is probed
    if at is not None:
        chosen = [_move(at, chosen, names)]
    seen: Mapping[str, Observation] = {}
    contexts: Contexts = {}
    if gateway is None:
        progress: Progress = (lambda provider, observation: None) if as_json else show_probe
        with wait_line(f"probing {count(len(chosen), 'provider')}") as line:
            seen = discover(chosen, project.folder, os.environ, progress=line.above(progress))
    else:
        _require_usable(gateway)
        with wait_line("waiting for the gateway"):
            contexts = fetch_contexts(gateway, chosen)
    update = _update(project, providers, seen, contexts, write=not check)
    for name in update.changed:
        warn(f"'{name}' was changed in {project.config} meanwhile: run `fleet lock` again")
    if as_json:
        show_json(_data(project, update, seen, check))
    else:
        show_diagnostics(_rename_warnings(update), (update.loaded.source,))
        _show_differences(update.differences)
    if check and update.stale:
        raise StaleArtifactsError(f"'{project.lock}' is out of date: run `fleet lock`")
    if not as_json:
        say(f"wrote {project.lock}" if update.stale else f"{project.lock} is up to date{_as_far_as(seen)}")
    if gateway is None:
        kept = "" if update.stale and not check else f": {project.lock} is unchanged"
        _require_responses(names, seen, kept)


def _update(
    project: Project,
    probed: Iterable[ProviderConfig],
    seen: Mapping[str, Observation],
    contexts: Contexts,
    *,
    write: bool,
) -> LockUpdate:
    """Merge the observations into fleet.lock, one process at a time.

    Another command may have changed fleet.yaml since the providers were `probed`; the entries are those of
    the current ones, and observations of changed providers are dropped.
    """
    path, before_probe = project.lock, {each.name: each for each in probed}
    with hold_process_lock(
        project.written_folders, lambda: note(f"waiting for another fleet command in '{project.folder}'")
    ):
        loaded = load_fleet(project.config)
        providers = resolve_connections(loaded.fleet)
        same = {each.name for each in providers if each == before_probe.get(each.name)}
        current = {name: observation for name, observation in seen.items() if name in same}
        before = load_lock(path)
        after = merge_observations(current_entries(before, providers), current, providers)
        after = merge_contexts(after, {name: found for name, found in contexts.items() if name in same})
        stale = not path.is_file() or path.read_bytes() != dump_lock(after)
        if stale and write:
            save_lock(path, after)
    differences = tuple(compare_locks(carry_names(before, providers), after))
    changed = tuple(name for name in {**seen, **contexts} if name not in same)
    return LockUpdate(before, after, differences, stale, loaded, changed)


def _rename_warnings(update: LockUpdate) -> list[Diagnostic]:
    fleet, document = update.loaded.fleet, update.loaded.document
    found = rename_warnings(fleet, resolve_connections(fleet), update.before, document.data)
    return document.locate_all(found)


def _choose(providers: Iterable[ProviderConfig], names: tuple[str, ...]) -> list[ProviderConfig]:
    """Return the named providers, or all that are polled."""
    by_name = {provider.name: provider for provider in providers}
    for name in names:
        if name not in by_name:
            near = nearest(name, by_name)
            hint = f"did you mean '{near}'?" if near else f"the providers are {join_names(by_name)}"
            raise UsageError(f"no provider '{name}' in fleet.yaml; {hint}")
        if by_name[name].poll is False:
            raise UsageError(f"provider '{name}' has `poll: false` and is never probed")
    if names:
        return [by_name[name] for name in dict.fromkeys(names)]
    return [provider for provider in by_name.values() if is_polled(provider)]


def _move(url: str, chosen: list[ProviderConfig], names: tuple[str, ...]) -> ProviderConfig:
    """Return the one named provider at another address."""
    if len(names) != 1:
        raise UsageError("--at needs exactly one NAME")
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{quote(mask_url(url), 100)} is not a URL: it begins with http:// or https://")
    _require_usable(url)
    root = server_root(url)
    return chosen[0].model_copy(update={"url": root, "api_base": f"{root}/v1"})


def _require_usable(url: str) -> None:
    try:
        parse_url(url)
    except AddressError as error:
        raise UsageError(
            f"cannot probe {quote(mask_url(url), 100)}: {error.message}; {error.remedy}"
        ) from None


def _show_differences(differences: Iterable[Difference]) -> None:
    for difference in differences:
        change(f"{difference.provider}:")
        for line in describe_difference(difference):
            change(f"  {line}")


def _as_far_as(seen: Mapping[str, Observation]) -> str:
    """Return what "up to date" leaves open."""
    incomplete = any(observation.status != "online" for observation in seen.values())
    return f", as far as {responded_text(seen)}" if incomplete else ""


def _require_responses(names: tuple[str, ...], seen: Mapping[str, Observation], kept: str) -> None:
    """Raise `ProviderSilentError` if a named provider gave no model list, or none did."""
    silent = [name for name, observation in seen.items() if observation.status != "online"]
    if names and silent:
        reasons = "; ".join(f"'{name}': {probe_text(seen[name])}" for name in silent)
        raise ProviderSilentError(f"no model list from {reasons}")
    if seen and len(silent) == len(seen):
        raise ProviderSilentError(f"{responded_text(seen)}{kept}")


def _data(
    project: Project, update: LockUpdate, seen: Mapping[str, Observation], check: bool
) -> dict[str, Any]:
    """Return the result as JSON data; `status` is ``current``, ``written`` or, with --check, ``stale``."""
    status = "current" if not update.stale else "stale" if check else "written"
    return {
        "status": status,
        "file": str(project.lock),
        "providers": [probe_data(name, observation) for name, observation in seen.items()],
        "changes": [asdict(difference) for difference in update.differences],
        "stale": sorted(name for name, entry in update.after.providers.items() if entry.stale),
    }
