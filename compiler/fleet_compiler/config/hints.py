"""Remedies for values of the wrong form or type: the `help` of schema errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fleet_compiler.config.secret_spans import SETTINGS
from fleet_compiler.config.url_hints import url_remedy
from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.diagnostics.text import as_name
from fleet_compiler.document.foreign import comment_remedy, ungrouped
from fleet_compiler.document.syntax_errors import space_remedy
from fleet_runtime.text import quote, shorten

MISSING = {
    "mac": "add the address of its network card, like `mac: aa:bb:cc:dd:ee:ff`, or `command: FILE`",
    "version": "add 'version: 1'",
    "default_provider": "add it, with the name of the provider that bare model ids belong to",
    "providers": "add it, with at least one 'name: http://host:port'",
    "url": "add 'url: http://host:port'",
    "kind": "add 'kind' with a kind of client, like 'kind: opencode'",
    "env": "add 'env' with the name of an environment variable, or 'file' with a path",
    "user": "add 'user' with the name to log in with",
    "password": "add it, as {env: NAME} with an environment variable, or {file: PATH}",
    "template": "add 'template' with a file below the folder of fleet.yaml, like templates/hosts.j2",
    "path": "add 'path' with the file to write below generated/, like hosts.txt",
    "postgres": "write 'state: {postgres: {env: FLEET_STATE_URL}}', or the path of a file",
}
"""Remedies for missing required keys."""

_REQUIRED: dict[str, str] = {
    "version": "write 'version: 1'",
    "default_provider": "write the name of the provider that bare model ids belong to",
    "providers": "write at least one 'name: http://host:port' below it, indented",
}
_YES_NO = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}
_DURATION = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,3})?) ?(?P<unit>ms|s|sec|m|min|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_VARIABLE = re.compile(r"\$\{|\$[A-Za-z_]|\{env:|\{\{|%[A-Za-z_]+%")
_PLAIN = re.compile(r"(?!https?$)[A-Za-z0-9_/][\w./:-]*(?<!:)(?: [\w./-]+)*")


def for_type(wanted: list[str], value: Any, path: YamlPath, schema: Mapping[str, Any], data: Any) -> str:
    """Return the remedy for a value of none of the JSON types `wanted`, an empty text if there is none."""
    if value is None:
        return _for_nothing(path, data)
    if isinstance(value, str) and "object" in wanted and (remedy := space_remedy(value)):
        return remedy
    if not path:
        return "start with 'version: 1', 'default_provider' and 'providers'"
    if "integer" in wanted and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if isinstance(value, str) and (remedy := comment_remedy(value)):
        return remedy
    if "integer" in wanted and isinstance(value, str) and (number := ungrouped(value)):
        return f"write {number}"
    if "integer" in wanted and isinstance(value, str) and re.fullmatch("[0-9]+", value):
        return f"write {value} without quotes"
    if "number" in wanted and isinstance(value, str) and (seconds := _seconds(value, schema)):
        return f"write {seconds}: a number of seconds, without a unit"
    if "errorMessage" in schema:
        return str(schema["errorMessage"])
    if wanted == ["boolean"] and isinstance(value, str) and value.lower() in ("true", "false"):
        return f"write {value.lower()} without quotes"
    if wanted == ["boolean"] and isinstance(value, str) and value.lower() in _YES_NO:
        return f"in YAML 1.2 '{value}' is text; write {str(_YES_NO[value.lower()]).lower()}"
    if wanted == ["string"] and isinstance(value, int | float) and not isinstance(value, bool):
        return "put it in quotes to make it text"
    if wanted == ["array"] and isinstance(value, str):
        return f"put it in brackets: [{shorten(value)}]"
    if wanted == ["boolean"]:
        return "write true or false"
    return _like(value, wanted, schema.get("examples"))


def for_form(value: Any, schema: Mapping[str, Any], is_key: bool) -> str | None:
    """Return the remedy for a text that does not have the required form."""
    usual: str | None = schema.get("errorMessage")
    if not isinstance(value, str):
        return usual
    if is_key:
        return _for_name(value, schema, usual)
    if _VARIABLE.search(value) and schema.get("title") != "name of an environment variable":
        return "variables are not expanded: write the value itself"
    if schema.get("title") == "URL" and re.match(r"[\w.-]+:https?://", value):
        return space_remedy(value) or usual
    if remedy := comment_remedy(value):
        return remedy
    if schema.get("title") in ("URL", "address", "host name", "origin"):
        return url_remedy(value, schema["title"]) or usual
    return usual


def for_pasted(key: str) -> str | None:
    """Return the remedy for a key that was pasted with the sign of a diff or a JSON comment."""
    return "delete the '+' that a diff put before it" if re.match(r"\+\s*\S", key) else comment_remedy(key)


def for_outdented(path: YamlPath, data: Any) -> str | None:
    """Return the remedy for a key of a provider or surface with too little indentation."""
    if not _outdented(path, data):
        return None
    siblings = list(data[path[0]])
    above = [name for name in siblings[: siblings.index(path[1])] if not _outdented((path[0], name), data)]
    return f"indent it more than {quote(above[-1])}, to which it belongs" if above else None


def _for_name(name: str, schema: Mapping[str, Any], usual: str | None) -> str | None:
    if pasted := for_pasted(name):
        return pasted
    near, pattern = as_name(name), schema.get("pattern")
    if pattern and near != name and re.search(pattern, near):
        return f"write '{near}'; {usual}" if usual else f"write '{near}'"
    return usual


def _for_nothing(path: YamlPath, data: Any) -> str:
    match path:
        case (str(key),) if key in _REQUIRED:
            return _REQUIRED[key]
        case ("providers", str(name)):
            if below := _next_outdented(path, data):
                return f"indent '{below}' more than {quote(name)}, and so whatever belongs to it"
            return "write its URL after the colon, or delete the key"
        case (*_, "url"):
            return "write http://host:port"
        case _:
            return "write a value, or delete the key"


def _next_outdented(path: YamlPath, data: Any) -> str | None:
    """Return the key after the one at `path` if it should be indented below it."""
    siblings = list(data[path[0]])
    following = siblings[siblings.index(path[1]) + 1 :][:1]
    return following[0] if following and _outdented((path[0], following[0]), data) else None


def _outdented(path: YamlPath, data: Any) -> bool:
    """Return whether the name of a provider or surface is a setting that belongs below another, empty one.

    A surface may be empty, so next to one, only entries that cannot be surfaces count.
    """
    if len(path) != 2 or path[0] not in SETTINGS:
        return False
    keys, written = SETTINGS[path[0]], data[path[0]]
    if path[1] not in keys or (path[0] == "surfaces" and isinstance(written[path[1]], dict)):
        return False
    return any(written[name] is None for name in written if name not in keys)


def _seconds(text: str, schema: Mapping[str, Any]) -> str | None:
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or "econds" not in schema.get("description", ""):
        return None
    return f"{float(match['number']) * _SECONDS[match['unit']]:g}"


def _like(value: Any, wanted: list[str], examples: Any) -> str:
    """Return an example in YAML; if a list was written instead of a mapping, return one entry."""
    if not examples:
        return ""
    if isinstance(value, list) and wanted == ["object"]:
        name, entry = next(iter(examples[0].items()))
        return f"write 'name: value' entries without '- ', like '{_yaml(name)}: {_yaml(entry)}'"
    return f"like {_yaml(examples[0])}"


def _yaml(value: Any) -> str:
    """Return a value as one line of YAML."""
    if isinstance(value, dict):
        pairs = [f"{_yaml(key)}: {_yaml(each)}" for key, each in value.items()]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
