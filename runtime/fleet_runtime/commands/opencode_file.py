"""opencode's own favorites: ``model.json`` in its state folder.

The file belongs to opencode's TUI, which reads it when it starts and writes it whole:
``{"recent": [], "favorite": [{"providerID", "modelID"}], "variant": {}}`` (opencode 1.18.33,
packages/opencode/src/cli/cmd/tui/context/local.tsx). What is not a favorite, and every favorite that is
there, stays as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class OpencodeFileError(Exception):
    """The file is not what opencode writes, or cannot be read or written; nothing was changed."""


def model_file(environ: Mapping[str, str]) -> Path:
    """Where opencode keeps it: below ``$XDG_STATE_HOME``, by default ``~/.local/state``."""
    state = environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "opencode" / "model.json"


def read_model_file(path: Path) -> dict[str, Any]:
    """The file's content, empty where there is no file; raises `OpencodeFileError`."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OpencodeFileError(f"'{path}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise OpencodeFileError(f"'{path}' is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("favorite", []), list):
        raise OpencodeFileError(f"'{path}' is not a file of opencode's favorites")
    return content


def favorite_ids(content: Mapping[str, Any]) -> list[str]:
    """The favorites as composite ids, in opencode's order: its provider is our machine."""
    pairs = (entry for entry in content.get("favorite", []) if isinstance(entry, dict))
    named = ((entry.get("providerID"), entry.get("modelID")) for entry in pairs)
    return [f"{provider}/{model}" for provider, model in named if _is_name(provider) and _is_name(model)]


def with_favorites(content: Mapping[str, Any], ids: Iterable[str]) -> dict[str, Any]:
    """The content with those of `ids` that are missing added after the favorites that are there."""
    held = set(favorite_ids(content))
    pairs = (id.partition("/") for id in dict.fromkeys(ids) if id not in held)
    added = [{"providerID": provider, "modelID": model} for provider, _, model in pairs]
    return {"recent": [], "variant": {}, **content, "favorite": [*content.get("favorite", []), *added]}


def write_model_file(path: Path, content: Mapping[str, Any]) -> None:
    """Put the content in the place of the file in one step; raises `OpencodeFileError`."""
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as file:
            try:
                json.dump(content, file, indent=2, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
                if target.exists():
                    shutil.copymode(target, file.name)
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink()
                raise
    except OSError as error:
        raise OpencodeFileError(f"'{path}' cannot be written: {error.strerror}") from None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)
