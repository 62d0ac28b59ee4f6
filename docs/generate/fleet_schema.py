"""schema/fleet.schema.json, made from the contract, the registry of clients and a frame written by hand.

``fleet.frame.json`` holds what no field declares: names, roles, surfaces, and which keys exclude each other.
In it, ``"properties": "Timeouts"`` means the fields of that class, and a text as an ``enum`` a list of
words. ``python -m docs.generate.schemas`` writes the result.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.generate.field_texts import field_descriptions
from fleet_compiler.clients import CLIENTS, Client
from fleet_compiler.config.model import ProviderSettings
from fleet_runtime.artifacts import contract, gateway_parts, provider_access
from fleet_runtime.artifacts.contract import ProviderClass
from fleet_runtime.artifacts.shapes import Shape, reference

FRAME = Path(__file__).with_name("fleet.frame.json")
MAPPINGS: dict[str, type[BaseModel]] = {
    "ProviderSettings": ProviderSettings,
    **{
        part.__name__: part
        for part in (
            *(provider_access.Sidecar, contract.RoutedModel, contract.Timeouts),
            *(contract.GatewayOptions, contract.KeyReference, contract.PollSettings),
            provider_access.Wake,
            provider_access.SecretReference,
            provider_access.BasicAuth,
            *(gateway_parts.DatabaseState, gateway_parts.DatabaseReference, gateway_parts.CaptureSettings),
        )
    },
}
WORDS = {"CLIENTS": tuple(CLIENTS), "ProviderClass": get_args(ProviderClass)}
FIRST = {
    "ProviderSettings": (
        *("url", "api_base", "label", "kind", "class", "api_key_env", "api_key_file", "sidecar", "models"),
        *("include", "exclude", "unlisted", "formerly"),
    ),
    "RoutedModel": ("name", "context", "output", "tools", "reasoning"),
}
"""What people read first; all other keys follow as they are declared."""
NEVER_WRITTEN = {"RoutedModel": ("context_source", "aliases")}
_UNITS = (("GB", 1000**3), ("MB", 1000**2), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024), ("KB", 1000))


def fleet_schema() -> str:
    """Return the text of ``schema/fleet.schema.json``."""
    frame = json.loads(FRAME.read_text(encoding="utf-8"))
    schema = _filled(frame, frame["$defs"])
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _filled(part: Any, definitions: dict[str, Any]) -> Any:
    match part:
        case dict():
            filled = {key: _filled(below, definitions) for key, below in part.items()}
            if isinstance(name := part.get("properties"), str):
                filled["properties"] = dict(_properties(MAPPINGS[name], definitions))
            if isinstance(words := part.get("enum"), str):
                filled["enum"] = list(WORDS[words])
            if part.get("allOf") == "CLIENTS":
                filled["allOf"] = [_options(client, definitions) for client in CLIENTS.values()]
            return filled
        case list():
            return [_filled(below, definitions) for below in part]
        case _:
            return part


def _options(client: Client, definitions: dict[str, Any]) -> dict[str, Any]:
    """The keys of a mapping of one kind of client."""
    place = "folder" if client.has_folder else "file"
    options = dict(_properties(client.options, definitions))
    return {
        "if": {"properties": {"kind": {"const": client.name}}, "required": ["kind"]},
        "then": {"additionalProperties": False, "properties": {"kind": True, place: True, **options}},
    }


def _properties(model: type[BaseModel], definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key of fleet.yaml that the fields of `model` declare, with its schema."""
    fields = {field.alias or name: name for name, field in model.model_fields.items()}
    first = FIRST.get(model.__name__, ())
    texts = field_descriptions(model)
    for key in (*first, *(key for key in fields if key not in first)):
        if key not in NEVER_WRITTEN.get(model.__name__, ()):
            field = model.model_fields[fields[key]]
            yield key, _property(field, texts[fields[key]], definitions)


def _property(field: FieldInfo, description: str, definitions: dict[str, Any]) -> dict[str, Any]:
    shape = _shape(field.annotation, tuple(field.metadata))
    last: dict[str, Any] = {key: shape.pop(key) for key in ("properties", "$ref") if key in shape}
    title = {"title": shape.pop("title")} if "title" in shape else {}
    part = title | {"description": description} | shape
    default = _default(field, last)
    defined = definitions.get(last.get("$ref", "").rpartition("/")[2], {})
    if default is not None and defined.get("default") != default:
        part["default"] = default
    if field.examples:
        part["examples"] = field.examples
    return part | last


def _shape(kind: Any, metadata: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The keywords for a Python type with the metadata of its ``Annotated``."""
    if get_origin(kind) is Annotated:
        kind, *inner = get_args(kind)
        return _shape(kind, (*inner, *metadata))
    written = [part.keywords for part in metadata if isinstance(part, Shape)]
    for keywords in reversed(written):
        if keywords.keys() & {"type", "enum", "$ref"}:
            return dict(keywords)
    shape = _plain(kind)
    for keywords in written:
        shape.update(keywords)
    return shape


def _plain(kind: Any) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        (some,) = (part for part in arguments if part is not types.NoneType)
        return _shape(some)
    if origin is tuple:
        return {"type": "array", "items": _shape(arguments[0]), "uniqueItems": True}
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {"type": "object", "additionalProperties": False, "properties": dict(_properties(kind, {}))}
    assert kind is bool, f"say with a Shape how fleet.yaml writes {kind}"
    return {"type": "boolean"}


def _default(field: FieldInfo, part: dict[str, Any]) -> Any:
    """The default as fleet.yaml writes it; None for a key that has none."""
    if field.is_required():
        return None
    match field.default:
        case BaseModel():
            return {}
        case tuple():
            return list(field.default)
        case int() if part.get("$ref") == reference("size")["$ref"]:
            unit, factor = next(unit for unit in _UNITS if field.default % unit[1] == 0)
            return f"{field.default // factor}{unit}"
        case default:
            return default
