"""Compare the configuration that opencode reads here with the generated one."""

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
from fleet_runtime.files import MAX_ARTIFACT, read_file
from fleet_runtime.opencode_files import CONFIG_SCHEMA, OpencodeFileError, config_files, read_object

_REFERENCE = re.compile(r"\{env:([^{}]+)\}")


def inspect_opencode(generated: Path, environ: Mapping[str, str]) -> OpencodeSetup | None:
    """Return opencode's setup on this computer; None if nothing was generated for it.

    Of several generated files it is the one that ``$OPENCODE_CONFIG`` names, else the first.
    """
    files = dict(_generated_files(generated))
    if not files:
        return None
    named = os.path.realpath(environ.get("OPENCODE_CONFIG", ""))
    chosen = next((path for path in files if os.path.realpath(path) == named), next(iter(files)))
    providers = files[chosen]["provider"]
    references = {name for name in _REFERENCE.findall(json.dumps(providers)) if not environ.get(name)}
    return OpencodeSetup(
        installed=shutil.which("opencode", path=environ.get("PATH")) is not None,
        generated=os.path.relpath(chosen),
        wanted=providers,
        unset=tuple(sorted(references)),
        read={str(path): _read(path) for path in config_files(environ)},
    )


def _generated_files(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the files of a build that are opencode's; none if the folder is incomplete."""
    try:
        manifest = Manifest.model_validate_json(read_file(folder / "manifest.json", MAX_ARTIFACT))
        for name in manifest.files:
            content = json.loads(read_file(folder / name, MAX_ARTIFACT))
            if _is_opencode(content):
                yield folder / name, content
    except (OSError, ValueError, RecursionError):
        return


def _is_opencode(content: object) -> bool:
    """Whether a generated file is what a build writes for opencode, as far as it is read here."""
    match content:
        case {"$schema": schema, "provider": dict()}:
            return bool(schema == CONFIG_SCHEMA)
    return False


def _read(path: Path) -> Mapping[str, Any] | str:
    try:
        return read_object(path)
    except FileNotFoundError:
        return "is the value of OPENCODE_CONFIG, but does not exist"
    except OpencodeFileError as error:
        return f"is read by opencode, and {error.reason}"
