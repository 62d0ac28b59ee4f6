"""Which parts of a document may hold a key that nobody is to see."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Any

from fleet_compiler.diagnostics.diagnostic import Span
from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.document.document import Document

LITERAL_KEYS = frozenset(
    {"api_key", "apikey", "key", "token", "api_token", "secret", "password", "authorization", "value"}
)
"""Names, lower-case and with ``_``, under which people write a key itself."""

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def secret_spans(document: Document) -> tuple[Span, ...]:
    """The places of literal keys, and of what stands where a reference to a key belongs and is none."""
    known = _key_names(document.data)
    return tuple(
        span
        for path, value in _leaves(document.data, ())
        if is_secret(path, value, known)
        for span in document.spans(path)
    )


def _key_names(data: Any) -> Container[str]:
    """What gateway.keys calls the keys."""
    gateway = data.get("gateway") if isinstance(data, dict) else None
    keys = gateway.get("keys") if isinstance(gateway, dict) else None
    return keys if isinstance(keys, dict) else ()


def _leaves(value: Any, path: YamlPath) -> Iterator[tuple[YamlPath, Any]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _leaves(below, (*path, index))
    elif value is not None:
        yield path, value


def is_secret(path: YamlPath, value: Any, known: Container[str] = ()) -> bool:
    """Whether what stands at `path` may be a key; `known` are the names of the gateway's keys."""
    names = [step.lower().replace("-", "_") for step in path if isinstance(step, str)]
    match names:
        case ["surfaces", _, "key"]:
            return value not in known
        case [*_, "api_key_env" | "env"]:
            return not (isinstance(value, str) and _ENVIRONMENT_NAME.match(value))
        case [*_, "file" | "surfaces" | "api_key_file"]:
            return False
        case _:
            return "keys" in names or (bool(names) and names[-1] in LITERAL_KEYS)
