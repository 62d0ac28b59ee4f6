"""Load generated/ as an immutable, hash-checked snapshot."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import msgspec
from pydantic import ValidationError

from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.contract import (
    FLEET_TABLE,
    GatewayConfig,
    Manifest,
    ProviderConfig,
    RoutedProvider,
    RoutingTable,
)
from fleet_runtime.artifacts.hashes import sha256_hex
from fleet_runtime.files import MAX_ARTIFACT, read_file, unreadable_reason

Loaded = TypeVar("Loaded", bound=Artifact)


class ArtifactError(Exception):
    """The generated folder cannot be served; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent output of the compiler.

    `id` is ``sha256:`` and the hash of the manifest's bytes. `tables` maps each base path (empty for
    ``/v1``) to its routing table. `root` is the folder that the files named in gateway.json lie below.
    """

    id: str
    root: Path
    gateway: GatewayConfig
    tables: Mapping[str, RoutingTable]
    connections: Mapping[str, ProviderConfig]

    @property
    def fleet(self) -> RoutingTable:
        """Return the table of ``/v1``, which has every provider."""
        return self.tables[""]

    def names_after(self, previous: Snapshot) -> Mapping[str, str]:
        """Map every name and former name of a provider to its current name. Include the names in `previous`
        of providers whose rename this snapshot reverts: the same URL, with a former name as the name
        again."""
        names = self.fleet.names
        undone = {
            name: former
            for name, connection in previous.connections.items()
            if name not in names
            for former in connection.formerly
            if former in self.connections and self.connections[former].url == connection.url
        }
        return undone | names

    def table(self, surface: str | None) -> RoutingTable | None:
        return self.tables.get(f"/{surface}" if surface else "")


def load_snapshot(folder: Path) -> Snapshot:
    """Read and check every file of the folder; raises `ArtifactError`, and never returns a mixture of two
    builds.

    The path is resolved once, so that swapping a symbolic link meanwhile cannot cause a mixture either.
    """
    try:
        resolved = folder.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise ArtifactError(
            f"not built yet ('{folder}' does not exist): run `fleet build`, or `fleet up`"
        ) from None
    raw = _read(resolved, "manifest.json")
    manifest = _parse(Manifest, raw, "manifest.json")
    contents = {name: _checked(resolved, name, sha256) for name, sha256 in manifest.files.items()}
    return parse_snapshot(raw, contents, folder.absolute())


def parse_snapshot(manifest: bytes, contents: Mapping[str, bytes], folder: Path) -> Snapshot:
    """Return the snapshot of files that match `manifest`; raises `ArtifactError`.

    `folder` is where they are, or will be.
    """
    gateway = _parse(GatewayConfig, _member(contents, "gateway.json"), "gateway.json")
    files = [FLEET_TABLE, *gateway.surfaces.values()]
    shared: dict[bytes, RoutedProvider] = {}
    tables = [_parse_table(_member(contents, name), name, shared) for name in files]
    return Snapshot(
        id=f"sha256:{sha256_hex(manifest)}",
        root=Path(os.path.normpath(folder / gateway.root)),
        gateway=gateway,
        tables=MappingProxyType({table.base: table for table in tables}),
        connections=MappingProxyType({connection.name: connection for connection in gateway.providers}),
    )


def _read(folder: Path, name: str) -> bytes:
    try:
        return read_file(folder / name, MAX_ARTIFACT)
    except FileNotFoundError:
        raise ArtifactError(f"'{folder / name}' is missing: run `fleet build`") from None
    except OSError as error:
        raise ArtifactError(f"'{folder / name}' {unreadable_reason(error)}") from None


def _checked(folder: Path, name: str, sha256: str) -> bytes:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ArtifactError(f"manifest.json names '{name}', which is not inside '{folder}'")
    data = _read(folder, name)
    if sha256_hex(data) != sha256:
        raise ArtifactError(
            f"'{folder / name}' is not the file that manifest.json was written with: run `fleet build`"
        )
    return data


def _member(contents: Mapping[str, bytes], name: str) -> bytes:
    try:
        return contents[name]
    except KeyError:
        raise ArtifactError(f"manifest.json does not list '{name}': run `fleet build`") from None


def _parse_table(data: bytes, name: str, shared: dict[bytes, RoutedProvider]) -> RoutingTable:
    """Parse a table; a provider in several tables is parsed and stored once."""
    try:
        parts = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        written = [bytes(each) for each in msgspec.json.decode(parts["providers"], type=list[msgspec.Raw])]
        for each in written:
            if each not in shared:
                shared[each] = RoutedProvider.model_validate_json(each)
        head = msgspec.json.encode(parts | {"providers": ()})
        table = RoutingTable.model_validate_json(head)
    except (msgspec.DecodeError, KeyError, ValidationError):
        return _parse(RoutingTable, data, name)  # which reports the problem
    return table.model_copy(update={"providers": tuple(shared[each] for each in written)})


def _parse(kind: type[Loaded], data: bytes, name: str) -> Loaded:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the top level"
        raise ArtifactError(
            f"'{name}' was not written by this version of fleet ({where}: {first['msg']}): run `fleet build`"
        ) from None
