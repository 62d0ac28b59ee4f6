"""Render the `outputs` of fleet.yaml: the user's templates, filled with plain data of the fleet.

A template is read from below the folder of fleet.yaml and rendered in a separate process. The result is
parsed if the file's extension implies a format.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from fleet_compiler.config.model import FleetConfig, OutputSettings
from fleet_compiler.diagnostics.diagnostic import Diagnostic, Span
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.finding import Finding
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document.document import Document
from fleet_compiler.document.well_formed import yaml_fault
from fleet_compiler.emit.output_view import output_view
from fleet_compiler.emit.tables import Resolved
from fleet_compiler.emit.template_process import Filled, fill_templates
from fleet_runtime.artifacts.gateway_parts import DatabaseState
from fleet_runtime.files import MAX_CONFIG, UnreadableFileError, read_text, resolve_path, unreadable_reason
from fleet_runtime.text import quote, shorten

Outputs: TypeAlias = Sequence[OutputSettings]
Templates: TypeAlias = Mapping[str, str]
Fault: TypeAlias = tuple[int | None, str]
"""The line at which a result is invalid, and the parser's message."""

_TOML_LINE = re.compile(r" \(at line (\d+), column \d+\)")


def template_paths(folder: Path, outputs: Outputs) -> list[Path]:
    """Return the distinct paths of the templates."""
    return [folder / path for path in dict.fromkeys(output.template for output in outputs)]


def read_templates(folder: Path, fleet: FleetConfig, document: Document) -> dict[str, str]:
    """Return the text of each template by its path in fleet.yaml.

    Raises `ConfigError` for templates that cannot be read, that are outside `folder` through a link, or that
    are key files.
    """
    secrets = list(_secret_files(folder, fleet))
    texts: dict[str, str] = {}
    findings = []
    for index, output in enumerate(fleet.outputs):
        at = ("outputs", index, "template")
        try:
            if output.template not in texts:
                texts[output.template] = _read(folder, output.template, secrets)
        except OSError as error:
            message = f"template {quote(output.template)} {unreadable_reason(error)}"
            remedy = "name a text file below the folder of fleet.yaml"
            findings.append(Finding("F217", at, message, remedy))
    if findings:
        raise ConfigError(document.locate_all(findings), document.source)
    return texts


def render_outputs(resolved: Resolved, outputs: Outputs, templates: Templates) -> dict[str, bytes]:
    """Return the content of each output by its path; raises `ConfigError` at the line of the template."""
    if not outputs:
        return {}
    used = {output.template: templates[output.template] for output in outputs}
    filled = fill_templates(used, output_view(resolved))
    found = list(_problems(outputs, filled, used))
    if found:
        raise ConfigError(found, *(Source(name, text, secrets=()) for name, text in used.items()))
    return {output.path: (filled[output.template].text or "").encode() for output in outputs}


def _read(folder: Path, path: str, secrets: Iterable[Path]) -> str:
    place = folder / path
    if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(folder)):
        raise UnreadableFileError("is a link that leads out of the folder of fleet.yaml", place)
    if any(_is_same(place, secret) for secret in secrets):
        raise UnreadableFileError("is the file of a key, which no build reads", place)
    return read_text(place, MAX_CONFIG)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _secret_files(folder: Path, fleet: FleetConfig) -> Iterator[Path]:
    """Yield the files of keys, passwords and header values."""
    named = [key.file for key in fleet.gateway.keys.values()]
    if isinstance(fleet.gateway.state, DatabaseState):
        named.append(fleet.gateway.state.postgres.file)
    for provider in fleet.providers.values():
        named += [provider.api_key_file, *(header.file for header in provider.headers.values())]
        if provider.basic_auth is not None:
            named.append(provider.basic_auth.password.file)
    for path in filter(None, named):
        with suppress(UnreadableFileError):
            yield resolve_path(folder, path)


def _problems(outputs: Outputs, filled: Mapping[str, Filled], templates: Templates) -> Iterator[Diagnostic]:
    for output in outputs:
        result = filled.get(output.template)
        if result is None:
            continue
        if result.text is None:
            span = _line_span(templates[output.template], result.line)
            message = f"template cannot be rendered: {result.message}"
            remedy = "docs/outputs.md has the names and filters that a template can use"
            yield Diagnostic("F218", "error", message, output.template, span, remedy)
        elif fault := _format_fault(output.path, result.text):
            format_, (line, reason) = fault
            where = ""
            if line is not None:
                lines = result.text.split("\n")
                shown = lines[min(line, len(lines)) - 1].strip()
                where = f", line {line} of the result: {quote(shorten(shown))}"
            message = f"{quote(output.path)} would not be {format_}: {reason}{where}"
            remedy = "the json filter quotes texts: {{ model.id | json }}"
            yield Diagnostic("F219", "error", message, output.template, help=remedy)


def _line_span(text: str, line: int | None) -> Span | None:
    lines = text.split("\n")
    if line is None or line > len(lines):
        return None
    written = lines[line - 1]
    begin = len(written) - len(written.lstrip())
    return Span(line, begin + 1, max(len(written.rstrip()), begin + 1) + 1)


def _format_fault(path: str, text: str) -> tuple[str, Fault] | None:
    """Return the format implied by the file's extension and how `text` violates it, None if it is valid."""
    for endings, name, check in _FORMATS:
        if path.lower().endswith(endings):
            fault = check(text)
            return None if fault is None else (name, fault)
    return None


def _json_fault(text: str) -> Fault | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno, error.msg.lower()
    except RecursionError:
        return None, "it is nested too deeply"
    return None


def _toml_fault(text: str) -> Fault | None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        return (int(found[1]) if found else None), _TOML_LINE.sub("", str(error)).lower()
    except RecursionError:
        return None, "it is nested too deeply"
    return None


_FORMATS: tuple[tuple[tuple[str, ...], str, Callable[[str], Fault | None]], ...] = (
    ((".json",), "JSON", _json_fault),
    ((".yaml", ".yml"), "YAML", yaml_fault),
    ((".toml",), "TOML", _toml_fault),
)
"""Maps file extensions to a format and its check."""
