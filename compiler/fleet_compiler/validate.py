"""A document against the JSON Schema of fleet.yaml; the only module that knows jsonschema.

The schema says what is right; the words for what is wrong are made here, from the schema's own
``title``, ``errorMessage`` and ``enum``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from fleet_compiler.assets import SCHEMAS
from fleet_compiler.diagnostics import Diagnostic, Related
from fleet_compiler.document import Document, Path
from fleet_compiler.secrecy import LITERAL_KEYS
from fleet_compiler.wording import listed, nearest, short

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_YES_NO = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}
_OTHER_READERS = {
    "base_url": "url", "baseurl": "url", "endpoint": "url", "address": "url", "host": "url", "type": "kind",
    "backend": "kind", "machines": "providers", "servers": "providers", "backends": "providers",
    "default": "default_provider", "apibase": "api_base", "timeout": "timeouts", "ctx": "context",
    "context_length": "context", "n_ctx": "context", "max_tokens": "output", "port": "listen",
    "display_name": "label", "title": "label",
}  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    """schema/fleet.schema.json."""
    loaded: dict[str, Any] = json.loads((SCHEMAS / "fleet.schema.json").read_text(encoding="utf-8"))
    return loaded


def check_schema(document: Document) -> list[Diagnostic]:
    """Everything in which the document differs from the schema, in no particular order."""
    return [fault.diagnostic for fault in schema_faults(document)]


@dataclass(frozen=True, slots=True)
class Fault:
    """One difference from the schema; without what stands at `path` there would be none. `meant` is the
    path of the key that an unknown one is probably a misspelling of; `missing` is the key that is not there."""

    path: Path
    diagnostic: Diagnostic
    meant: Path | None = None
    missing: str | None = None


_Faults: TypeAlias = Iterator[Fault]


def schema_faults(document: Document) -> list[Fault]:
    """Each difference once; a key that is missing because it is misspelt is not one of its own."""
    faults = [
        fault
        for error in validation_errors(document.data)
        for fault in _READERS.get(str(error.validator), _other)(document, tuple(error.absolute_path), error)
    ]
    meant = {fault.meant for fault in faults}
    return [fault for fault in faults if not (fault.missing and (*fault.path, fault.missing) in meant)]


def validation_errors(data: Any) -> Iterator[ValidationError]:
    """jsonschema's own errors, in an order that may change from run to run."""
    errors: Iterator[ValidationError] = _validator().iter_errors(data)
    return errors


@cache
def _validator() -> Any:
    """Draft 2020-12, where ``1.0`` is no integer and ``$`` is the end of the text."""
    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    return extend(Draft202012Validator, {"pattern": _pattern}, type_checker=types)(schema())


def _pattern(_: Any, pattern: str, text: Any, __: Mapping[str, Any]) -> Iterator[ValidationError]:
    if isinstance(text, str) and not re.search(re.sub(r"\$\Z", r"\\Z", pattern), text):
        yield ValidationError("does not match")


def _unknown_keys(document: Document, path: Path, error: ValidationError) -> _Faults:
    known = error.schema["properties"]
    for key in error.instance:
        if key in known:
            continue
        at = (*path, key)
        if remedy := _literal_key_remedy(path, key):
            message = f"a key does not belong in this file, and '{key}' would hold one"
            yield Fault(at, document.diagnostic("F105", message, at, key=True, help=remedy))
            continue
        meant = _OTHER_WORDS.get(key.lower().replace("-", "_"))
        meant = meant if meant in known else nearest(key, known)
        remedy = f"did you mean '{meant}'?" if meant else f"known here: {listed(known, 'and')}"
        message = f"unknown key '{short(key)}' in {subject(path)}"
        found = document.diagnostic("F101", message, at, key=True, help=remedy)
        yield Fault(at, found, meant=(*path, meant) if meant else None)


def _literal_key_remedy(path: Path, key: str) -> str | None:
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


def _missing_keys(document: Document, path: Path, error: ValidationError) -> _Faults:
    for key in error.validator_value:
        if key not in error.instance:
            schema = _property(error, key)
            example = json.dumps(schema["examples"][0]) if schema.get("examples") else "…"
            message = f"missing key '{key}' in {subject(path)}"
            remedy = f"add it, like '{key}: {example.strip(chr(34))}'"
            found = document.diagnostic("F102", message, path, key=True, help=remedy)
            yield Fault(path, found, missing=key)


def _property(error: ValidationError, key: str) -> Mapping[str, Any]:
    """The schema of a key that `required` names, perhaps from inside a `then`."""
    properties = error.schema.get("properties")
    if properties is None:
        where = "key" if key in ("env", "file") else "providerMapping"
        properties = schema()["$defs"][where]["properties"]
    found: Mapping[str, Any] = properties[key]
    return found


def _wrong_type(document: Document, path: Path, error: ValidationError) -> _Faults:
    value = error.instance
    if path[:2] == ("gateway", "keys") and len(path) == 3 and value is not None:
        message = f"a key does not belong in this file, and {subject(path)} would hold one"
        remedy = "write '{env: NAME}' with the name of an environment variable, or '{file: PATH}'"
        yield Fault(path, document.diagnostic("F105", message, path, help=remedy))
        return
    wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    names = " or ".join(_TYPES[name] for name in wanted if name != "null" or len(wanted) == 1)
    message = f"{subject(path)} must be {names}, not {_kind(value)}"
    yield Fault(path, document.diagnostic("F103", message, path, help=_type_remedy(path, wanted, value, error)))


def _type_remedy(path: Path, wanted: list[str], value: Any, error: ValidationError) -> str | None:
    if "boolean" in wanted and isinstance(value, str) and value.lower() in _YES_NO:
        return f"in YAML 1.2 '{value}' is text; write {str(_YES_NO[value.lower()]).lower()}"
    if "integer" in wanted and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if wanted == ["string"] and isinstance(value, int | float) and not isinstance(value, bool):
        return "put it in quotes to make it text"
    if wanted == ["array"] and isinstance(value, str):
        return f"put it in brackets: [{short(value)}]"
    examples = error.schema.get("examples")
    return f"like {json.dumps(examples[0], ensure_ascii=False)}" if examples else None


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    names: dict[type, str] = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names[type(value)]


def _not_one_of(document: Document, path: Path, error: ValidationError) -> _Faults:
    choices = [choice for choice in error.validator_value]
    message = f"{subject(path)} cannot be {_shown(error.instance)}"
    near = nearest(error.instance, choices) if isinstance(error.instance, str) else None
    remedy = f"did you mean '{near}'? " if near else ""
    yield Fault(path, document.diagnostic("F104", message, path, help=f"{remedy}write {listed(choices)}"))


def _wrong_version(document: Document, path: Path, error: ValidationError) -> _Faults:
    message = f"{subject(path)} {_shown(error.instance)} is not known"
    yield Fault(path, document.diagnostic("F110", message, path, help=f"write {error.validator_value}"))


def _wrong_text(document: Document, path: Path, error: ValidationError) -> _Faults:
    noun = error.schema.get("title", "text")
    is_key = _is_key(error)
    at = (*path, error.instance) if is_key else path
    if "environment variable" in noun:
        message = f"{subject(path)} is not the {noun}"
    else:
        message = f"{_shown(error.instance)} is not a valid {noun}"
    remedy = error.schema.get("errorMessage")
    yield Fault(at, document.diagnostic("F106", message, at, key=is_key, help=remedy))


def _is_key(error: ValidationError) -> bool:
    return "propertyNames" in error.absolute_schema_path


def _out_of_range(document: Document, path: Path, error: ValidationError) -> _Faults:
    low, above = error.schema.get("minimum"), error.schema.get("exclusiveMinimum")
    high = error.schema.get("maximum")
    bounds = f"above {above}" if above is not None else f"at least {low}"
    bounds += f" and at most {high}" if high is not None else ""
    message = f"{subject(path)} cannot be {_shown(error.instance)}"
    yield Fault(path, document.diagnostic("F107", message, path, help=f"write a number {bounds}"))


def _wrong_size(document: Document, path: Path, error: ValidationError) -> _Faults:
    is_key = _is_key(error)
    at = (*path, error.instance) if is_key else path
    thing = f"{error.schema.get('title', 'key')} " if is_key else ""
    name = f"{thing}{_shown(error.instance)}" if is_key else subject(path)
    short_of = str(error.validator).startswith("min")
    units = {"Length": "characters", "Items": "items", "Properties": "entries"}
    unit = units[str(error.validator)[3:]]
    if short_of:
        message, remedy = f"{name} is empty", f"write at least one {unit.removesuffix('s')}"
        remedy = "write at least one entry" if unit == "entries" else remedy
    else:
        limit = error.validator_value
        message, remedy = f"{name} is longer than {limit} {unit}", f"shorten it to {limit} {unit}"
    yield Fault(at, document.diagnostic("F108", message, at, key=is_key, help=remedy))


def _repeated_items(document: Document, path: Path, error: ValidationError) -> _Faults:
    seen: dict[str, int] = {}
    for index, item in enumerate(error.instance):
        first = seen.setdefault(json.dumps(item, sort_keys=True), index)
        if first != index:
            at = (*path, index)
            message = f"{_shown(item)} stands twice in {subject(path)}"
            related = (Related(document.span((*path, first)), "first written here"),)
            yield Fault(at, document.diagnostic("F108", message, at, help="keep one of the two", related=related))


def _excluded(document: Document, path: Path, error: ValidationError) -> _Faults:
    remedy = error.schema.get("errorMessage")
    keys = error.validator_value.get("required")
    if _is_key(error):
        yield from _wrong_text(document, path, error)
        return
    if keys is None:
        message = f"{subject(path)} cannot be {_shown(error.instance)}"
        yield Fault(path, document.diagnostic("F104", message, path, help=remedy))
        return
    first, second = sorted(((*path, key) for key in keys), key=lambda at: document.span(at, key=True))
    message = f"'{first[-1]}' and '{second[-1]}' exclude each other"
    related = (Related(document.span(first, key=True), f"'{first[-1]}' is here"),)
    yield Fault(second, document.diagnostic("F109", message, second, key=True, help=remedy, related=related))


def _other(document: Document, path: Path, error: ValidationError) -> _Faults:
    yield Fault(path, document.diagnostic("F199", f"{subject(path)} is not accepted", path))


_READERS = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "enum": _not_one_of,
    "const": _wrong_version,
    "pattern": _wrong_text,
    "minimum": _out_of_range,
    "maximum": _out_of_range,
    "exclusiveMinimum": _out_of_range,
    "minLength": _wrong_size,
    "maxLength": _wrong_size,
    "minItems": _wrong_size,
    "minProperties": _wrong_size,
    "uniqueItems": _repeated_items,
    "not": _excluded,
}


def subject(path: Path) -> str:
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


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{short(value)}'"
    return short(json.dumps(value, ensure_ascii=False))
