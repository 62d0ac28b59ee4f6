"""The locations of opencode's files (1.18) on this computer, and reading them.

Its configuration is merged, each file over the one before: ``config.json``, ``opencode.json`` and
``opencode.jsonc`` of its folder below ``$XDG_CONFIG_HOME`` (by default ``~/.config``), then the file in
``$OPENCODE_CONFIG``. Files of single projects, which come last, are not read here. The favorites of its TUI
are in ``model.json`` below ``$XDG_STATE_HOME`` (packages/opencode/src/cli/cmd/tui/context/local.tsx).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet_runtime.files import MAX_ARTIFACT, UnreadableFileError, read_text
from fleet_runtime.user_folders import NoHomeError, folder_of_others

CONFIG_SCHEMA = "https://opencode.ai/config.json"
CONFIG_NAMES = ("config.json", "opencode.json", "opencode.jsonc")

_TEXT = r'"(?:\\.|[^"\\])*"'
_COMMENT = re.compile(rf"({_TEXT})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"({_TEXT})|,(?=\s*[}}\]])", re.DOTALL)


class OpencodeFileError(Exception):
    """A file has another format than opencode's, or cannot be read or written; `reason` follows its name."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"'{path}' {reason}")
        self.reason = reason


def config_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files of opencode's configuration that exist, the later over the earlier."""
    with suppress(NoHomeError):
        folder = folder_of_others(environ, "XDG_CONFIG_HOME", ".config") / "opencode"
        yield from (folder / name for name in CONFIG_NAMES if (folder / name).is_file())
    if environ.get("OPENCODE_CONFIG"):
        yield Path(environ["OPENCODE_CONFIG"])


def model_file(environ: Mapping[str, str]) -> Path:
    """Return the path of opencode's favorites; raises `NoHomeError`."""
    return folder_of_others(environ, "XDG_STATE_HOME", ".local/state") / "opencode" / "model.json"


def read_object(path: Path) -> dict[str, Any]:
    """Return the content of a file, which may have comments and trailing commas.

    Raises `OpencodeFileError`, and FileNotFoundError.
    """
    try:
        content = parse_relaxed(read_text(path, MAX_ARTIFACT))
    except FileNotFoundError:
        raise
    except UnreadableFileError as error:
        raise OpencodeFileError(path, str(error.strerror)) from None
    except OSError as error:
        raise OpencodeFileError(path, f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise OpencodeFileError(path, f"is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise OpencodeFileError(path, "is not a JSON object")
    return content


def parse_relaxed(text: str) -> Any:
    """Parse JSON that may have comments and trailing commas; raises ValueError."""
    return json.loads(_TRAILING_COMMA.sub(r"\1", _COMMENT.sub(r"\1", text)))
