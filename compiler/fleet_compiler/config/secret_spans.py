"""Find the parts of a document that may contain a secret, and the names that may always be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from fleet_compiler.config.model import ProviderSettings, SurfaceSettings
from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.diagnostics.key_names import ENVIRONMENTS, is_key_like
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document.document import Document

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_URL = re.compile(r"https?://")


SETTINGS = {
    section: frozenset(field.alias or name for name, field in part.model_fields.items())
    for section, part in (("providers", ProviderSettings), ("surfaces", SurfaceSettings))
}
"""The keys of a provider and of a surface."""


def shown_source(document: Document) -> Source:
    """Return the document's source with the spans of secrets, and the names that reports may show."""
    secrets = [
        span
        for path, value in _leaves(document.data, ())
        if is_secret(path, value, document.data)
        for span in document.spans(path)
    ]
    return replace(document.source, secrets=tuple(secrets), names=frozenset(_provider_names(document.data)))


def is_secret(path: YamlPath, value: Any, data: Any) -> bool:
    """Return whether the value at `path` may be a secret; `data` is that of the complete file."""
    match path, _keys_of(path, value, data):
        case _, []:
            return False
        case ("gateway", "state", *_), _ if isinstance(value, str) and "://" in value:
            return True
        case ("providers", _) | ("providers", _, "url" | "api_base"), _ if _is_login(value):
            return True
        case ("surfaces", _, "key"), _:
            keys = _mapping(_mapping(data, "gateway"), "keys")
            return not (isinstance(value, str) and value in keys)
        case [*_, last], [*_, "api_key_env" | "env"]:
            return not (isinstance(last, str) and isinstance(value, str) and _ENVIRONMENT_NAME.match(value))
        case [*_, int()], ["keys", "file"]:
            return True
        case _, ["keys", "file" | "surfaces"]:
            return False
        case [*_, str()], [*_, "api_key_file"]:
            return False
        case _, keys if "api_key_file" in keys:
            return True
        case _, [*above, last]:
            collections = {key.lower().replace("-", "_") for key in (*above, last)}
            hidden_by = any(is_key_like(key) for key in (*above, last))
            return hidden_by or "keys" in collections or not ENVIRONMENTS.isdisjoint(collections)
    return False


def _is_login(value: Any) -> bool:
    """Return whether a value may be user:password@host, a URL with credentials but without a scheme."""
    return isinstance(value, str) and "@" in value and "://" not in value


def _keys_of(path: YamlPath, value: Any, data: Any) -> list[str]:
    """Return the keys that lead to a value, without names chosen by the author.

    A setting in place of the name of a provider or surface does not count as a chosen name.
    """
    match path:
        case ("roles" | "aliases", _, *rest) | ("surfaces", _, "roles", _, *rest):
            kept = rest
        case ("providers", _, "models", _, *rest):
            kept = rest
        case ("providers" | "surfaces" as section, name, first, *rest) if not SETTINGS[section].isdisjoint(
            _mapping(_mapping(data, section), str(name))
        ):
            kept = [first, *rest]
        case ("providers", _, *rest) if isinstance(value, str) and _URL.match(value):
            kept = rest
        case ("gateway", "keys", _, *rest):
            kept = ["keys", *rest]
        case _:
            kept = list(path)
    return [key for key in kept if isinstance(key, str)]


def _provider_names(data: Any) -> Iterator[str]:
    """Yield every text in place of a provider's name."""
    providers = _mapping(data, "providers")
    yield from (name for name in providers if isinstance(name, str))
    for provider in providers.values():
        yield from _strings(_value(provider, "formerly"))
    yield from _strings([_value(data, "default_provider")])
    for surface in _mapping(data, "surfaces").values():
        yield from _strings(_value(surface, "providers"))


def _value(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None


def _mapping(data: Any, key: str) -> dict[str, Any]:
    value = _value(data, key)
    return value if isinstance(value, dict) else {}


def _strings(values: Any) -> Iterator[str]:
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, str))


def _leaves(value: Any, path: YamlPath) -> Iterator[tuple[YamlPath, Any]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _leaves(below, (*path, index))
    elif value is not None:
        yield path, value
