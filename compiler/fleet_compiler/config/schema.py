"""A document against the JSON Schema of fleet.yaml; the only module that knows jsonschema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from fleet_compiler.assets import SCHEMAS
from fleet_compiler.config.schema_errors import SchemaProblem, Violation, schema_problems
from fleet_compiler.diagnostics.diagnostic import MAX_FOUND, Diagnostic
from fleet_compiler.document.document import Document, YamlPath


@cache
def schema() -> dict[str, Any]:
    """schema/fleet.schema.json."""
    loaded: dict[str, Any] = json.loads((SCHEMAS / "fleet.schema.json").read_text(encoding="utf-8"))
    return loaded


def check_schema(document: Document) -> list[Diagnostic]:
    """Everything in which the document differs from the schema, in no particular order."""
    return [fault.diagnostic for fault in find_schema_problems(document)]


def find_schema_problems(document: Document) -> list[SchemaProblem]:
    """Each difference once: no missing key beside its misspelling, one fault of each value."""
    every = (fault for found in violations(document.data) for fault in schema_problems(found, document))
    faults = list(islice(every, MAX_FOUND))
    meant = {fault.meant for fault in faults}
    first: dict[YamlPath, SchemaProblem] = {}
    kept = []
    for fault in sorted(faults, key=lambda fault: (fault.diagnostic.code, fault.diagnostic.help or "")):
        if fault.missing is not None:
            kept += [fault] if (*fault.path, fault.missing) not in meant else []
        elif first.setdefault(fault.path, fault) is fault:
            kept.append(fault)
    return kept


def violations(data: Any) -> Iterator[Violation]:
    """Where `data` breaks the schema, in an order that may change from run to run."""
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
    """Draft 2020-12, where ``1.0`` is no integer and ``$`` is the end of the text."""
    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator = extend(Draft202012Validator, {"pattern": _pattern}, type_checker=types)  # type: ignore[no-untyped-call]
    return validator(schema())


def _pattern(_: Any, pattern: str, text: Any, __: Mapping[str, Any]) -> Iterator[ValidationError]:
    if isinstance(text, str) and not re.search(re.sub(r"\$\Z", r"\\Z", pattern), text):
        yield ValidationError("does not match")
