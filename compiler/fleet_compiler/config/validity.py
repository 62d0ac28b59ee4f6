"""Decide whether data is valid by the schema of fleet.yaml, without a library.

Importing jsonschema takes longer than everything else in `fleet validate` of a valid file. This module
supports the keywords that the schema uses; jsonschema is only needed to explain errors. If it is not certain,
it returns False, and jsonschema decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import combinations
from typing import Any, TypeAlias

from fleet_compiler.config.schema import schema

Check: TypeAlias = Callable[[Any, Any], bool]
"""Returns whether a value is valid by one keyword with its value in the schema."""

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


FEW = 20
"""The maximum number of items that are compared here if not all are texts."""


class _UndecidedError(Exception):
    """Only a complete validator can validate the value."""


def is_valid(data: Any) -> bool:
    """Return whether `data` is certainly valid."""
    try:
        return _holds(data, schema())
    except _UndecidedError:
        return False


def pattern_of(written: str) -> re.Pattern[str]:
    """Compile a pattern of the schema, in which ``$`` matches only at the end of the text."""
    return re.compile(re.sub(r"\$\Z", r"\\Z", written))


_pattern = cache(pattern_of)


def _holds(value: Any, rules: Any) -> bool:
    if isinstance(rules, bool):
        return rules
    return all(_KEYWORDS[keyword](value, rules) for keyword in rules if keyword in _KEYWORDS)


def _ref(value: Any, rules: Mapping[str, Any]) -> bool:
    return _holds(value, schema()["$defs"][rules["$ref"].removeprefix("#/$defs/")])


def _type(value: Any, rules: Mapping[str, Any]) -> bool:
    wanted = rules["type"]
    return any(_TYPES[name](value) for name in ([wanted] if isinstance(wanted, str) else wanted))


def _is_any_of(value: Any, allowed: list[Any]) -> bool:
    """Compare scalars as JSON does, where ``true`` is not ``1``."""
    if isinstance(value, dict | list):
        raise _UndecidedError
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in allowed)


def _properties(value: Any, rules: Mapping[str, Any]) -> bool:
    if not isinstance(value, dict):
        return True
    return all(_holds(value[key], below) for key, below in rules["properties"].items() if key in value)


def _additional(value: Any, rules: Mapping[str, Any]) -> bool:
    if not isinstance(value, dict):
        return True
    known = rules.get("properties", ())
    return all(
        _holds(below, rules["additionalProperties"]) for key, below in value.items() if key not in known
    )


def _unique(value: Any, _: Mapping[str, Any]) -> bool:
    if not isinstance(value, list):
        return True
    if all(isinstance(item, str) for item in value):
        return len(set(value)) == len(value)
    few = len(value) <= FEW
    if few and all(first != second for first, second in combinations(value, 2)):
        return True
    raise _UndecidedError  # equal here may be different in JSON: True and 1


def _condition(value: Any, rules: Mapping[str, Any]) -> bool:
    return _holds(value, rules.get("then" if _holds(value, rules["if"]) else "else", True))


def _for(kind: str, check: Callable[[Any, Any], bool], keyword: str) -> Check:
    """Return a check for a keyword that applies only to values of one type."""
    is_concerned = _TYPES[kind]
    return lambda value, rules: not is_concerned(value) or check(value, rules[keyword])


_KEYWORDS: Mapping[str, Check] = {
    "$ref": _ref,
    "type": _type,
    "enum": lambda value, rules: _is_any_of(value, rules["enum"]),
    "const": lambda value, rules: _is_any_of(value, [rules["const"]]),
    "allOf": lambda value, rules: all(_holds(value, each) for each in rules["allOf"]),
    "not": lambda value, rules: not _holds(value, rules["not"]),
    "if": _condition,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _for(
        "object", lambda value, names: all(_holds(key, names) for key in value), "propertyNames"
    ),
    "required": _for("object", lambda value, keys: all(key in value for key in keys), "required"),
    "minProperties": _for("object", lambda value, least: len(value) >= least, "minProperties"),
    "items": _for("array", lambda value, below: all(_holds(item, below) for item in value), "items"),
    "minItems": _for("array", lambda value, least: len(value) >= least, "minItems"),
    "uniqueItems": _unique,
    "pattern": _for("string", lambda value, text: _pattern(text).search(value) is not None, "pattern"),
    "minLength": _for("string", lambda value, least: len(value) >= least, "minLength"),
    "maxLength": _for("string", lambda value, most: len(value) <= most, "maxLength"),
    "minimum": _for("number", lambda value, least: value >= least, "minimum"),
    "maximum": _for("number", lambda value, most: value <= most, "maximum"),
}
ANNOTATIONS = frozenset(("$schema", "$defs", "title", "description", "examples", "default", "errorMessage"))
"""Keywords that do not restrict a value; ``then`` and ``else`` belong to ``if``."""
KEYWORDS = frozenset((*_KEYWORDS, *ANNOTATIONS, "then", "else"))
