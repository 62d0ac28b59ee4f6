"""The schemas of fleet.lock and of the generated files, made from their models.

``python -m docs.generate.schemas`` writes them to schema/; fleet.yaml's own is written by hand.

The string under a field in a model's source becomes its description. It is read from the source here rather
than by pydantic (``use_attribute_docstrings``), which would cost every command 15 ms.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from docs.generate.schema_examples import EXAMPLES
from fleet_compiler.assets import SCHEMAS
from fleet_compiler.lock import model as lock_model
from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts import contract
from fleet_runtime.artifacts.contract import Artifact, GatewayConfig, Manifest, RoutingTable

GENERATED: dict[str, type[Artifact]] = {
    "lock": Lock,
    "gateway": GatewayConfig,
    "routing": RoutingTable,
    "manifest": Manifest,
}

SOURCES = (contract, lock_model)
"""The modules that hold the models, each after those that its models derive from."""
MODELS: dict[str, type[Artifact]] = {
    name: model
    for source in SOURCES
    for name, model in vars(source).items()
    if isinstance(model, type) and issubclass(model, Artifact)
}


def contract_schema(name: str) -> str:
    """The text of ``schema/<name>.schema.json``."""
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= GENERATED[name].model_json_schema(by_alias=True)
    descriptions, examples = field_descriptions(), field_examples(EXAMPLES)
    for title, part in {schema["title"]: schema, **schema.get("$defs", {})}.items():
        for field, info in MODELS[title].model_fields.items():
            key = info.alias or field
            part["properties"][key] |= {
                "description": descriptions[title][field],
                "examples": examples[title, key],
            }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def field_descriptions() -> dict[str, dict[str, str]]:
    """Return the string under each field of the models, by class and field; a class has its base's too."""
    found: dict[str, dict[str, str]] = {}
    for source in SOURCES:
        for node in ast.parse(inspect.getsource(source)).body:
            if isinstance(node, ast.ClassDef):
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                inherited = {field: text for base in bases for field, text in found.get(base, {}).items()}
                found[node.name] = inherited | dict(_described(node.body))
    return found


def _described(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, below in pairwise(body):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                yield field, " ".join(text.split())


def field_examples(artifacts: Iterable[Artifact]) -> Mapping[tuple[str, str], list[Any]]:
    """What is set in `artifacts` and in their parts, by class and key: JSON data, each value once."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for artifact in _with_parts(artifacts):
        data = artifact.model_dump(mode="json", by_alias=True, exclude_unset=True)
        for key, value in data.items():
            known = found[type(artifact).__name__, key]
            if value not in known:
                known.append(value)
    return found


def _with_parts(value: object) -> Iterator[Artifact]:
    match value:
        case Artifact():
            yield value
            yield from _with_parts([getattr(value, field) for field in type(value).model_fields])
        case dict():
            yield from _with_parts(list(value.values()))
        case list() | tuple():
            for part in value:
                yield from _with_parts(part)


if __name__ == "__main__":
    for name in GENERATED:
        (SCHEMAS / f"{name}.schema.json").write_text(contract_schema(name), encoding="utf-8")
