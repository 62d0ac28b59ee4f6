"""Checks of the paths that the gateway reads or writes: keys, certificates, state."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.finding import Finding, YamlPath
from fleet_runtime.artifacts.gateway_parts import DatabaseState
from fleet_runtime.text import quote, shorten

_VARIABLE = re.compile(r"\$|%[A-Za-z_]+%|\{env:|\{\{")
_FOLDER = re.compile(r"(?:\A~|(?:\A|/)\.{0,2})/*\Z")
_OTHER_HOME = re.compile(r"~[^/]")


def check(fleet: FleetConfig) -> Iterator[Finding]:
    for at, path in _paths(fleet):
        if path is None:
            continue
        if "\0" in path:
            yield Finding("F216", at, f"{quote(path)} holds a NUL character", "write the path without it")
        elif _VARIABLE.search(path):
            message = f"{quote(path)} contains a variable, and variables are not expanded"
            yield Finding("F216", at, message, "write the path itself; '~/' is the home folder")
        elif _OTHER_HOME.match(path):
            message = f"{quote(path)} begins with another user's home folder"
            yield Finding("F216", at, message, "write that folder's path; only '~/', your own, is expanded")
        elif _FOLDER.search(path):
            message = f"{quote(path)} is a folder, and must be a file"
            yield Finding(
                "F216", at, message, f"add the name of the file: '{shorten(path.rstrip('/'))}/NAME'"
            )


def _paths(fleet: FleetConfig) -> Iterator[tuple[YamlPath, str | None]]:
    for name, provider in fleet.providers.items():
        yield ("providers", name, "api_key_file"), provider.api_key_file
        yield ("providers", name, "ca_file"), provider.ca_file
        for header, secret in provider.headers.items():
            yield ("providers", name, "headers", header, "file"), secret.file
        if provider.basic_auth is not None:
            yield ("providers", name, "basic_auth", "password", "file"), provider.basic_auth.password.file
        if provider.wake is not None:
            yield ("providers", name, "wake", "command"), provider.wake.command
    for name, key in fleet.gateway.keys.items():
        yield ("gateway", "keys", name, "file"), key.file
    state = fleet.gateway.state
    if isinstance(state, DatabaseState):
        yield ("gateway", "state", "postgres", "file"), state.postgres.file
    else:
        yield ("gateway", "state"), state
