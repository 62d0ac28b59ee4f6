"""Messages for schema violations, made from the schema's ``title``, ``errorMessage`` and ``enum``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fleet_compiler.config import hints as remedies
from fleet_compiler.config.secret_spans import is_secret
from fleet_compiler.diagnostics.finding import Finding, RelatedPart, YamlPath
from fleet_compiler.diagnostics.key_names import is_key_like
from fleet_compiler.diagnostics.text import nearest
from fleet_runtime.text import join_names, quote, shorten


@dataclass(frozen=True, slots=True)
class Violation:
    """`value`, at `path`, breaks `keyword: expected` of `schema`; with `is_key` it is a key of the mapping at
    `path`."""

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
    """One violation of the schema, which disappears without the part at the finding's path.

    `meant` is the path of the key that an unknown key probably misspells; `missing` is a missing key.
    """

    finding: Finding
    meant: YamlPath | None = None
    missing: str | None = None


def schema_problems(found: Violation, data: Any) -> Iterator[SchemaProblem]:
    """Yield the problems of a violation, one for each key or item. `data` is that of the file."""
    at = found.path[:2]
    if remedy := remedies.for_outdented(at, data):
        message = (
            f"'{at[-1]}' is a key of a {str(at[0]).removesuffix('s')}, and is written where a name belongs"
        )
        yield SchemaProblem(Finding("F103", at, message, remedy, key=True))
        return
    yield from _READERS.get(found.keyword, _other)(found, data)


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


def _unknown_keys(found: Violation, data: Any) -> _Problems:
    known = found.schema["properties"]
    for key in found.value.keys() - known.keys():
        at = (*found.path, key)
        if remedy := _literal_key_remedy(found.path, key):
            message = f"a key does not belong in this file, and '{key}' would hold one"
            finding = Finding("F105", at, message, remedy, key=True)
            yield SchemaProblem(finding, meant=(*found.path, "env"))
            continue
        meant = _OTHER_WORDS.get(key.lower().replace("-", "_"))
        meant = meant if meant in known else nearest(key, known)
        remedy = f"did you mean '{meant}'?" if meant else f"known here: {join_names(known)}"
        remedy = remedies.for_pasted(key) or remedy
        message = f"unknown key {quote(key)} in {subject(found.path)}"
        finding = Finding("F101", at, message, remedy, key=True)
        yield SchemaProblem(finding, meant=(*found.path, meant) if meant else None)


def _literal_key_remedy(path: YamlPath, key: str) -> str | None:
    if not is_key_like(key) and key != "value":
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


def _missing_keys(found: Violation, data: Any) -> _Problems:
    for key in found.expected:
        if key not in found.value:
            shown = {"env": "'env' or 'file'", "mac": "'mac' or 'command'"}.get(key, f"'{key}'")
            message = f"missing key {shown} in {subject(found.path)}"
            remedy = remedies.MISSING[key]
            finding = Finding("F102", found.path, message, remedy, key=True)
            yield SchemaProblem(finding, missing=key)


def _wrong_type(found: Violation, data: Any) -> _Problems:
    value = found.value
    if found.path[:2] == ("gateway", "keys") and len(found.path) == 3 and value is not None:
        message = f"a key does not belong in this file, and {subject(found.path)} would hold one"
        remedy = "write '{env: NAME}' with the name of an environment variable, or '{file: PATH}'"
        yield SchemaProblem(Finding("F105", found.path, message, remedy))
        return
    wanted = found.expected if isinstance(found.expected, list) else [found.expected]
    names = " or ".join(_TYPES[name] for name in wanted if name != "null")
    if wanted == ["number", "boolean"]:
        names = "a number or false"
    message = f"{subject(found.path)} must be {names}, not {_kind(value)}"
    remedy = found.schema.get("errorMessage", "write it as the key's reference says")
    if value is None or not is_secret(found.path, value, data):
        remedy = remedies.for_type(wanted, value, found.path, found.schema, data)
    yield SchemaProblem(Finding("F103", found.path, message, remedy or None))


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


def _not_one_of(found: Violation, data: Any) -> _Problems:
    choices: list[str] = found.expected
    message = f"{subject(found.path)} cannot be {_quoted(found, data)}"
    near = nearest(found.value, choices) if isinstance(found.value, str) else None
    remedy = f"did you mean '{near}'? " if near else ""
    yield SchemaProblem(
        Finding("F104", found.path, message, f"{remedy}write {join_names(choices, 'or')}"),
    )


def _wrong_version(found: Violation, data: Any) -> _Problems:
    message = f"version {_quoted(found, data)} is not known"
    yield SchemaProblem(Finding("F110", found.path, message, f"write {found.expected}"))


def _wrong_text(found: Violation, data: Any) -> _Problems:
    noun = found.schema.get("title", "text")
    message = f"{_quoted(found, data)} is not a valid {noun}"
    remedy = found.schema.get("errorMessage")
    if found.is_key or not is_secret(found.path, found.value, data):
        remedy = remedies.for_form(found.value, found.schema, found.is_key)
    yield SchemaProblem(Finding("F106", found.at, message, remedy, key=found.is_key))


def _out_of_range(found: Violation, data: Any) -> _Problems:
    high = found.schema.get("maximum")
    bounds = f"at least {found.schema['minimum']}" + (f" and at most {high}" if high is not None else "")
    message = f"{subject(found.path)} cannot be {_quoted(found, data)}"
    yield SchemaProblem(Finding("F107", found.path, message, f"write a number {bounds}"))


def _wrong_size(found: Violation, data: Any) -> _Problems:
    thing = f"{found.schema.get('title', 'key')} " if found.is_key else ""
    name = f"{thing}{_quoted(found, data)}" if found.is_key else subject(found.path)
    short_of = found.keyword.startswith("min")
    units = {"Length": "characters", "Items": "items", "Properties": "entries"}
    unit = units[found.keyword[3:]]
    if short_of:
        message, remedy = f"{name} is empty", f"write at least one {unit.removesuffix('s')}"
        remedy = "write at least one entry" if unit == "entries" else remedy
    else:
        limit = found.expected
        message, remedy = f"{name} is longer than {limit} {unit}", f"shorten it to {limit} {unit}"
    yield SchemaProblem(Finding("F108", found.at, message, remedy, key=found.is_key))


def _repeated_items(found: Violation, data: Any) -> _Problems:
    seen: dict[str, int] = {}
    for index, item in enumerate(found.value):
        first = seen.setdefault(json.dumps(item, sort_keys=True), index)
        if first != index:
            at = (*found.path, index)
            shown = "the value" if is_secret(at, item, data) else _shown(item)
            message = f"{shown} is written twice in {subject(found.path)}"
            related = (RelatedPart((*found.path, first), "first written here"),)
            remedy = "keep one of the two"
            yield SchemaProblem(Finding("F108", at, message, remedy, related=related))


def _excluded(found: Violation, data: Any) -> _Problems:
    remedy = found.schema.get("errorMessage")
    keys = found.expected.get("required")
    if found.is_key:
        yield from _wrong_text(found, data)
        return
    if keys is None:
        message = f"{subject(found.path)} cannot be {_quoted(found, data)}"
        yield SchemaProblem(Finding("F104", found.path, message, remedy))
        return
    first, second = ((*found.path, key) for key in found.value if key in keys)
    message = f"'{first[-1]}' and '{second[-1]}' exclude each other"
    related = (RelatedPart(first, f"'{first[-1]}' is here", key=True),)
    yield SchemaProblem(Finding("F109", second, message, remedy, key=True, related=related))


def _other(found: Violation, data: Any) -> _Problems:
    yield SchemaProblem(Finding("F199", found.path, f"{subject(found.path)} is not accepted"))


_READERS: dict[str, Callable[[Violation, Any], _Problems]] = {
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
    """Return a noun for the part of fleet.yaml at `path`."""
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
            return f"alias {quote(str(name))}"
        case ("providers", _, "models", str(name)):
            return f"model {quote(name)}"
        case ("gateway", "keys", name):
            return f"key '{name}'"
        case (*above, int(index)):
            return f"item {index + 1} of {subject(tuple(above))}"
        case _:
            return quote(str(path[-1]))


def _quoted(found: Violation, data: Any) -> str:
    """Return the quoted value, unless it may be a secret."""
    if not found.is_key and is_secret(found.path, found.value, data):
        return "the value"
    return _shown(found.value)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    return shorten(json.dumps(value, ensure_ascii=False))
