"""What is wrong with a value that breaks the schema, in words made from the schema's own ``title``,
``errorMessage`` and ``enum``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fleet_compiler.config import hints as remedies
from fleet_compiler.config.secret_spans import LITERAL_KEYS, is_secret
from fleet_compiler.diagnostics.diagnostic import Diagnostic, Related
from fleet_compiler.diagnostics.text import nearest, short
from fleet_compiler.document.document import Document, YamlPath
from fleet_runtime.text import join_names


@dataclass(frozen=True, slots=True)
class Violation:
    """`value`, at `path`, breaks `keyword: expected` of `schema`; with `is_key` it is a key of what stands
    at `path`."""

    keyword: str
    expected: Any
    value: Any
    path: YamlPath
    schema: Mapping[str, Any]
    is_key: bool = False

    @property
    def at(self) -> YamlPath:
        return (*self.path, self.value) if self.is_key else self.path


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """One difference from the schema; without what stands at `path` there would be none. `meant` is the
    path of the key that an unknown one is probably a misspelling of; `missing` the key that is not there."""

    path: YamlPath
    diagnostic: Diagnostic
    meant: YamlPath | None = None
    missing: str | None = None


def schema_problems(found: Violation, document: Document) -> Iterator[SchemaProblem]:
    """A violation in words; one of several keys or items is several faults."""
    at = found.path[:2]
    if remedy := remedies.for_outdented(at, document):
        message = f"'{at[-1]}' is a key of a {str(at[0]).removesuffix('s')}, and stands where a name does"
        return iter([SchemaProblem(at, document.diagnostic("F103", message, at, key=True, help=remedy))])
    return _READERS.get(found.keyword, _other)(found, document)


_Problems: TypeAlias = Iterator[SchemaProblem]

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_OTHER_WORDS = {
    "base_url": "url", "baseurl": "url", "endpoint": "url", "address": "url", "host": "url", "type": "kind",
    "backend": "kind", "machines": "providers", "servers": "providers", "backends": "providers",
    "default": "default_provider", "apibase": "api_base", "timeout": "timeouts", "ctx": "context",
    "context_length": "context", "n_ctx": "context", "max_tokens": "output", "port": "listen",
    "display_name": "label", "title": "label",
}  # fmt: skip


def _unknown_keys(found: Violation, document: Document) -> _Problems:
    known = found.schema["properties"]
    for key in found.value.keys() - known.keys():
        at = (*found.path, key)
        if remedy := _literal_key_remedy(found.path, key):
            message = f"a key does not belong in this file, and '{key}' would hold one"
            diagnostic = document.diagnostic("F105", message, at, key=True, help=remedy)
            yield SchemaProblem(at, diagnostic, meant=(*found.path, "env"))
            continue
        meant = _OTHER_WORDS.get(key.lower().replace("-", "_"))
        meant = meant if meant in known else nearest(key, known)
        remedy = f"did you mean '{meant}'?" if meant else f"known here: {join_names(known)}"
        remedy = remedies.for_pasted(key) or remedy
        message = f"unknown key '{short(key)}' in {subject(found.path)}"
        diagnostic = document.diagnostic("F101", message, at, key=True, help=remedy)
        yield SchemaProblem(at, diagnostic, meant=(*found.path, meant) if meant else None)


def _literal_key_remedy(path: YamlPath, key: str) -> str | None:
    if key.lower().replace("-", "_") not in LITERAL_KEYS:
        return None
    match path:
        case ("providers", *_):
            return "write 'api_key_env' with the name of an environment variable, or 'api_key_file'"
        case ("gateway", "keys", _):
            return "write 'env' with the name of an environment variable, or 'file'"
        case ("gateway",):
            return "name it under 'keys', with 'env' or 'file'"
        case _:
            return None


def _missing_keys(found: Violation, document: Document) -> _Problems:
    for key in found.expected:
        if key not in found.value:
            shown = "'env' or 'file'" if key == "env" else f"'{key}'"
            message = f"missing key {shown} in {subject(found.path)}"
            remedy = remedies.MISSING[key]
            diagnostic = document.diagnostic("F102", message, found.path, key=True, help=remedy)
            yield SchemaProblem(found.path, diagnostic, missing=key)


def _wrong_type(found: Violation, document: Document) -> _Problems:
    value = found.value
    if found.path[:2] == ("gateway", "keys") and len(found.path) == 3 and value is not None:
        message = f"a key does not belong in this file, and {subject(found.path)} would hold one"
        remedy = "write '{env: NAME}' with the name of an environment variable, or '{file: PATH}'"
        yield SchemaProblem(found.path, document.diagnostic("F105", message, found.path, help=remedy))
        return
    wanted = found.expected if isinstance(found.expected, list) else [found.expected]
    names = " or ".join(_TYPES[name] for name in wanted if name != "null")
    if wanted == ["number", "boolean"]:
        names = "a number or false"
    message = f"{subject(found.path)} must be {names}, not {_kind(value)}"
    remedy = remedies.for_type(wanted, value, found.path, found.schema, document)
    yield SchemaProblem(found.path, document.diagnostic("F103", message, found.path, help=remedy or None))


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return "a number with a fraction" if isinstance(value, float) else "a number"


def _not_one_of(found: Violation, document: Document) -> _Problems:
    choices: list[str] = found.expected
    message = f"{subject(found.path)} cannot be {_quoted(found)}"
    near = nearest(found.value, choices) if isinstance(found.value, str) else None
    remedy = f"did you mean '{near}'? " if near else ""
    yield SchemaProblem(
        found.path,
        document.diagnostic("F104", message, found.path, help=f"{remedy}write {join_names(choices, 'or')}"),
    )


def _wrong_version(found: Violation, document: Document) -> _Problems:
    message = f"version {_quoted(found)} is not known"
    yield SchemaProblem(
        found.path, document.diagnostic("F110", message, found.path, help=f"write {found.expected}")
    )


def _wrong_text(found: Violation, document: Document) -> _Problems:
    noun = found.schema.get("title", "text")
    message = f"{_quoted(found)} is not a valid {noun}"
    remedy = remedies.for_form(found.value, found.schema, found.is_key)
    yield SchemaProblem(
        found.at, document.diagnostic("F106", message, found.at, key=found.is_key, help=remedy)
    )


def _out_of_range(found: Violation, document: Document) -> _Problems:
    high = found.schema.get("maximum")
    bounds = f"at least {found.schema['minimum']}" + (f" and at most {high}" if high is not None else "")
    message = f"{subject(found.path)} cannot be {_quoted(found)}"
    yield SchemaProblem(
        found.path, document.diagnostic("F107", message, found.path, help=f"write a number {bounds}")
    )


def _wrong_size(found: Violation, document: Document) -> _Problems:
    thing = f"{found.schema.get('title', 'key')} " if found.is_key else ""
    name = f"{thing}{_quoted(found)}" if found.is_key else subject(found.path)
    short_of = found.keyword.startswith("min")
    units = {"Length": "characters", "Items": "items", "Properties": "entries"}
    unit = units[found.keyword[3:]]
    if short_of:
        message, remedy = f"{name} is empty", f"write at least one {unit.removesuffix('s')}"
        remedy = "write at least one entry" if unit == "entries" else remedy
    else:
        limit = found.expected
        message, remedy = f"{name} is longer than {limit} {unit}", f"shorten it to {limit} {unit}"
    yield SchemaProblem(
        found.at, document.diagnostic("F108", message, found.at, key=found.is_key, help=remedy)
    )


def _repeated_items(found: Violation, document: Document) -> _Problems:
    seen: dict[str, int] = {}
    for index, item in enumerate(found.value):
        first = seen.setdefault(json.dumps(item, sort_keys=True), index)
        if first != index:
            at = (*found.path, index)
            message = f"{_shown(item)} stands twice in {subject(found.path)}"
            related = (Related(document.span((*found.path, first)), "first written here"),)
            remedy = "keep one of the two"
            yield SchemaProblem(at, document.diagnostic("F108", message, at, help=remedy, related=related))


def _excluded(found: Violation, document: Document) -> _Problems:
    remedy = found.schema.get("errorMessage")
    keys = found.expected.get("required")
    if found.is_key:
        yield from _wrong_text(found, document)
        return
    if keys is None:
        message = f"{subject(found.path)} cannot be {_quoted(found)}"
        yield SchemaProblem(found.path, document.diagnostic("F104", message, found.path, help=remedy))
        return
    first, second = sorted(((*found.path, key) for key in keys), key=lambda at: document.span(at, key=True))
    message = f"'{first[-1]}' and '{second[-1]}' exclude each other"
    related = (Related(document.span(first, key=True), f"'{first[-1]}' is here"),)
    yield SchemaProblem(
        second, document.diagnostic("F109", message, second, key=True, help=remedy, related=related)
    )


def _other(found: Violation, document: Document) -> _Problems:
    yield SchemaProblem(
        found.path, document.diagnostic("F199", f"{subject(found.path)} is not accepted", found.path)
    )


_READERS: dict[str, Callable[[Violation, Document], _Problems]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "enum": _not_one_of,
    "const": _wrong_version,
    "pattern": _wrong_text,
    "minimum": _out_of_range,
    "maximum": _out_of_range,
    "minLength": _wrong_size,
    "maxLength": _wrong_size,
    "minItems": _wrong_size,
    "minProperties": _wrong_size,
    "uniqueItems": _repeated_items,
    "not": _excluded,
}


def subject(path: YamlPath) -> str:
    """The part of a fleet.yaml at `path`, as a noun."""
    match path:
        case ():
            return "the file"
        case ("providers", name):
            return f"provider '{name}'"
        case ("surfaces", name):
            return f"surface '{name}'"
        case ("roles", name) | ("surfaces", _, "roles", name):
            return f"role '{name}'"
        case ("aliases", name):
            return f"alias '{short(str(name))}'"
        case ("providers", _, "models", str(name)):
            return f"model '{short(name)}'"
        case ("gateway", "keys", name):
            return f"key '{name}'"
        case (*above, int(index)):
            return f"item {index + 1} of {subject(tuple(above))}"
        case _:
            return f"'{short(str(path[-1]))}'"


def _quoted(found: Violation) -> str:
    """The value, unless it may be a key."""
    if not found.is_key and is_secret(found.path, found.value):
        return "the value"
    return _shown(found.value)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{short(value)}'"
    return short(json.dumps(value, ensure_ascii=False))
