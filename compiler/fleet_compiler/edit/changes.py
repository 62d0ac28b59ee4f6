"""The edits of a document, each with its effect on the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from fleet_compiler.diagnostics.finding import YamlPath


@dataclass(frozen=True, slots=True)
class SetValue:
    """Replace the scalar at `path`; `value` is a text, or a small mapping of texts and lists of texts."""

    path: YamlPath
    value: Any


@dataclass(frozen=True, slots=True)
class RenameKey:
    """Rename the key of the entry at `path`."""

    path: YamlPath
    key: str


@dataclass(frozen=True, slots=True)
class AddEntry:
    """Append an entry to the mapping at `path`; `value` as of `SetValue`, or a list of texts."""

    path: YamlPath
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class AddItem:
    """Append a text to the list at `path`."""

    path: YamlPath
    value: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the entry or the item at `path`; a collection that loses its last one is left empty."""

    path: YamlPath


Change: TypeAlias = SetValue | RenameKey | AddEntry | AddItem | Delete


def changed_data(data: Any, change: Change, path: YamlPath | None = None) -> Any:
    """Return `data` after `change`; `path` is the position of the change in it, by default the change's
    own."""
    path = change.path if path is None else path
    at_parent = len(path) == 1 and isinstance(change, RenameKey | Delete)
    if path and not at_parent:
        step, rest = path[0], path[1:]
        if isinstance(data, dict):
            return {
                key: changed_data(held, change, rest) if key == step else held for key, held in data.items()
            }
        return [
            changed_data(held, change, rest) if index == step else held for index, held in enumerate(data)
        ]
    match change:
        case SetValue():
            return change.value
        case AddEntry():
            return {**data, change.key: change.value}
        case AddItem():
            return [*data, change.value]
        case RenameKey():
            return {change.key if key == path[0] else key: held for key, held in data.items()}
        case Delete() if isinstance(data, dict):
            return {key: held for key, held in data.items() if key != path[0]}
        case Delete():
            return [held for index, held in enumerate(data) if index != path[0]]


def describe_change(change: Change, written: str) -> str:
    """Return the instruction to make the change by hand; `written` is its value as YAML."""
    match change:
        case SetValue():
            return f"write {written} here"
        case RenameKey():
            return f"write '{change.key}' for this key"
        case AddEntry():
            return f"add '{change.key}: {written}' to this mapping"
        case AddItem():
            return f"add '{written}' to this list"
        case Delete():
            return "delete this entry"
