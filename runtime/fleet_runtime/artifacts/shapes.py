"""The types of values in fleet.yaml and generated/, each with its JSON Schema in fleet.yaml.

A field with one of these types is declared once: the gateway parses it, the schema of fleet.yaml describes it
(docs/generate/fleet_schema.py), and docs/fleet-yaml.md follows from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

SHORTEST = 0.05
"""The shortest duration in seconds; shorter ones would only waste CPU time."""
YEAR = 31_536_000
LARGEST = 2**53 - 1
"""The largest integer that every JSON parser represents exactly (RFC 8259 §6)."""


class Shape(msgspec.Struct, frozen=True, eq=False):
    """The JSON Schema keywords of a value in fleet.yaml; a ``$ref`` refers to a definition there.

    Keywords without a `type`, `enum` or `$ref` are added to those derived from the Python type.
    """

    keywords: Mapping[str, Any]


def reference(definition: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{definition}"}


NOT_EMPTY = Shape({"minItems": 1})

_FILE = {"title": "file name", "type": "string", "minLength": 1, "maxLength": 1024}
_VARIABLE = {
    "title": "name of an environment variable",
    "type": "string",
    "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$",
    "errorMessage": "write the variable's name, not its value: letters, digits and '_', like"
    " DEEPSEEK_API_KEY",
}
_PATH = {
    "title": "path",
    "description": "A path that begins with a slash.",
    "type": "string",
    "pattern": r"^/[^\s\x00-\x1f\x7f?#]*$",
    "errorMessage": "begin with '/', like /v1/chat/completions",
    "maxLength": 512,
    "examples": ["/v1/responses"],
}
_HOST = {
    "title": "host name",
    "description": "A host name or address without a port.",
    "type": "string",
    "pattern": r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\])$",
    "errorMessage": "write the name alone, without scheme and port",
    "examples": ["fleet.local"],
}
_ORIGIN = {
    "title": "origin",
    "description": "Scheme, host and port of a web page.",
    "type": "string",
    "pattern": r"^[a-z][a-z0-9+.-]*://(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\])"
    r"(?::[0-9]{1,5})?$",
    "errorMessage": "write scheme://host, with a port if it is not the default, and no path",
    "examples": ["https://chat.example.com"],
}
_LISTEN = {
    "title": "address",
    "type": "string",
    "pattern": r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$",
    "errorMessage": "write host:port, like 127.0.0.1:8400 or [::1]:8400",
}
_MAC = {
    "title": "MAC address",
    "type": "string",
    "pattern": "^[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}$",
    "errorMessage": "write six pairs of hexadecimal digits, like aa:bb:cc:dd:ee:ff",
}
_IPV4 = {
    "title": "IPv4 address",
    "type": "string",
    "pattern": r"^(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])$",
    "errorMessage": "write an IPv4 address, like 192.168.1.255",
}
_SECONDS = {"type": "number", "minimum": SHORTEST, "maximum": YEAR}
MODELS = {
    "type": ["array", "object"],
    "uniqueItems": True,
    "items": reference("modelId"),
    "propertyNames": reference("modelId"),
    "additionalProperties": reference("model"),
}
SECRET = reference("secret")
HEADERS = {
    "type": "object",
    "default": {},
    "propertyNames": reference("headerName"),
    "additionalProperties": SECRET,
}
KEYS = {
    "type": "object",
    "default": {},
    "propertyNames": reference("keyName"),
    "additionalProperties": reference("key"),
}
SIDECAR = {
    "type": ["string", "object"],
    "if": {"type": "string"},
    "then": reference("url"),
    "else": reference("sidecarMapping"),
}

STATE = {
    "type": ["string", "object"],
    "if": {"type": "string"},
    "then": reference("statePath"),
    "else": reference("stateDatabase"),
}

Tokens = Annotated[int, Field(gt=0, le=LARGEST), Shape(reference("tokens"))]
Seconds = Annotated[float, Field(ge=SHORTEST), Shape(_SECONDS)]
Grace = Annotated[float, Field(ge=0), Shape({"type": "number", "minimum": 0, "maximum": YEAR})]
Drain = Annotated[float, Field(ge=0), Shape({"type": "number", "minimum": 0, "maximum": 86400})]
PollSeconds = Annotated[
    Seconds | Literal[False],
    Shape(
        {"type": ["number", "boolean"], "minimum": SHORTEST, "maximum": YEAR, "not": {"const": True}}
        | {"errorMessage": "write a number of seconds, or false"}
    ),
]
Concurrency = Annotated[int, Field(gt=0), Shape({"type": "integer", "minimum": 1, "maximum": 100_000})]
Captured = Annotated[int, Field(gt=0, le=1000), Shape({"type": "integer", "minimum": 1, "maximum": 1000})]
UserName = Annotated[
    str, Shape({"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[^:\x00-\x1f\x7f]+$"})
]
MacAddress = Annotated[str, Field(pattern=_MAC["pattern"]), Shape(_MAC)]
Ipv4Address = Annotated[str, Shape(_IPV4)]
Port = Annotated[int, Field(gt=0, le=65535), Shape({"type": "integer", "minimum": 1, "maximum": 65535})]
Bytes = Annotated[int, Field(gt=0), Shape(reference("size"))]
Label = Annotated[str, Shape({"type": "string", "minLength": 1, "maxLength": 128})]
ModelName = Annotated[str, Shape({"type": "string", "minLength": 1, "maxLength": 256})]
Url = Annotated[str, Shape(reference("url"))]
Variable = Annotated[str, Shape(_VARIABLE)]
FileName = Annotated[str, Shape(_FILE)]
StatePath = Annotated[str, Shape(reference("statePath"))]
Listen = Annotated[str, Shape(_LISTEN)]
Glob = Annotated[str, Shape(reference("glob"))]
FormerName = Annotated[str, Shape(reference("formerName"))]
UrlPath = Annotated[str, Shape(_PATH)]
Host = Annotated[str, Shape(_HOST)]
Origin = Annotated[str, Shape(_ORIGIN)]
SurfaceReference = Annotated[
    str,
    Shape({"description": "A surface's name.", "type": "string", "minLength": 1, "examples": ["opencode"]}),
]
