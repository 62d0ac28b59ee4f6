"""Settings that contradict each other or do nothing: outputs, clients, providers that offer nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.model import FleetConfig, ProviderSettings
from fleet_compiler.diagnostics.diagnostic import Diagnostic, Related
from fleet_compiler.diagnostics.text import short
from fleet_compiler.document.document import Document, YamlPath
from fleet_compiler.files import path_problem
from fleet_runtime.routing.resolver import admits
from fleet_runtime.text import join_names, quote

RESERVED_OUTPUTS = ("gateway.json", "manifest.json", "fleet.schema.json", "routing")


def check(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    yield from _outputs(fleet, document)
    yield from _client_settings(fleet, document)
    yield from _client_keys(fleet, document)
    yield from _legacy_providers(fleet, document)
    for client in CLIENTS.values():
        for finding in client.check(fleet):
            yield document.finding(finding)
    yield from _default_provider(fleet, document)
    yield from _same_addresses(fleet, document)
    for name, provider in fleet.providers.items():
        yield from _offers(name, provider, document)


def _outputs(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    """Two paths are one also if a file system ignores case, and if one is a folder of the other."""
    taken: dict[tuple[str, ...], str] = {(name,): "" for name in RESERVED_OUTPUTS}
    for name, surface in fleet.surfaces.items():
        if surface.client is None:
            continue
        client = CLIENTS[surface.client]
        at: YamlPath = ("surfaces", name, "file" if surface.file else "client")
        for file in client.outputs(surface.file or client.file):
            if problem := path_problem(file):
                yield document.diagnostic("F213", f"{quote(file)} {problem[0]}", at, help=problem[1])
                break
            parts = tuple(unicodedata.normalize("NFC", part).casefold() for part in file.split("/"))
            other = next((known for known in taken if parts[: len(known)] == known[: len(parts)]), None)
            if other is not None:
                yield _taken(fleet, document, at, name, file, taken[other], parts in taken)
                break
            taken[parts] = name


def _taken(
    fleet: FleetConfig, document: Document, at: YamlPath, name: str, file: str, owner: str, same: bool
) -> Diagnostic:
    if not owner:
        message = f"{quote(file)} is a file that fleet itself generates"
        return document.diagnostic("F213", message, at, help="choose another name")
    message = f"{quote(file)} and the file of surface '{owner}' cannot both exist"
    if same:
        message = f"surfaces '{owner}' and '{name}' would both write {quote(file)}"
    place = ("surfaces", owner, "file" if fleet.surfaces[owner].file else "client")
    related = (Related(document.span(place), f"'{owner}' writes it"),)
    remedy = "give one of them another 'file'"
    return document.diagnostic("F213", message, at, help=remedy, related=related)


def _client_settings(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    for name, surface in fleet.surfaces.items():
        for key in ("file", "exclusive", "legacy_provider", "key") if surface.client is None else ():
            if key in surface.model_fields_set:
                message = f"'{key}' does nothing on surface '{name}', for which no client is configured"
                remedy = f"add 'client: {next(iter(CLIENTS))}', or delete '{key}'"
                yield document.diagnostic(
                    "F255", message, ("surfaces", name, key), key=True, help=remedy, severity="warning"
                )


def _client_keys(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    for name, surface in fleet.surfaces.items():
        if surface.client is None or surface.key is not None or not fleet.gateway.keys:
            continue
        keys = fleet.gateway.keys.items()
        fitting = [key for key, facts in keys if facts.surfaces is None or name in facts.surfaces]
        if len(fitting) != 1:
            many = f"{len(fitting)} keys open" if fitting else "no key opens"
            message = f"{many} surface '{name}', and it names none: its client would be refused"
            remedy = (
                f"add 'key' with {join_names(fitting, 'or')}"
                if fitting
                else "let one of gateway.keys open it"
            )
            at = ("surfaces", name, "client")
            yield document.diagnostic("F256", message, at, key=True, help=remedy, severity="warning")


def _legacy_providers(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    for name, surface in fleet.surfaces.items():
        if surface.legacy_provider in fleet.providers:
            owner = surface.legacy_provider
            message = f"'legacy_provider' of surface '{name}' is the name of provider '{owner}'"
            related = (Related(document.span(("providers", owner), key=True), f"'{owner}' is here"),)
            remedy = f"delete it: ids that begin with '{owner}/' already mean that provider"
            at = ("surfaces", name, "legacy_provider")
            yield document.diagnostic("F214", message, at, help=remedy, related=related)


def _default_provider(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    provider = fleet.providers.get(fleet.default_provider)
    if provider is None:
        return
    at: YamlPath = ("default_provider",)
    if not provider.enabled:
        message = f"default_provider '{fleet.default_provider}' is not enabled: bare ids reach nothing"
        remedy = "enable it, or choose another"
        yield document.diagnostic("F254", message, at, help=remedy, severity="warning")
    if provider.class_ == "cloud":
        message = f"default_provider '{fleet.default_provider}' is a cloud: bare ids would be paid for"
        remedy = "choose a machine of your own"
        yield document.diagnostic("F254", message, at, help=remedy, severity="warning")


def _same_addresses(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    first: dict[str, str] = {}
    for name, provider in fleet.providers.items():
        at: YamlPath = ("providers", name)
        owner = first.setdefault(provider.api_base, name)
        if owner != name and _reads_same_key(provider, fleet.providers[owner]):
            message = f"providers '{owner}' and '{name}' have one address"
            related = (Related(document.span(("providers", owner), key=True), f"'{owner}' is here"),)
            remedy = "keep one; an old name of a machine belongs under its 'formerly'"
            yield document.diagnostic(
                "F257", message, at, key=True, help=remedy, related=related, severity="warning"
            )
        if provider.sidecar is not None and provider.sidecar.url == provider.url:
            message = f"the sidecar of provider '{name}' has the machine's own address"
            remedy = "write the sidecar's address, or delete it"
            yield document.diagnostic("F257", message, (*at, "sidecar"), help=remedy, severity="warning")


def _reads_same_key(one: ProviderSettings, other: ProviderSettings) -> bool:
    return (one.api_key_env, one.api_key_file) == (other.api_key_env, other.api_key_file)


def _offers(name: str, provider: ProviderSettings, document: Document) -> Iterator[Diagnostic]:
    at: YamlPath = ("providers", name)
    if provider.poll is False and not provider.declared and provider.unlisted == "refuse":
        message = f"provider '{name}' is never asked and declares no models: it offers none"
        remedy = "add 'models', or delete 'poll: false'"
        yield document.diagnostic("F252", message, (*at, "poll"), help=remedy, severity="warning")
    elif provider.class_ == "cloud" and not provider.declared and not provider.include:
        message = f"cloud '{name}' declares no models: all that it lists would be offered"
        remedy = "add 'models' with the ids you use, or 'include'"
        yield document.diagnostic("F253", message, at, key=True, help=remedy, severity="warning")
    written = document.data["providers"].get(name)
    listed_ids = isinstance(written, dict) and isinstance(written.get("models"), list)
    for index, id in enumerate(provider.declared):
        if not admits(id, provider.include, provider.exclude):
            message = f"model '{short(id)}' is declared and yet kept out by 'include' or 'exclude'"
            place = (*at, "models", index if listed_ids else id)
            remedy = "mend the globs, or delete the model"
            yield document.diagnostic("F255", message, place, key=True, help=remedy, severity="warning")
    plain = provider.api_base.startswith("http:") and not (
        provider.sidecar is not None and provider.sidecar.url.startswith("https:")
    )
    for key in ("verify", "ca_file"):
        if plain and key in provider.model_fields_set:
            message = f"'{key}' does nothing: provider '{name}' is reached over http"
            remedy = f"delete '{key}', or write https://"
            yield document.diagnostic("F255", message, (*at, key), key=True, help=remedy, severity="warning")
    if not plain and not provider.verify and provider.ca_file is not None:
        message = "'ca_file' does nothing where 'verify' is false"
        yield document.diagnostic(
            "F255", message, (*at, "ca_file"), key=True, help="delete one of the two", severity="warning"
        )
