"""Find violations of the JSON Schema of fleet.yaml. Only this module imports jsonschema, and only for a
document that is not certainly valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from fleet_compiler.config.schema import schema
from fleet_compiler.config.schema_errors import SchemaProblem, Violation, schema_problems
from fleet_compiler.config.validity import pattern_of
from fleet_compiler.diagnostics.diagnostic import MAX_FOUND
from fleet_compiler.diagnostics.finding import Finding, YamlPath


def find_schema_problems(data: Any) -> list[Finding]:
    """Return all violations of the schema, in no particular order.

    Each mistake is reported once: a misspelt key is not also a missing one, and each value has one problem.
    """
    every = (problem for found in violations(data) for problem in schema_problems(found, data))
    problems = list(islice(every, MAX_FOUND))
    meant = {problem.meant for problem in problems}
    first: dict[YamlPath, SchemaProblem] = {}
    kept = []
    for problem in sorted(problems, key=lambda each: (each.finding.code, each.finding.help or "")):
        path = problem.finding.path
        if problem.missing is not None:
            kept += [problem.finding] if (*path, problem.missing) not in meant else []
        elif first.setdefault(path, problem) is problem:
            kept.append(problem.finding)
    return kept


def violations(data: Any) -> Iterator[Violation]:
    """Yield the schema violations of `data`, in an order that may differ between runs."""
    for error in _validator().iter_errors(data):
        yield Violation(
            keyword=str(error.validator),
            expected=error.validator_value,
            value=error.instance,
            path=tuple(error.absolute_path),
            schema=error.schema,
            is_key="propertyNames" in error.absolute_schema_path,
        )


@cache
def _validator() -> Any:
    """Return a validator of draft 2020-12, except that ``1.0`` is not an integer and ``$`` matches only at
    the end of the text."""
    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator = extend(Draft202012Validator, {"pattern": _pattern}, type_checker=types)  # type: ignore[no-untyped-call]
    return validator(schema())


def _pattern(_: Any, pattern: str, text: Any, __: Mapping[str, Any]) -> Iterator[ValidationError]:
    if isinstance(text, str) and not pattern_of(pattern).search(text):
        yield ValidationError("does not match")
