"""The interface of a client kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from pydantic_core import to_jsonable_python

from fleet_compiler.clients.view import NO_PROMPT, SMALLEST_OUTPUT, ClientView, OwnPrompt, holds_any
from fleet_compiler.config.certain_model import certain_model
from fleet_compiler.config.model import ClientEntry, FleetConfig, SurfaceSettings
from fleet_compiler.diagnostics.finding import Finding
from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.text import join_names, join_words


class Launch(msgspec.Struct, frozen=True):
    """How a client's program starts on its generated configuration.

    `environment` is added to the user's variables, and `references` are variables that copy the value of
    another one. `subcommand` starts the program, and `arguments` are its configuration; both precede the
    user's arguments. `keys` are the variables from which the configuration reads a key and `urls` its
    addresses; both can be checked before the start. `home` is the variable of a folder to which the program
    also writes: it gets a private one with a copy of the files.
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
        """Return the arguments before those of the user."""
        return (*([self.subcommand] if self.subcommand else []), *self.arguments)


class ClientFile(msgspec.Struct, frozen=True):
    """One file of a client's configuration.

    `context` returns the plain data for `template`; `parse` raises ValueError if a text is not of the file's
    format.
    """

    name: str
    template: str
    context: Callable[[ClientView], Mapping[str, Any]]
    parse: Callable[[str], object] = json.loads


class ClientOptions(Artifact):
    """The options of a kind; the fields of a subclass are keys of its mapping in fleet.yaml."""

    def given(self) -> dict[str, Any]:
        """Return the options set in fleet.yaml, as JSON data."""
        return {
            info.alias or name: to_jsonable_python(getattr(self, name))
            for name, info in type(self).model_fields.items()
            if name in self.model_fields_set
        }


def no_findings(_: object) -> Iterator[Finding]:
    yield from ()


class Client(msgspec.Struct, frozen=True):
    """Everything about one kind of client.

    Each module of this package with a `CLIENT` is a kind.

    `files` are the files to write, the main one first. Several files, or those of a `foldered` kind, are in a
    folder, ``<surface>/<name>/`` unless fleet.yaml names another; a single file is at ``<surface>/<file>``,
    or at the top if it is `at_top`. `program` is the command, and `install` how to install it. `launch`
    returns how to start it with the main file, from its path and bytes; it raises ValueError if they are not
    such a configuration.

    `options` declares the options of the kind. `prompt` is the size of the client's own first request; models
    that are too small for it are left out. So are models for whose id `holds` is false: the client would
    change the id, or its files cannot contain it. `check` yields the problems of the surfaces of this kind,
    by name, and of their providers. `about` is its text in docs/fleet-yaml.md, `page` its page in docs/. If
    only the installed program knows a part of the files, it prints that with the arguments `asks`, and
    `complete` inserts the output into the files, by name; it raises as `launch` does.
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
    holds: Callable[[str], bool] = holds_any
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
        """Return each file by its path in the generated folder; `main` is the path of the main file."""
        folder = PurePosixPath(main).parent
        others = {(folder / file.name).as_posix(): file for file in self.files[1:]}
        return {main: self.files[0], **others}

    def read_options(self, surface: SurfaceSettings, entry: ClientEntry) -> ClientOptions:
        """Return the options of an entry, including those at its surface."""
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
        """Yield the models that are left out: the client's own prompt does not fit into them, or their id
        does not fit into its files."""
        small = [f"{id} ({context} tokens)" for id, context in view.too_small(self.prompt)]
        if small:
            shown, least = join_words(small, limit=3), self.prompt.tokens + SMALLEST_OUTPUT
            yield Finding(
                "F311",
                ("surfaces", view.table.surface or "", "client"),
                f"left out of {self.name}, whose own prompt fills their context: {shown}",
                f"give the model a context of at least {least} tokens where it runs; if it does not chat, "
                "set its `purpose` in fleet.yaml",
                severity="warning",
                key=True,
            )
        if changed := list(view.unwritable(self.prompt, self.holds)):
            yield Finding(
                "F312",
                ("surfaces", view.table.surface or "", "client"),
                f"left out of {self.name}, which would change their ids: {join_names(changed, limit=3)}",
                "give the model another id where it runs",
                severity="warning",
                key=True,
            )
