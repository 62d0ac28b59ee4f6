"""The other side of ``fleet diff --against``: a git revision, or a running gateway."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

from fleet_compiler.diagnostics.errors import FleetError, ProviderSilentError
from fleet_compiler.document.read import decode
from fleet_compiler.emit.review import EVERYWHERE, Side, side_of
from fleet_compiler.emit.tables import resolve_connections, resolve_fleet
from fleet_compiler.load import load_source
from fleet_compiler.lock.entries import current_entries
from fleet_compiler.lock.lockfile import parse_lock
from fleet_compiler.lock.model import NO_LOCK
from fleet_compiler.project import lock_path
from fleet_runtime.api.shapes import FleetStatus
from fleet_runtime.artifacts.contract import RoutedModel, RoutedProvider, RoutingTable
from fleet_runtime.catalog.shapes import CatalogModel, ModelCatalog, ModelResolution, Roles
from fleet_runtime.client import (
    GatewayClient,
    GatewayResponseError,
    GatewayUnreachableError,
    GatewayVersionError,
    api_path,
    open_gateway,
)
from fleet_runtime.text import quote, shorten

SHOWN_SHA = 12
OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
"""Settings that keep git from fetching missing objects of a partial clone, from prompting, and from
writing."""
_BLOB = re.compile(rb"[0-9a-f]+ blob ([0-9]+)\Z")


class GitError(FleetError):
    """Git cannot show the other revision."""

    exit_code = 2


def git_side(config: Path, revision: str) -> Side | None:
    """Return the fleet at a revision of the repository that holds `config`, built from its fleet.lock.

    None if the file did not exist then. Only git is run, and no network is used. Raises `GitError`, and
    `ConfigError` for a fleet.yaml that is invalid there.
    """
    folder = config.parent
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise GitError(
            f"git revision {quote(revision)} does not exist here: in CI, check out with fetch-depth: 0; for a"
            " gateway, write its URL with http://"
        )
    sha = commit.decode().strip()
    text = _show(folder, sha, config.name)
    if text is None:
        return None
    loaded = load_source(decode(f"{revision}:{config.name}", text))
    name = lock_path(config).name
    locked = _show(folder, sha, name)
    lock = NO_LOCK if locked is None else parse_lock(locked, Path(f"{revision}:{name}"))
    entries = current_entries(lock, resolve_connections(loaded.fleet))
    return side_of(resolve_fleet(loaded.fleet, entries, ".."), loaded.fleet.surfaces)


def gateway_side(url: str, here: Side) -> Side:
    """Return what a running gateway serves, with the aliases of `here` as it resolves them.

    Raises `ProviderSilentError` if it cannot be read, and `UsageError` for what is not a URL.
    """
    try:
        with open_gateway(url) as gateway:
            return _served(gateway, here)
    except GatewayUnreachableError as error:
        raise ProviderSilentError(f"the gateway at {quote(error.url, 100)} {error.reason}") from None
    except (GatewayVersionError, GatewayResponseError) as error:
        raise ProviderSilentError(f"cannot read what the gateway serves: {error.message}") from None


def as_served(side: Side) -> Side:
    """Return a compiled fleet as a gateway would report it: without hidden models and some facts."""

    def told(provider: RoutedProvider) -> RoutedProvider:
        models = {id: _told(facts) for id, facts in provider.models.items() if not facts.hidden}
        return provider.model_copy(update={"models": models})

    tables = {
        name: table.model_copy(update={"providers": tuple(map(told, table.providers))})
        for name, table in side.tables.items()
    }
    return replace(side, tables=tables)


def _told(facts: RoutedModel | CatalogModel) -> RoutedModel:
    """Return the facts of a model as in ``GET /api/models``, where an unknown purpose is `chat`."""
    return RoutedModel(
        context=facts.context,
        context_source=facts.context_source,
        output=facts.output,
        tools=facts.tools,
        reasoning=facts.reasoning,
        purpose=facts.purpose or "chat",
        aliases=facts.aliases,
    )


def _served(gateway: GatewayClient, here: Side) -> Side:
    status = gateway.get("/api/fleet", FleetStatus)
    names = {former: each.name for each in status.providers for former in (*each.formerly, each.name)}
    aliases = {}
    for alias in here.tables[EVERYWHERE].aliases:
        meant = _resolution(gateway, alias)
        if meant.rule == "alias" and meant.id is not None:
            aliases[alias] = meant.id

    def table(surface: str | None) -> RoutingTable:
        models = api_path("api", "models", favorites="none", surface=surface)
        catalog = gateway.get(models, ModelCatalog)
        roles = gateway.get(api_path("api", "roles", surface=surface), Roles).roles
        return RoutingTable(
            surface=surface,
            label=surface or "fleet",
            base="" if surface is None else f"/{surface}",
            default_provider=status.default_provider or "",
            legacy="strict",
            names=names,
            namespaces=(),
            aliases=aliases,
            roles={name: role.candidates for name, role in sorted(roles.items())},
            providers=tuple(
                RoutedProvider(
                    name=provider.name,
                    label=provider.label,
                    class_=provider.class_,
                    models={model.model: _told(model) for model in provider.models},
                )
                for provider in catalog.providers
            ),
        )

    urls = {each.name: each.url for each in status.providers}
    return Side({EVERYWHERE: table(None)} | {name: table(name) for name in status.surfaces}, urls)


def _resolution(gateway: GatewayClient, name: str) -> ModelResolution:
    return gateway.get(api_path("api", "resolve", model=name), ModelResolution)


def _show(folder: Path, commit: str, name: str) -> bytes | None:
    """Return a file of `folder` at a commit, following links; None if it did not exist.

    Raises `GitError` if a link leaves the repository.
    """
    asked = f"{commit}:./{name}\n".encode("utf-8", "surrogateescape")
    shown = _git(folder, "cat-file", "--batch", "--follow-symlinks", given=asked) or b""
    head, _, content = shown.partition(b"\n")
    if head.startswith(b"symlink "):
        raise GitError(f"'{name}' is a link that leads out of the repository at commit {commit[:SHOWN_SHA]}")
    found = _BLOB.match(head)
    return None if found is None else content[: int(found[1])]


def _git(folder: Path, *arguments: str, given: bytes = b"") -> bytes | None:
    """Return what git prints; None if it fails. Raises `GitError` if there is no git or no repository."""

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(  # noqa: S603
            command, input=given, env=os.environ | OFFLINE, capture_output=True, check=False
        )

    try:
        inside = run("rev-parse", "--show-toplevel")
        result = run(*arguments)
    except OSError:
        raise GitError("--against REVISION needs git, which is not installed") from None
    if inside.returncode != 0:
        said = shorten(inside.stderr.decode("utf-8", "replace").strip().partition("\n")[0], 200)
        raise GitError(f"git cannot read a repository at '{folder}': {said}")
    return result.stdout if result.returncode == 0 else None
