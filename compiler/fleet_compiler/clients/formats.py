"""Parsers for the formats of client configurations, to check rendered templates."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from typing import Any

from fleet_compiler.clients.client_kind import Launch
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document.parse import load_document

parse_toml = tomllib.loads

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def parse_yaml(text: str) -> Any:
    """Return the plain data of a YAML text; raises ValueError."""
    try:
        return load_document(Source("configuration", text)).data
    except ConfigError as error:
        raise ValueError(str(error)) from None


def env_value(text: str) -> str | None:
    """Return how a text is written in ``NAME=VALUE`` lines, None if no notation suits every reader.

    These read the lines: POSIX shells, python-dotenv (1.2), docker compose (compose-go 2.16), and dotenv for
    Node (17), also with dotenv-expand. python-dotenv replaces ``${X}`` even between single quotes, where it
    also reads two backslashes as one; dotenv-expand replaces ``$X`` everywhere; only shells join parts with
    different quotes.
    """
    if "$" in text:
        return None
    if shlex.quote(text) == text:
        return text
    if "'" not in text:
        return None if "\\\\" in text or text.endswith("\\") else f"'{text}'"
    return None if any(mark in text for mark in '"\\`') else f'"{text}"'


def env_holds(id: str) -> bool:
    return env_value(id) is not None


def env_quoted(text: str) -> str:
    """Return an address as it is written in such lines."""
    return env_value(text) or shlex.quote(text)


def parse_env(text: str) -> dict[str, str]:
    """Return the variables of ``NAME=VALUE`` lines; raises ValueError for anything else."""
    variables = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = _VARIABLE.fullmatch(line)
            words = shlex.split(match[2]) if match is not None else []
            if match is None or len(words) != 1:
                raise ValueError(f"'{line}' is not a variable")
            variables[match[1]] = words[0]
    return variables


def env_launch(content: bytes, url: str) -> Launch:
    """Return a launch with the variables of such a file; `url` is the variable of the address."""
    variables = parse_env(content.decode())
    references = {
        name: match[1] for name, value in variables.items() if (match := _REFERENCE.fullmatch(value))
    }
    return Launch(
        {name: value for name, value in variables.items() if name not in references},
        references=references,
        keys=tuple(sorted(set(references.values()))),
        urls=(variables[url],),
    )


def toml_value(value: Any) -> str:
    """Return texts, numbers, booleans, lists and mappings as one TOML value on one line."""
    match value:
        case dict():
            pairs = (f"{toml_value(key)} = {toml_value(held)}" for key, held in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(toml_value, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
