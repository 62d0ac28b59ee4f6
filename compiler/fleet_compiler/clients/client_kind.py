"""What a kind of client is to the compiler."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.finding import Finding
from fleet_runtime.artifacts.contract import (
    GatewayConfig,
    KeyReference,
    RoutedModel,
    RoutedProvider,
    RoutingTable,
)
from fleet_runtime.routing.model_id import CompositeId, split_id
from fleet_runtime.routing.resolver import listed_names


@dataclass(frozen=True, slots=True)
class ClientView:
    """Everything that a client's configuration may be made from.

    `file` is the path of its main file inside the generated folder; `key` the gateway's key that it refers
    to, if the gateway requires one; `exclusive`: the client gets no other providers; `legacy_provider`: the
    name of one more provider, for ids that older sessions saved.
    """

    gateway: GatewayConfig
    table: RoutingTable
    file: str
    key: KeyReference | None
    exclusive: bool
    legacy_provider: str | None = None

    @property
    def base_url(self) -> str:
        return f"{self.gateway.url}{self.table.base}/v1"

    def chat_models(self) -> Iterator[tuple[RoutedProvider, dict[str, RoutedModel]]]:
        """Yield each enabled provider with the chat models that lists show, by id; those without any too."""
        disabled = {provider.name for provider in self.gateway.providers if not provider.enabled}
        for provider in self.table.providers:
            if provider.name not in disabled:
                models = provider.models.items()
                yield provider, {id: facts for id, facts in models if is_offered(facts)}

    def first_choice(self, role: str) -> CompositeId | None:
        """Return the first choice of a role under the id that its provider lists; None if it lists none."""
        candidates = self.table.roles.get(role)
        first = split_id(candidates[0]) if candidates else None
        for provider, models in self.chat_models():
            if first is not None and provider.name == first.provider:
                listed = listed_names(provider).get(first.model)
                return CompositeId(provider.name, listed) if listed in models else None
        return None


def is_offered(facts: RoutedModel) -> bool:
    return not facts.hidden and facts.purpose in (None, "chat")


@dataclass(frozen=True, slots=True)
class Launch:
    """How a client's program starts on its generated configuration.

    `environment` is added to the user's own variables, and `references` are variables with the value of
    another one. `arguments` come before the user's. `keys` are the
    variables that the configuration reads a key from, `urls` the addresses that it uses: what can be
    checked before the program starts.
    """

    environment: Mapping[str, str]
    references: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientFile:
    """One file of a client's configuration.

    `context` makes the plain data that `template` is filled with; `parse` raises ValueError for a text that
    is not of the file's format.
    """

    name: str
    template: str
    context: Callable[[ClientView], Mapping[str, Any]]
    parse: Callable[[str], object] = json.loads


def no_findings(_: object) -> Iterator[Finding]:
    yield from ()


@dataclass(frozen=True, slots=True)
class Client:
    """A kind of client: all there is to it. Each module of this package but this one holds one.

    `files` are what is written, the main one first; `file` of fleet.yaml names that one, and the others lie
    next to it. `program` is the command that people call, and `install` how they get it. `launch` says how
    it starts on the main file at a path that holds these bytes; it raises ValueError if they are not such a
    configuration.

    `check` yields what is wrong with the surfaces of this kind, by name, and with the providers that they
    may use; `check_models` what cannot be offered on a surface. `about` is what docs/fleet-yaml.md says of
    the kind, `page` its page in docs/. `options` are the keys of a surface that only some kinds use.
    """

    name: str
    files: tuple[ClientFile, ...]
    program: str
    install: str
    launch: Callable[[Path, bytes], Launch]
    about: str
    page: str | None = None
    options: frozenset[str] = frozenset({"exclusive", "legacy_provider"})
    check: Callable[[FleetConfig], Iterator[Finding]] = no_findings
    check_models: Callable[[ClientView], Iterator[Finding]] = no_findings

    @property
    def file(self) -> str:
        return self.files[0].name

    def outputs(self, main: str) -> dict[str, ClientFile]:
        """Return each file by its path in the generated folder, if `main` is the main one's."""
        folder = PurePosixPath(main).parent
        others = {(folder / file.name).as_posix(): file for file in self.files[1:]}
        return {main: self.files[0], **others}
