"""The source of a client's configuration, for ``fleet run``, ``env`` and ``connect``.

Next to a fleet.yaml, the source is generated/. Otherwise, and for a client that no surface names, the
configuration is rendered here from the gateway's data (`fetched_surface`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from fleet_compiler.clients import CLIENTS, Client, ClientView
from fleet_compiler.diagnostics.errors import FleetError, UsageError
from fleet_compiler.project import Project
from fleet_runtime.artifacts.contract import GatewayConfig, KeyReference, RoutingTable
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.files import (
    MAX_ARTIFACT,
    MAX_KEY,
    UnreadableFileError,
    read_file,
    read_text,
    resolve_path,
    unreadable_reason,
)
from fleet_runtime.text import join_names


class LaunchError(FleetError):
    """A client cannot be started with its generated configuration."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The files of a client by path, the main one first; `on_disk`: they already exist.

    `key_file` holds the key that `KEY_VARIABLE` stands for in them.
    """

    client: Client
    surface: str
    files: Mapping[Path, bytes]
    on_disk: bool
    key_file: Path | None = None

    @property
    def main(self) -> Path:
        return next(iter(self.files))


@dataclass(frozen=True, slots=True)
class SurfaceFacts:
    """The data that ``fleet connect`` prints about a surface."""

    name: str
    base_url: str
    root_url: str
    key_variable: str | None
    key_file: Path | None
    models: tuple[str, ...]
    clients: tuple[str, ...]


def read_gateway(project: Project) -> GatewayConfig:
    """Return generated/gateway.json; raises `LaunchError`."""
    path = project.generated / "gateway.json"
    try:
        return GatewayConfig.model_validate_json(read_file(path, MAX_ARTIFACT))
    except OSError as error:
        raise LaunchError(f"'{path}' {unreadable_reason(error)}: run `fleet build`") from None
    except ValidationError:
        raise LaunchError(f"'{path}' is not what this version of fleet writes: run `fleet build`") from None


def choose_surface(client: str, wanted: str | None, surfaces: Mapping[str, Iterable[str]]) -> str | None:
    """Return the surface to use: the wanted one, or the only one with the client; None if none has it.

    `surfaces` are the kinds of client of each. Raises `UsageError` if there is no such surface, or several.
    """
    if wanted is not None:
        if wanted not in surfaces:
            known = join_names(list(surfaces)) or "none"
            raise UsageError(f"unknown surface '{wanted}'; surfaces: {known}")
        return wanted
    fitting = [name for name, kinds in surfaces.items() if client in kinds]
    if len(fitting) > 1:
        raise UsageError(
            f"the surfaces {join_names(fitting)} have the client '{client}': choose one with --surface"
        )
    return fitting[0] if fitting else None


def generated_config(
    project: Project, gateway: GatewayConfig, client: str, surface: str
) -> ClientConfig | None:
    """Return the files that `fleet build` wrote for a client of a surface; None if the surface does not have
    the client.

    Raises `LaunchError`.
    """
    settings = next((each for each in gateway.clients.get(surface, ()) if each.kind == client), None)
    if settings is None:
        return None
    reference = gateway.keys.get(settings.key or "")
    return built_config(
        client, surface, project.generated, settings.file, _key_file(project, gateway, reference)
    )


def built_config(
    client: str, surface: str, folder: Path, main: str, key_file: Path | None = None
) -> ClientConfig:
    """Return the files that `fleet build` wrote below `folder` for a client; raises `LaunchError`."""
    kind, files = CLIENTS[client], {}
    for name in kind.outputs(main):
        path = folder / name
        try:
            files[path] = read_file(path, MAX_ARTIFACT)
        except OSError as error:
            raise LaunchError(f"'{path}' {unreadable_reason(error)}: run `fleet build`") from None
    return ClientConfig(kind, surface, files, on_disk=True, key_file=key_file)


def local_facts(project: Project, gateway: GatewayConfig, surface: str) -> SurfaceFacts:
    """Return the data of a surface from the last build; raises `LaunchError`."""
    path = project.generated / gateway.surfaces[surface]
    try:
        table = RoutingTable.model_validate_json(read_file(path, MAX_ARTIFACT))
    except (OSError, ValidationError):
        raise LaunchError(f"'{path}' is not what this version of fleet writes: run `fleet build`") from None
    clients = gateway.clients.get(surface, ())
    fitting = [key for key in gateway.keys.values() if key.surfaces is None or surface in key.surfaces]
    named = [gateway.keys[each.key] for each in clients if each.key is not None]
    key = next(iter([*named, *fitting]), None)
    view = ClientView.of(gateway, table, key=key)
    return surface_facts(surface, view, [each.kind for each in clients], _key_file(project, gateway, key))


def surface_facts(
    surface: str, view: ClientView, clients: Iterable[str], key_file: Path | None
) -> SurfaceFacts:
    models = tuple(each.id for each in view.offered())
    return SurfaceFacts(
        surface, view.base_url, view.root_url, view.key_variable, key_file, models, tuple(clients)
    )


def read_key(file: Path) -> str:
    """Read a key from a file by the gateway's rules; raises `LaunchError`."""
    try:
        key = find_key(None, str(file), {}, lambda _: read_text(file, MAX_KEY))
    except MissingKeyError as error:
        raise LaunchError(str(error)) from None
    assert key is not None, "a file is named"
    return key


def _key_file(project: Project, gateway: GatewayConfig, reference: KeyReference | None) -> Path | None:
    if reference is None or reference.file is None:
        return None
    try:
        return resolve_path((project.generated / gateway.root).resolve(), reference.file)
    except UnreadableFileError as error:
        raise LaunchError(f"the key file '{reference.file}' {error.strerror}") from None
