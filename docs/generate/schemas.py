"""Every JSON Schema of the repository; ``python -m docs.generate.schemas`` writes them to schema/.

Those of fleet.lock and of the generated files are pydantic's schemas of the contract, with a description and
examples for each key; ``fleet_schema`` makes that of fleet.yaml.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from docs.generate.field_texts import field_descriptions
from docs.generate.fleet_schema import fleet_schema
from docs.generate.schema_examples import EXAMPLES
from fleet_compiler.assets import SCHEMAS
from fleet_compiler.lock import model as lock_model
from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts import contract, gateway_parts
from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.contract import GatewayConfig, Manifest, RoutingTable

GENERATED: dict[str, type[Artifact]] = {
    "lock": Lock,
    "gateway": GatewayConfig,
    "routing": RoutingTable,
    "manifest": Manifest,
}

MODELS: dict[str, type[Artifact]] = {
    name: model
    for source in (contract, gateway_parts, lock_model)
    for name, model in vars(source).items()
    if isinstance(model, type) and issubclass(model, Artifact)
}


def contract_schema(name: str) -> str:
    """Return the text of ``schema/<name>.schema.json``.

    An example of a key is the one that its field declares, or, where that is only valid in fleet.yaml, what
    the examples of complete files hold.
    """
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= GENERATED[name].model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    in_files = field_examples(EXAMPLES)
    for title, part in {schema["title"]: schema, **definitions}.items():
        model: type[Artifact] = MODELS[title]
        descriptions = field_descriptions(model)
        for field, info in model.model_fields.items():
            key = info.alias or field
            declared = part["properties"][key].pop("examples", [])
            validator = Draft202012Validator({"$defs": definitions, **part["properties"][key]})
            valid = [example for example in declared if validator.is_valid(example)]
            part["properties"][key] |= {
                "description": descriptions[field],
                "examples": valid or in_files[title, key],
            }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


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


def written_schemas() -> dict[str, str]:
    """Return the text of every schema by the name of its file."""
    made = {f"{name}.schema.json": contract_schema(name) for name in GENERATED}
    return {"fleet.schema.json": fleet_schema(), **made}


if __name__ == "__main__":
    for file, text in written_schemas().items():
        (SCHEMAS / file).write_text(text, encoding="utf-8")
