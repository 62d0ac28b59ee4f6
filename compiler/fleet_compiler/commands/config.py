"""``fleet config``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import click

from fleet_compiler.commands.options import file_option, fleet_file, json_option
from fleet_compiler.commands.terminal import say, show_json
from fleet_compiler.config.effective import Setting, effective_settings
from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.diagnostics.text import nearest
from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import Loaded, load_fleet
from fleet_runtime.artifacts.polling import poll_interval
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.text import quote

WIDEST = 48
"""The column of comments, unless a line is longer."""

_PLAIN = re.compile(r"[A-Za-z][\w.@+/-]*(?::[\w.@+/-]+)*")
_WORDS = ("true", "True", "TRUE", "false", "False", "FALSE", "null", "Null", "NULL")
"""Matches texts that need no quotes in YAML, and those of them that YAML reads as another type."""


@click.command(
    epilog=epilog(
        "fleet config",
        "fleet config gateway",
        "fleet config providers.attic.timeouts",
        "fleet config --json",
        exits={0: "success", 1: "the configuration is invalid", 2: "usage error"},
    ),
)
@click.argument("key", required=False)
@file_option
@json_option
def config(key: str | None, file: Path | None, as_json: bool) -> None:
    """Print every setting in effect and its source.

    The source is a line of fleet.yaml, a default, or another setting. With KEY, print only that setting or
    the ones below it.
    """
    loaded = load_fleet(fleet_file(file))
    settings = _chosen(list(_settings(loaded)), key)
    name = loaded.source.name
    if as_json:
        show_json({"file": name, "settings": [_data(setting) for setting in settings]})
        return
    lines = list(_lines(settings))
    column = min(max(len(line) for line, _ in lines), WIDEST)
    for line, setting in lines:
        if setting is None:
            say(line)
        else:
            say(f"{line:<{column}}  # {_origin(setting, name)}", dim=setting.source != "file")


def _lines(settings: list[Setting]) -> Iterator[tuple[str, Setting | None]]:
    """Yield the lines of the settings as YAML: each with its setting, and those of the mappings above."""
    above: tuple[str, ...] = ()
    for setting in settings:
        *parents, key = setting.path
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(above, parents, strict=False)))
        for depth in range(shared, len(parents)):
            yield f"{'  ' * depth}{_text(parents[depth])}:", None
        yield f"{'  ' * len(parents)}{_text(key)}: {_text(setting.value)}", setting
        above = tuple(parents)


def _settings(loaded: Loaded) -> Iterator[Setting]:
    """Yield the settings, each provider's `poll` as the gateway applies it."""
    interval = loaded.fleet.inventory.interval
    polls = {
        connection.name: poll_interval(connection, interval)
        for connection in resolve_connections(loaded.fleet)
        if connection.poll is None
    }
    for setting in effective_settings(loaded.fleet, loaded.document):
        if setting.path[0] == "providers" and setting.path[2:] == ("poll",) and setting.path[1] in polls:
            seconds = polls[setting.path[1]]
            is_usual = seconds == interval
            origin = (
                "inventory.interval" if is_usual else "class" if seconds is not None else "class and models"
            )
            yield replace(
                setting, value=seconds if seconds is not None else False, source="derived", origin=origin
            )
        else:
            yield setting


def _chosen(settings: list[Setting], key: str | None) -> list[Setting]:
    if key is None:
        return settings
    chosen = [setting for setting in settings if f"{setting.name}.".startswith(f"{key}.")]
    if not chosen:
        paths = (setting.path for setting in settings)
        names = {".".join(path[:depth]) for path in paths for depth in range(1, len(path) + 1)}
        near = nearest(key, names)
        hint = f"; did you mean {quote(near)}?" if near else ": `fleet config` lists all"
        raise UsageError(f"no setting {quote(key)}{hint}")
    return chosen


def _text(value: Any) -> str:
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) is not None and value not in _WORDS
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


def _origin(setting: Setting, file: str) -> str:
    if setting.span is not None:
        return f"{file}:{setting.span.line}:{setting.span.column}"
    return f"from {setting.origin}" if setting.origin else setting.source


def _data(setting: Setting) -> dict[str, Any]:
    data: dict[str, Any] = {"path": list(setting.path), "value": setting.value, "source": setting.source}
    if setting.span is not None:
        data |= {"line": setting.span.line, "column": setting.span.column}
    return data | ({"from": setting.origin} if setting.origin else {})
