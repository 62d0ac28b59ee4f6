"""``fleet lock``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

from fleet_compiler.checks.hostnames import url_problem
from fleet_compiler.commands.options import epilog, file_option, fleet_file
from fleet_compiler.commands.progress import observation_text, show_observation
from fleet_compiler.commands.terminal import change, note, say
from fleet_compiler.diagnostics.errors import ProviderSilentError, StaleArtifactsError, UsageError
from fleet_compiler.diagnostics.text import answered, nearest
from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import load_fleet
from fleet_compiler.lock.diff import Difference, compare_locks, describe_difference
from fleet_compiler.lock.discover import discover, is_polled
from fleet_compiler.lock.from_gateway import Contexts, fetch_contexts, merge_contexts
from fleet_compiler.lock.lockfile import current_entries, dump_lock, load_lock, merge_observations, save_lock
from fleet_compiler.process_lock import hold_process_lock
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.dialects.observation import Observation


@click.command(
    epilog=epilog(
        "fleet lock",
        "fleet lock embedding",
        "fleet lock --check                                  would anything change?",
        "fleet lock embedding --url http://127.0.0.1:9001    ask it at another address, this once",
        "fleet lock --from-gateway http://127.0.0.1:8400     take over the contexts that it saw running",
        exits="0 done, 1 invalid configuration, 2 usage, 3 out of date (--check), "
        "4 a NAME or the gateway did not answer",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@file_option
@click.option("--check", is_flag=True, help="Write nothing; exit 3 where fleet.lock is out of date.")
@click.option("--url", help="Ask the one NAME at this address instead of its own, this once.")
@click.option(
    "--from-gateway",
    "gateway",
    metavar="URL",
    help="Ask a running gateway instead, for the contexts that it saw running; its key is $FLEET_KEY.",
)
def lock(
    names: tuple[str, ...], file: Path | None, check: bool, url: str | None, gateway: str | None
) -> None:
    """Ask the machines (all, or those named) what they serve, and refresh fleet.lock.

    All are asked at once. No model is loaded, swapped or kept by it. A machine that does not answer keeps
    its entry.
    """
    if url is not None and gateway is not None:
        raise UsageError("--url and --from-gateway do not go together")
    config = fleet_file(file)
    path = config.parent / "fleet.lock"
    connections = resolve_connections(load_fleet(config).fleet)
    asked = _asked(connections, names)
    if url is not None:
        asked = [_at(url, asked, names)]
    seen: dict[str, Observation] = {}
    contexts: Contexts = {}
    if gateway is None:
        seen = discover(asked, config.parent, os.environ, progress=show_observation)
    else:
        _require_usable(gateway)
        contexts = fetch_contexts(gateway, os.environ.get("FLEET_KEY"), asked)
    with hold_process_lock(
        config.parent, lambda: note(f"waiting for another fleet command in '{config.parent}'")
    ):
        old = load_lock(path)
        new = merge_observations(current_entries(old, connections), seen, connections)
        new = merge_contexts(new, contexts)
        differences = compare_locks(old, new)
        stale = not path.is_file() or path.read_bytes() != dump_lock(new)
        if stale and not check:
            save_lock(path, new)
    _show(differences)
    if check and stale:
        raise StaleArtifactsError(f"'{path}' is out of date: run `fleet lock`")
    say(f"wrote {path}" if stale else f"{path} is current{_as_far_as(seen)}")
    if gateway is None:
        _require(names, seen)


def _as_far_as(seen: dict[str, Observation]) -> str:
    """What a good word on fleet.lock leaves open."""
    there = sum(observation.status == "online" for observation in seen.values())
    return "" if there == len(seen) else f", as far as {answered(there, len(seen))}"


def _asked(connections: Iterable[ProviderConfig], names: tuple[str, ...]) -> list[ProviderConfig]:
    by_name = {connection.name: connection for connection in connections}
    for name in names:
        if name not in by_name:
            near = nearest(name, by_name)
            hint = f"did you mean '{near}'" if near else f"there are: {', '.join(by_name)}"
            raise UsageError(f"no provider '{name}' in fleet.yaml; {hint}")
        if by_name[name].poll is False:
            raise UsageError(f"provider '{name}' has `poll: false` and is never asked")
    if names:
        return [by_name[name] for name in dict.fromkeys(names)]
    return [connection for connection in by_name.values() if is_polled(connection)]


def _at(url: str, asked: list[ProviderConfig], names: tuple[str, ...]) -> ProviderConfig:
    """The one named machine, at another address."""
    if len(names) != 1:
        raise UsageError("--url needs exactly one NAME")
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"'{url}' is not a URL: it begins with http:// or https://")
    _require_usable(url)
    root = url.rstrip("/").removesuffix("/v1").rstrip("/")
    return asked[0].model_copy(update={"url": root, "api_base": f"{root}/v1"})


def _require_usable(url: str) -> None:
    if fault := url_problem(url):
        raise UsageError(f"nothing can be asked at '{url}': {fault.message}; {fault.remedy}")


def _show(differences: Iterable[Difference]) -> None:
    for difference in differences:
        change(f"{difference.provider}:")
        for line in describe_difference(difference):
            change(f"  {line}")


def _require(names: tuple[str, ...], seen: dict[str, Observation]) -> None:
    silent = [name for name in dict.fromkeys(names) if seen[name].status != "online"]
    if silent:
        reasons = "; ".join(f"'{name}': {observation_text(seen[name])}" for name in silent)
        raise ProviderSilentError(f"no list from {reasons}")
