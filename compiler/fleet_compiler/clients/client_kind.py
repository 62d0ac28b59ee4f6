"""The interface of a client kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from pydantic_core import to_jsonable_python

from fleet_compiler.clients.view import NO_PROMPT, SMALLEST_OUTPUT, ClientView, OwnPrompt
from fleet_compiler.config.certain_model import certain_model
from fleet_compiler.config.model import ClientEntry, FleetConfig, SurfaceSettings
from fleet_compiler.diagnostics.finding import Finding
from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.text import join_words


class Launch(msgspec.Struct, frozen=True):
    """How a client's program starts on its generated configuration.

    `environment` is added to the user's own variables, and `references` are variables with the value of
    another one. `subcommand` is the program's own word for starting, and `arguments` are its configuration;
    both come before the user's. `keys` are the variables that the configuration reads a key from, `urls` the
    addresses that it uses: what can be checked before the program starts. `home` is the variable of a folder
    that the program also writes to: it gets one with a copy of the files.
    """

    environment: Mapping[str, str]
    references: Mapping[str, str] = msgspec.field(default_factory=dict)
    subcommand: str | None = None
    arguments: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    home: str | None = None

    @property
    def leading(self) -> tuple[str, ...]:
        """The words between the program and the user's arguments."""
        return (*([self.subcommand] if self.subcommand else []), *self.arguments)


class ClientFile(msgspec.Struct, frozen=True):
    """One file of a client's configuration.

    `context` makes the plain data that `template` is filled with; `parse` raises ValueError for a text that
    is not of the file's format.
    """

    name: str
    template: str
    context: Callable[[ClientView], Mapping[str, Any]]
    parse: Callable[[str], object] = json.loads


class ClientOptions(Artifact):
    """The options of a kind; the fields of a subclass are keys of its mapping in fleet.yaml."""

    def given(self) -> dict[str, Any]:
        """Return those that fleet.yaml sets, as JSON data."""
        return {
            info.alias or name: to_jsonable_python(getattr(self, name))
            for name, info in type(self).model_fields.items()
            if name in self.model_fields_set
        }


def no_findings(_: object) -> Iterator[Finding]:
    yield from ()


class Client(msgspec.Struct, frozen=True):
    """A kind of client: all there is to it. Each module of this package with a `CLIENT` is one.

    `files` are what is written, the main one first. They lie in a folder if there are several or if it is
    `foldered`, at ``<surface>/<name>/`` unless fleet.yaml says another; a single file lies at
    ``<surface>/<file>``, or without a folder if it is `at_top`. `program` is the command that people call,
    and `install` how they get it. `launch` says how it starts on the main file at a path that holds these
    bytes; it raises ValueError if they are not such a configuration.

    `options` declares the options of the kind. `prompt` is the client's own first request: models that
    cannot hold it are left out. `check` yields what is wrong with the surfaces of this kind, by name, and
    with the providers that they may use. `about` is what docs/fleet-yaml.md says of the kind, `page` its page
    in docs/.

    If something in the files is known only to the program itself, `asks` are the arguments with which it
    prints that, and `complete` puts the output into the files, by name; it raises as `launch` does.
    """

    name: str
    files: tuple[ClientFile, ...]
    program: str
    install: str
    launch: Callable[[Path, bytes], Launch]
    about: str
    page: str = "clients.md"
    options: type[ClientOptions] = ClientOptions
    prompt: OwnPrompt = NO_PROMPT
    asks: tuple[str, ...] = ()
    complete: Callable[[bytes, Mapping[str, bytes]], Mapping[str, bytes]] | None = None
    foldered: bool = False
    at_top: bool = False
    check: Callable[[FleetConfig], Iterator[Finding]] = no_findings

    @property
    def file(self) -> str:
        return self.files[0].name

    @property
    def has_folder(self) -> bool:
        return self.foldered or len(self.files) > 1

    def place(self, surface: str, file: str | None = None, folder: str | None = None) -> str:
        """Return the path of the main file in the generated folder; `file` and `folder` as fleet.yaml has
        them."""
        if self.has_folder:
            return f"{folder or f'{surface}/{self.name}'}/{self.file}"
        return file or (self.file if self.at_top else f"{surface}/{self.file}")

    def outputs(self, main: str) -> dict[str, ClientFile]:
        """Return each file by its path in the generated folder, if `main` is the main one's."""
        folder = PurePosixPath(main).parent
        others = {(folder / file.name).as_posix(): file for file in self.files[1:]}
        return {main: self.files[0], **others}

    def read_options(self, surface: SurfaceSettings, entry: ClientEntry) -> ClientOptions:
        """Return the options of an entry, those that are written at its surface included."""
        shared = {
            name: getattr(surface, name)
            for name in self.options.model_fields
            if name in surface.model_fields_set
        }
        return self.parse_options({**shared, **entry.options})

    def parse_options(self, options: Mapping[str, Any]) -> ClientOptions:
        """Return options of this kind; raises pydantic's ValidationError."""
        return certain_model(self.options, options) or self.options.model_validate(options)

    def check_models(self, view: ClientView) -> Iterator[Finding]:
        """Yield the models that are left out because the client's own prompt does not fit into them."""
        small = [f"{id} ({context} tokens)" for id, context in view.too_small(self.prompt)]
        if small:
            shown, least = join_words(small, limit=3), self.prompt.tokens + SMALLEST_OUTPUT
            yield Finding(
                "F311",
                ("surfaces", view.table.surface or "", "client"),
                f"left out of {self.name}, whose own prompt fills their context: {shown}",
                f"give the model a context of at least {least} tokens where it runs",
                severity="warning",
                key=True,
            )
