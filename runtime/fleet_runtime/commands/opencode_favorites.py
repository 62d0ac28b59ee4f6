"""opencode's own favorites: ``model.json`` in its state folder.

The file belongs to opencode's TUI, which reads it when it starts and writes it again with every change:
``{"recent": [], "favorite": [{"providerID", "modelID"}], "variant": {}}``. Other members and existing
favorites are not changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fleet_runtime.files import replace_file
from fleet_runtime.opencode_files import OpencodeFileError, read_object
from fleet_runtime.text import escape_json


def read_model_file(path: Path) -> dict[str, Any]:
    """Return the file's content, empty if there is no file; raises `OpencodeFileError`."""
    try:
        content = read_object(path)
    except FileNotFoundError:
        return {}
    if not isinstance(content.get("favorite", []), list):
        raise OpencodeFileError(path, "is not opencode's favorites file")
    return content


def favorite_ids(content: Mapping[str, Any]) -> list[str]:
    """Return the favorites as composite ids, in opencode's order; opencode's provider names are fleet's."""
    pairs = (entry for entry in content.get("favorite", []) if isinstance(entry, dict))
    named = ((entry.get("providerID"), entry.get("modelID")) for entry in pairs)
    return [f"{provider}/{model}" for provider, model in named if _is_name(provider) and _is_name(model)]


def with_favorites(content: Mapping[str, Any], ids: Iterable[str]) -> dict[str, Any]:
    """Return the content with the missing `ids` appended to its favorites."""
    present = set(favorite_ids(content))
    pairs = (id.partition("/") for id in dict.fromkeys(ids) if id not in present)
    added = [{"providerID": provider, "modelID": model} for provider, _, model in pairs]
    return {"recent": [], "variant": {}, **content, "favorite": [*content.get("favorite", []), *added]}


def write_model_file(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file by the content in one step; raises `OpencodeFileError`."""
    text = escape_json(json.dumps(content, indent=2, ensure_ascii=False))
    try:
        Path(os.path.realpath(path)).parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=0o600)
    except OSError as error:
        raise OpencodeFileError(path, f"cannot be written: {error.strerror}") from None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)
