"""Every setting with its effective value and source, for ``fleet config``. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.diagnostic import Span
from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.document.document import Document

SettingSource: TypeAlias = Literal["file", "default", "derived"]

DERIVED_FROM = {
    "label": "the name",
    "api_base": "url",
    "url": "api_base",
    "legacy": "client",
    "context_source": "context",
    "gateway.url": "listen",
}
"""The origins of settings without a fixed default."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in effect, as plain data. `span` is its position in fleet.yaml, `origin` what it is derived
    from."""

    path: tuple[str, ...]
    value: Any
    source: SettingSource
    span: Span | None = None
    origin: str | None = None

    @property
    def name(self) -> str:
        """Return the path in dotted notation."""
        return ".".join(self.path)


def effective_settings(fleet: FleetConfig, document: Document) -> Iterator[Setting]:
    """Yield every setting of `fleet`, which was read from `document`, in the order of the keys' reference."""
    yield from _of_model(fleet, (), document)


def _of_model(model: BaseModel, path: tuple[str, ...], document: Document) -> Iterator[Setting]:
    for field, info in type(model).model_fields.items():
        value = getattr(model, field)
        is_default = not info.is_required() and value == info.get_default(call_default_factory=True)
        yield from _of_value(value, (*path, info.alias or field), document, is_default=is_default)


def _of_value(
    value: Any, path: tuple[str, ...], document: Document, *, is_default: bool
) -> Iterator[Setting]:
    if isinstance(value, BaseModel):
        yield from _of_model(value, path, document)
    elif isinstance(value, dict) and value:
        for key, held in value.items():
            yield from _of_value(held, (*path, key), document, is_default=False)
    else:
        yield _setting(value, path, document, is_default)


def _setting(value: Any, path: tuple[str, ...], document: Document, is_default: bool) -> Setting:
    plain = int(value) if isinstance(value, float) and value.is_integer() else to_jsonable_python(value)
    place = _place(document, path)
    if place is not None:
        return Setting(path, plain, "file", document.span(place))
    if is_default:
        return Setting(path, plain, "default")
    origin = DERIVED_FROM.get(".".join(path[-2:])) or DERIVED_FROM.get(path[-1])
    return Setting(path, plain, "derived", origin=origin)


def _place(document: Document, path: tuple[str, ...]) -> YamlPath | None:
    """Return the path in `document` of the setting at `path`, or of the provider or sidecar if that is only a
    URL."""
    data: Any = document.data
    place: YamlPath = ()
    for index, step in enumerate(path):
        if isinstance(data, str) and path[index:] == ("url",):
            return place
        if not isinstance(data, dict) or step not in data:
            return None
        data, place = data[step], (*place, step)
    return place
