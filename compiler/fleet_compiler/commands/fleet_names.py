"""The names that a shell completes, read from the latest build: no network, no parsing of fleet.yaml."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from fleet_compiler.commands.options import fleet_file
from fleet_compiler.diagnostics.errors import FleetError
from fleet_compiler.project import locate_project
from fleet_runtime.artifacts.contract import FLEET_TABLE
from fleet_runtime.files import MAX_ARTIFACT, read_file

_PLAIN_WORD = re.compile(r"[\w@][\w@%+=:,./-]*")
"""What means itself in bash, zsh and fish."""


def complete_provider(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return _matching((provider.get("name") for provider in _providers(ctx)), incomplete)


def complete_model(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete a composite id or the ``@`` of a role."""
    ids = (f"{each.get('name')}/{id}" for each in _providers(ctx) for id in each.get("models", ()))
    roles = (f"@{role}" for role in _table(ctx).get("roles", ()))
    return _matching((*ids, *roles), incomplete)


def complete_surface(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return _matching(_read(_generated(ctx) / "gateway.json").get("surfaces", ()), incomplete)


def complete_code(_ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from fleet_compiler.diagnostics.codes import codes

    return _matching(codes(), incomplete.upper())


def _providers(ctx: click.Context) -> list[dict[str, Any]]:
    found = _table(ctx).get("providers", [])
    return [provider for provider in found if isinstance(provider, dict)]


def _table(ctx: click.Context) -> dict[str, Any]:
    return _read(_generated(ctx) / FLEET_TABLE)


def _generated(ctx: click.Context) -> Path:
    if generated := ctx.params.get("generated"):
        return Path(generated)
    try:
        return locate_project(fleet_file(ctx.params.get("file"))).generated
    except (FleetError, OSError):
        return Path(os.devnull)


def _read(path: Path) -> dict[str, Any]:
    """Return the object in a generated file, empty if there is none: a shell shows no errors."""
    try:
        content = json.loads(read_file(path, MAX_ARTIFACT))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _matching(names: Iterable[Any], incomplete: str) -> list[str]:
    """Return the names that a shell may put on its line as they are: it would execute ``$(…)`` in one."""
    found = (name for name in names if isinstance(name, str) and name.startswith(incomplete))
    return sorted(filter(_PLAIN_WORD.fullmatch, found))
