"""The model of fleet.yaml: normalised, with all defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fleet_compiler.config.certain_model import certain_model
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.finding import Finding
from fleet_compiler.document.document import Document
from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.contract import (
    GatewayOptions,
    Legacy,
    PollSettings,
    ProviderClass,
    ProviderOptions,
)
from fleet_runtime.artifacts.shapes import Seconds
from fleet_runtime.urls import server_root

DEFAULT_LISTEN = str(GatewayOptions.model_fields["listen"].default)
WILDCARDS = ("0.0.0.0", "[::]")

_UNITS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_UNITS |= {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKMG]?i?B)")


class Part(BaseModel):
    model_config = Artifact.model_config


def _root(url: object) -> object:
    return server_root(url) if isinstance(url, str) else url


def _size(size: object) -> object:
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    return int(Decimal(match[1]) * _UNITS[match[2]]) if match else size


def _sidecar(sidecar: object) -> object:
    if isinstance(sidecar, str):
        return {"url": _root(sidecar)}
    return {**sidecar, "url": _root(sidecar.get("url"))} if isinstance(sidecar, dict) else sidecar


def _models(models: object) -> object:
    if isinstance(models, list):
        return {id: {} for id in models}
    return {id: _model(facts) for id, facts in models.items()} if isinstance(models, dict) else models


def _model(facts: object) -> object:
    if isinstance(facts, dict) and facts.get("context") is not None:
        return {**facts, "context_source": "configured"}
    return {} if facts is None else facts


def _candidates(role: object) -> object:
    return (role,) if isinstance(role, str) else role


def _providers(providers: object) -> object:
    """Return each provider as a mapping with a label, a `url` and an `api_base`."""
    if not isinstance(providers, dict):
        return providers
    return {name: _provider(name, entry) for name, entry in providers.items()}


def _provider(name: str, entry: object) -> object:
    data = {"url": entry} if isinstance(entry, str) else entry
    if not isinstance(data, dict):
        return entry
    url, api_base = _root(data.get("url")), data.get("api_base")
    if isinstance(url, str) and api_base is None:
        api_base = f"{url}/v1"
    elif isinstance(api_base, str) and url is None:
        url, api_base = _root(api_base), api_base.rstrip("/")
    filled = {"label": name, **data, "url": url, "api_base": api_base}
    for key, normalise in (("sidecar", _sidecar), ("models", _models)):
        if key in data:
            filled[key] = normalise(data[key])
    return filled


def _surfaces(surfaces: object) -> object:
    """Return each surface as a mapping with a label and its rule for legacy ids."""
    if not isinstance(surfaces, dict):
        return surfaces
    return {name: _surface(name, entry) for name, entry in surfaces.items()}


def _surface(name: str, entry: object) -> object:
    data = {} if entry is None else entry
    if not isinstance(data, dict):
        return entry
    return {"label": name, "legacy": "strict" if data.get("client") else "fallback", **data}


def _gateway(gateway: object) -> object:
    """Add the default URL for clients: the listen address, or loopback if that is a wildcard."""
    if not isinstance(gateway, dict):
        return gateway
    data = dict(gateway)
    for key in ("limits", "captures"):
        if isinstance(data.get(key), dict):
            data[key] = {name: _size(size) for name, size in data[key].items()}
    listen = data.get("listen", DEFAULT_LISTEN)
    if "url" in data:
        data["url"] = _root(data["url"])
    elif isinstance(listen, str):
        host, _, port = listen.rpartition(":")
        data["url"] = f"http://{'127.0.0.1' if host in WILDCARDS else host}:{port}"
    return data


Role = Annotated[tuple[str, ...], BeforeValidator(_candidates)]


class ProviderSettings(ProviderOptions):
    """A provider in fleet.yaml, where the key of `declared` is `models`.

    `url` is the server's root and `api_base` the prefix of its OpenAI API: ``<url>/v1``; if fleet.yaml names
    only an `api_base`, `url` is the same without a trailing ``/v1``.
    """

    model_config = ConfigDict(alias_generator=lambda field: "models" if field == "declared" else field)


class ClientEntry(msgspec.Struct, frozen=True):
    """A client of a surface: the location of its configuration (None: the default of its kind), and its
    options as written. `path` is its path below the surface, `place_path` that of the setting of its
    location."""

    kind: str
    path: tuple[str | int, ...]
    place_path: tuple[str | int, ...]
    file: str | None = None
    folder: str | None = None
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)


class SurfaceSettings(Part):
    """One surface. `providers` and `classes` limit what it may use, None for all. `client` is the value in
    fleet.yaml, `clients` are its entries. `file`, `exclusive` and `legacy_provider` are settings of a client
    that is given only as its kind; `legacy_provider` is the name under which older sessions of opencode saved
    bare and composite ids."""

    label: str
    providers: tuple[str, ...] | None = None
    classes: tuple[ProviderClass, ...] | None = None
    roles: dict[str, Role] = {}
    legacy: Legacy
    client: str | dict[str, Any] | tuple[str | dict[str, Any], ...] | None = None
    file: str | None = None
    exclusive: bool = True
    legacy_provider: str | None = None
    key: str | None = None
    keepalive: Seconds | None = None

    @property
    def clients(self) -> tuple[ClientEntry, ...]:
        if self.client is None:
            return ()
        if isinstance(self.client, tuple):
            found = [_entry(each, ("client", index)) for index, each in enumerate(self.client)]
        else:
            found = [_entry(self.client, ("client",))]
        if len(found) == 1 and self.file is not None and found[0].place_path == found[0].path:
            return (replace(found[0], file=self.file, place_path=("file",)),)
        return tuple(found)

    def may_use(self, name: str, class_: ProviderClass) -> bool:
        """Return whether `providers` and `classes` allow the surface to use a provider."""
        named = self.providers is None or name in self.providers
        return named and (self.classes is None or class_ in self.classes)


def _entry(written: str | dict[str, Any], path: tuple[str | int, ...]) -> ClientEntry:
    if isinstance(written, str):
        return ClientEntry(written, path, path)
    options = dict(written)
    kind, file, folder = (options.pop(key, None) for key in ("kind", "file", "folder"))
    place = next(((*path, key) for key in ("file", "folder") if key in written), path)
    return ClientEntry(str(kind), path, place, file, folder, options)


class OutputSettings(Part):
    """A user-defined file: `template`, relative to fleet.yaml, is rendered to `path` in the generated
    folder."""

    template: str
    path: str


class FleetConfig(Part):
    """A fleet.yaml. A role is an ordered list of model ids, first choice first."""

    version: Literal[1]
    default_provider: str
    providers: Annotated[dict[str, ProviderSettings], BeforeValidator(_providers)]
    aliases: dict[str, str] = {}
    namespaces: tuple[str, ...] = ()
    roles: dict[str, Role] = {}
    surfaces: Annotated[dict[str, SurfaceSettings], BeforeValidator(_surfaces)] = {}
    gateway: Annotated[GatewayOptions, BeforeValidator(_gateway), Field(validate_default=True)] = {}  # type: ignore[assignment]
    inventory: PollSettings = PollSettings.model_construct()
    outputs: tuple[OutputSettings, ...] = ()


def parse_fleet(document: Document, data: Mapping[str, Any] | None = None) -> FleetConfig:
    """Return the model of a document without schema violations; `data` replaces the document's data.

    Raises `ConfigError` if pydantic is stricter than the schema.
    """
    written = document.data if data is None else data
    try:
        return certain_model(FleetConfig, written) or FleetConfig.model_validate(written)
    except ValidationError as error:
        raise ConfigError(_positioned(document, error), document.source) from None


def _positioned(document: Document, error: ValidationError) -> list[Diagnostic]:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        document.locate(Finding("F199", fault["loc"], f"value is not accepted: {fault['msg'].lower()}"))
        for fault in faults
    ]
