"""The configuration that opencode reads when it is started here, and the one that was generated for it.

opencode (1.18) merges, each over the one before: ``config.json``, ``opencode.json`` and ``opencode.jsonc`` of
its folder below ``$XDG_CONFIG_HOME`` (by default ``~/.config``), then the file in ``$OPENCODE_CONFIG``. Files
of single projects, which come last, are not looked at. All may hold comments and trailing commas.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fleet_runtime.artifacts.contract import Manifest
from fleet_runtime.doctor.local_checks import OpencodeSetup

SCHEMA = "https://opencode.ai/config.json"
NAMES = ("config.json", "opencode.json", "opencode.jsonc")

_REFERENCE = re.compile(r"\{env:([^{}]+)\}")
_TEXT = r'"(?:\\.|[^"\\])*"'
_COMMENT = re.compile(rf"({_TEXT})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"({_TEXT})|,(?=\s*[}}\]])", re.DOTALL)


def inspect_opencode(generated: Path, environ: Mapping[str, str]) -> OpencodeSetup | None:
    """opencode as it is here; None where nothing was generated for it.

    Of several generated files it is the one that ``$OPENCODE_CONFIG`` names, else the first.
    """
    files = dict(_generated_files(generated))
    if not files:
        return None
    named = Path(environ.get("OPENCODE_CONFIG", "")).resolve()
    chosen = next((path for path in files if path.resolve() == named), next(iter(files)))
    providers = files[chosen]["provider"]
    references = {name for name in _REFERENCE.findall(json.dumps(providers)) if not environ.get(name)}
    return OpencodeSetup(
        installed=shutil.which("opencode", path=environ.get("PATH")) is not None,
        generated=os.path.relpath(chosen),
        wanted=providers,
        unset=tuple(sorted(references)),
        read={str(path): _read(path) for path in _files(environ)},
    )


def relaxed(text: str) -> Any:
    """JSON that may hold comments and trailing commas; raises ValueError."""
    return json.loads(_TRAILING_COMMA.sub(r"\1", _COMMENT.sub(r"\1", text)))


def _generated_files(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The files of a build that are opencode's; none where the folder is not whole."""
    try:
        manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
        for name in manifest.files:
            content = json.loads((folder / name).read_bytes())
            if content.get("$schema") == SCHEMA:
                yield folder / name, content
    except (OSError, ValueError):
        return


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    given = environ.get("XDG_CONFIG_HOME")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    folder = (Path(given) if given else home / ".config") / "opencode"
    yield from (folder / name for name in NAMES if (folder / name).is_file())
    if environ.get("OPENCODE_CONFIG"):
        yield Path(environ["OPENCODE_CONFIG"])


def _read(path: Path) -> Mapping[str, Any] | str:
    try:
        content = relaxed(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"is read by opencode, and cannot be read: {error.strerror}"
    except (ValueError, RecursionError) as error:
        return f"is read by opencode, and is not JSON: {error}"
    return content if isinstance(content, dict) else "is read by opencode, and is no configuration"
