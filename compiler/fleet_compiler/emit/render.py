"""Render contract objects to bytes, through Jinja2 templates.

A template defines the layout of a file. Its output is parsed and must equal the given object, so a template
cannot change what is routed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2 import TemplateError as JinjaError
from jinja2.runtime import Context
from pydantic import ValidationError

from fleet_compiler.assets import TEMPLATES
from fleet_compiler.clients import ClientFile, ClientView
from fleet_compiler.diagnostics.errors import FleetError
from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.contract import ModelFacts, RoutingTable, to_data

ARTIFACT = "artifact.json.j2"
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=to_data)


class TemplateError(FleetError):
    """A template cannot be rendered, or its result does not equal its input."""


def render_artifact(artifact: Artifact) -> bytes:
    """Render an artifact, and verify the result by parsing it."""
    content = render_text(artifact)
    try:
        require_same(type(artifact).model_validate_json(content), artifact)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise TemplateError(
            f"template '{ARTIFACT}' does not render what it should: {fault['msg']}"
        ) from error
    return content


def render_text(artifact: Artifact) -> bytes:
    """Render an artifact with the template that loops over its fields; the caller verifies the result by
    parsing it."""
    return _render(ARTIFACT, {"artifact": artifact, "shared": {}}).encode()


def render_tables(tables: Mapping[str, RoutingTable]) -> dict[str, bytes]:
    """Render tables by path as `render_text` does; shared parts are rendered once."""
    shared: dict[int, str] = {}
    return {
        path: _render(ARTIFACT, {"artifact": table, "shared": shared}).encode()
        for path, table in tables.items()
    }


def require_same(parsed: Artifact, artifact: Artifact) -> None:
    """Raise `TemplateError` if a file does not equal the artifact that it was rendered from."""
    if parsed != artifact:
        raise TemplateError(f"template '{ARTIFACT}' does not render all of what it was given")


def render_client(file: ClientFile, view: ClientView) -> bytes:
    """Return one file of a client's configuration."""
    text = _render(file.template, file.context(view))
    try:
        file.parse(text)
    except ValueError as error:
        raise TemplateError(f"template '{file.template}' does not render its format: {error}") from error
    return text.encode()


def _render(template: str, view: Mapping[str, Any]) -> str:
    try:
        return _environment(TEMPLATES).get_template(template).render(view)
    except JinjaError as error:
        raise TemplateError(f"template '{template}' cannot be rendered: {error.message}") from error


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - JSON, quoted by the json filter
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json"] = _json
    environment.filters["yaml"] = _yaml
    environment.filters["members"] = _members
    environment.filters["facts"] = _facts
    environment.filters["inert"] = _inert
    environment.filters["once"] = _once
    return environment


@pass_context
def _once(context: Context, part: Artifact, macro: Callable[[Artifact, str], str], indent: str) -> str:
    """Return a part rendered by a macro, cached because several files of a build may contain it."""
    shared: dict[int, str] = context["shared"]
    if id(part) not in shared:
        shared[id(part)] = macro(part, indent)
    return shared[id(part)]


def _json(value: Any) -> str:
    """Return one line of JSON that keeps the order of keys and every character (unlike Jinja's tojson)."""
    if type(value) is str:
        return encode_basestring(value)
    return "null" if value is None else _ENCODER.encode(value)


def _yaml(value: Any) -> str:
    """As `json`, with escapes for what a YAML text cannot contain (YAML 1.2.2, 5.1), and for what is a line
    break to parsers of YAML 1.1."""
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", _json(value))


def _inert(value: Any) -> str:
    """As `json`, for clients that replace ``{env:NAME}`` and ``{file:PATH}`` in the text of their
    configuration: such a reference inside a provider's id or label remains text."""
    return _json(value).replace("{env:", "\\u007benv:").replace("{file:", "\\u007bfile:")


def _members(artifact: Artifact) -> list[tuple[str, Any]]:
    """Return the keys and values of an artifact, in the order of the contract."""
    fields = type(artifact).model_fields
    return [(field.alias or name, getattr(artifact, name)) for name, field in fields.items()]


def _facts(value: Any) -> str:
    """As `json`, but without values that equal the contract's defaults."""
    if isinstance(value, ModelFacts):
        return _model_facts(value)
    if isinstance(value, Artifact):
        value = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return _json(value)


@lru_cache(maxsize=4096)
def _model_facts(facts: ModelFacts) -> str:
    """Return the text of facts, cached because all tables of a build have the same ones, and many models
    equal ones."""
    return _json(facts.model_dump(mode="json", by_alias=True, exclude_defaults=True))
