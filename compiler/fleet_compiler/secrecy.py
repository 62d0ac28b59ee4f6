"""Which parts of a document may hold a key that nobody is to see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fleet_compiler.diagnostics import Span
from fleet_compiler.document import Document, Path

LITERAL_KEYS = frozenset(
    {"api_key", "apikey", "key", "token", "api_token", "secret", "password", "authorization", "value"}
)
"""Names, lower-case and with ``_``, under which people write a key itself."""

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def secret_spans(document: Document) -> tuple[Span, ...]:
    """The places of all literal keys, and of what stands where a reference to a key is expected and is none."""
    return tuple(span for path in _secrets(document.data, ()) for span in document.spans(path))


def _secrets(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _secrets(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _secrets(below, (*path, index))
    elif _is_secret(path, value):
        yield path


def _is_secret(path: Path, value: Any) -> bool:
    names = [step.lower().replace("-", "_") for step in path if isinstance(step, str)]
    match names:
        case ["surfaces", _, "key"]:
            return False
        case ["gateway", "keys", _, "file"] | ["gateway", "keys", _, "surfaces"]:
            return False
        case [*_, "api_key_env"] | ["gateway", "keys", _, "env"]:
            return not (isinstance(value, str) and _ENVIRONMENT_NAME.match(value))
        case ["gateway", "keys", *_]:
            return True
        case _:
            return bool(names) and names[-1] in LITERAL_KEYS
