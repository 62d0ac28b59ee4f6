"""Settings that conflict or have no effect: outputs, clients, providers without models."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fleet_compiler.checks import own_outputs
from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.model import FleetConfig, ProviderSettings, SurfaceSettings
from fleet_compiler.diagnostics.finding import Finding, RelatedPart, YamlPath
from fleet_compiler.files import comparable_path, path_problem
from fleet_runtime.routing.resolver import admits
from fleet_runtime.text import join_names, quote

RESERVED_OUTPUTS = ("gateway.json", "manifest.json", "fleet.schema.json", "routing")


def check(fleet: FleetConfig) -> Iterator[Finding]:
    yield from _outputs(fleet)
    yield from _repeated_kinds(fleet)
    yield from _client_settings(fleet)
    yield from _client_keys(fleet)
    yield from _legacy_providers(fleet)
    for kind in sorted({entry.kind for surface in fleet.surfaces.values() for entry in surface.clients}):
        yield from CLIENTS[kind].check(fleet)
    yield from _default_provider(fleet)
    yield from _same_addresses(fleet)
    for name, provider in fleet.providers.items():
        yield from _offers(name, provider)


def _outputs(fleet: FleetConfig) -> Iterator[Finding]:
    """Check for paths that are equal if case is ignored, or if one is a folder of the other."""
    taken: dict[tuple[str, ...], _Output] = {(name,): _Output("", ()) for name in RESERVED_OUTPUTS}
    for name, surface in fleet.surfaces.items():
        for entry in surface.clients:
            output = _Output(name, ("surfaces", name, *entry.place_path))
            client = CLIENTS[entry.kind]
            for file in client.outputs(client.place(name, entry.file, entry.folder)):
                if problem := path_problem(file):
                    yield Finding("F213", output.path, f"{quote(file)} {problem[0]}", problem[1])
                    break
                parts = comparable_path(file)
                other = next((known for known in taken if parts[: len(known)] == known[: len(parts)]), None)
                if other is not None:
                    yield _taken(output, file, taken[other], parts in taken)
                    break
                taken[parts] = output
    owners = {
        parts: f"the client of surface '{each.surface}'" if each.surface else ""
        for parts, each in taken.items()
    }
    yield from own_outputs.check(fleet, owners)


class _Output(msgspec.Struct, frozen=True):
    """The surface that writes a file, and the path of the setting for its location; empty for fleet
    itself."""

    surface: str
    path: YamlPath


def _taken(output: _Output, file: str, owner: _Output, same: bool) -> Finding:
    if not owner.surface:
        message = f"{quote(file)} is a file that fleet itself generates"
        return Finding("F213", output.path, message, "choose another name")
    message = f"{quote(file)} and the file of surface '{owner.surface}' cannot both exist"
    if same:
        message = f"surfaces '{owner.surface}' and '{output.surface}' would both write {quote(file)}"
    if same and owner.surface == output.surface:
        message = f"two clients of surface '{output.surface}' would both write {quote(file)}"
    related = (RelatedPart(owner.path, f"'{owner.surface}' writes it"),)
    remedy = "give one of them another 'file'"
    return Finding("F213", output.path, message, remedy, related=related)


def _repeated_kinds(fleet: FleetConfig) -> Iterator[Finding]:
    for name, surface in fleet.surfaces.items():
        first: dict[str, YamlPath] = {}
        for entry in surface.clients:
            at: YamlPath = ("surfaces", name, *entry.path)
            if first.setdefault(entry.kind, at) != at:
                message = f"surface '{name}' has the client '{entry.kind}' twice"
                related = (RelatedPart(first[entry.kind], "first written here"),)
                remedy = "keep one, or give the other its own surface"
                yield Finding("F213", at, message, remedy, related=related)


def _client_settings(fleet: FleetConfig) -> Iterator[Finding]:
    for name, surface in fleet.surfaces.items():
        for key in ("file", "exclusive", "legacy_provider", "key"):
            if key in surface.model_fields_set and (fault := _without_effect(name, surface, key)):
                message = f"'{key}' has no effect on surface '{name}'{fault[0]}"
                yield Finding("F255", ("surfaces", name, key), message, fault[1], "warning", key=True)


def _without_effect(name: str, surface: SurfaceSettings, key: str) -> tuple[str, str] | None:
    """Return why a client setting of a surface has no effect, and the remedy; None if it has one."""
    kinds = [entry.kind for entry in surface.clients]
    if not kinds:
        return ", for which no client is configured", f"add 'client: opencode', or delete '{key}'"
    if key == "file":
        if surface.clients[0].place_path == ("file",):
            folder = f"write 'client: {{kind: {kinds[0]}, folder: …}}' instead"
            return (f": a client '{kinds[0]}' has a folder", folder) if CLIENTS[kinds[0]].has_folder else None
        remedy = f"write it with its client: '{{kind: {kinds[0]}, file: {surface.file}}}'"
        return ", whose clients have their own", remedy
    if key == "key" or any(key in CLIENTS[kind].options.model_fields for kind in kinds):
        return None
    shown = join_names(kinds)
    return f": a client {shown} does not use it", f"delete '{key}'"


def _client_keys(fleet: FleetConfig) -> Iterator[Finding]:
    for name, surface in fleet.surfaces.items():
        if surface.client is None or surface.key is not None or not fleet.gateway.keys:
            continue
        keys = fleet.gateway.keys.items()
        fitting = [key for key, facts in keys if facts.surfaces is None or name in facts.surfaces]
        if len(fitting) != 1:
            problem = "no key opens it" if not fitting else f"{len(fitting)} keys open it and it names none"
            message = f"the gateway would reject the client of surface '{name}': {problem}"
            remedy = (
                f"add 'key' with {join_names(fitting, 'or')}"
                if fitting
                else "let one of gateway.keys open it"
            )
            at = ("surfaces", name, "client")
            yield Finding("F256", at, message, remedy, "warning", key=True)


def _legacy_providers(fleet: FleetConfig) -> Iterator[Finding]:
    for name, surface in fleet.surfaces.items():
        for entry in surface.clients:
            options = CLIENTS[entry.kind].read_options(surface, entry)
            owner = getattr(options, "legacy_provider", None)
            if owner in fleet.providers:
                message = f"'legacy_provider' of surface '{name}' is the name of provider '{owner}'"
                related = (RelatedPart(("providers", owner), f"'{owner}' is here", key=True),)
                remedy = f"delete it: ids that begin with '{owner}/' already mean that provider"
                above = entry.path if "legacy_provider" in entry.options else ()
                at = ("surfaces", name, *above, "legacy_provider")
                yield Finding("F214", at, message, remedy, related=related)


def _default_provider(fleet: FleetConfig) -> Iterator[Finding]:
    provider = fleet.providers.get(fleet.default_provider)
    if provider is None:
        return
    at: YamlPath = ("default_provider",)
    if not provider.enabled:
        message = f"default_provider '{fleet.default_provider}' is not enabled: bare ids reach nothing"
        remedy = "enable it, or choose another"
        yield Finding("F254", at, message, remedy, "warning")
    if provider.class_ == "cloud":
        message = f"default_provider '{fleet.default_provider}' is a cloud: bare ids would cost money"
        remedy = "choose a local provider"
        yield Finding("F254", at, message, remedy, "warning")


def _same_addresses(fleet: FleetConfig) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name, provider in fleet.providers.items():
        at: YamlPath = ("providers", name)
        owner = first.setdefault(provider.api_base, name)
        if owner != name and _reads_same_key(provider, fleet.providers[owner]):
            message = f"providers '{owner}' and '{name}' have the same address"
            related = (RelatedPart(("providers", owner), f"'{owner}' is here", key=True),)
            remedy = "keep one; an old name of a provider belongs under its 'formerly'"
            yield Finding("F257", at, message, remedy, "warning", key=True, related=related)
        if provider.sidecar is not None and provider.sidecar.url == provider.url:
            message = f"the sidecar of provider '{name}' has the address of the provider itself"
            remedy = "write the sidecar's address, or delete it"
            yield Finding("F257", (*at, "sidecar"), message, remedy, "warning")


def _reads_same_key(one: ProviderSettings, other: ProviderSettings) -> bool:
    return (one.api_key_env, one.api_key_file) == (other.api_key_env, other.api_key_file)


def _offers(name: str, provider: ProviderSettings) -> Iterator[Finding]:
    at: YamlPath = ("providers", name)
    if provider.poll is False and not provider.declared and provider.unlisted == "refuse":
        message = f"provider '{name}' is never probed and declares no models, so it offers none"
        remedy = "add 'models', or delete 'poll: false'"
        yield Finding("F252", (*at, "poll"), message, remedy, "warning")
    elif provider.class_ == "cloud" and not provider.declared and not provider.include:
        message = f"cloud '{name}' declares no models: all that it lists would be offered"
        remedy = "add 'models' with the ids you use, or 'include'"
        yield Finding("F253", at, message, remedy, "warning", key=True)
    for id in provider.declared:
        if not admits(id, provider.include, provider.exclude):
            message = f"model {quote(id)} is declared, and 'include' or 'exclude' excludes it"
            remedy = "fix the globs, or delete the model"
            yield Finding("F255", (*at, "models", id), message, remedy, "warning", key=True)
    plain = provider.api_base.startswith("http:") and not (
        provider.sidecar is not None and provider.sidecar.url.startswith("https:")
    )
    for key in ("verify", "ca_file"):
        if plain and key in provider.model_fields_set:
            message = f"'{key}' has no effect: provider '{name}' is reached over http"
            remedy = f"delete '{key}', or write https://"
            yield Finding("F255", (*at, key), message, remedy, "warning", key=True)
    if not plain and not provider.verify and provider.ca_file is not None:
        message = "'ca_file' has no effect because 'verify' is false"
        yield Finding("F255", (*at, "ca_file"), message, "delete one of the two", "warning", key=True)
