"""Replace files atomically: write a temporary file, flush it, rename it."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from fleet_compiler.diagnostics.errors import OutputError
from fleet_runtime.files import copy_access

TEMPORARY_SUFFIX = ".fleet-tmp"
"""Files being written are named ``.<name>.fleet-tmp``; leftovers with this suffix are deleted."""

LONGEST_NAME = 240
"""The maximum bytes of a file name: file systems allow 255, including the prefix and suffix of a temporary
file."""

MIXED = "some files are new and some are old: fix that and build again"


def path_problem(path: str) -> tuple[str, str] | None:
    """Return why `path` cannot be a file inside an output folder, and the remedy; None if it can.

    In a message, the reason follows the quoted path.
    """
    parts = path.split("/")
    if not path.isprintable():
        return "has a character that is not visible", "write letters, digits, '.', '_' and '-'"
    if "\\" in path or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        remedy = "write a relative path without '..', like laptop/opencode.json"
        return "is not a path inside the folder of generated files", remedy
    if path.startswith("~") or "$" in path:
        remedy = "write a path inside that folder, and a link to it where the client looks"
        return "is outside of the folder of generated files, or holds a variable", remedy
    if any(part.strip() != part for part in parts):
        return "has a name that begins or ends with a space", "write it without the space"
    if any(part.startswith("-") for part in parts):
        return "has a name that begins with '-', which commands take for an option", "choose another name"
    if any(part.casefold() == ".git" for part in parts):
        return "is inside a folder of git's own files", "choose another name"
    if any(part.casefold().endswith(TEMPORARY_SUFFIX) for part in parts):
        return f"is a temporary file's name: it ends in '{TEMPORARY_SUFFIX}'", "choose another name"
    if any(len(part.encode()) > LONGEST_NAME for part in parts):
        return f"has a name of more than {LONGEST_NAME} bytes", "choose a shorter name"
    return None


def comparable_path(path: str) -> tuple[str, ...]:
    """Return the parts of a path, equal for names that some file systems treat as equal: upper and lower
    case, and composed and decomposed accents."""
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in path.split("/"))


def write_files(files: Iterable[tuple[Path, bytes]]) -> None:
    """Replace files; raises `OutputError` with the old ones intact."""
    replace_staged(stage_files(files))


def stage_files(files: Iterable[tuple[Path, bytes]]) -> dict[Path, Path]:
    """Write each file next to its destination and flush it to disk; return destination -> temporary file.

    Raises `OutputError` with no temporary file left behind.
    """
    wanted = dict(files)
    staged: dict[Path, Path] = {}
    try:
        for folder in {target.parent for target in wanted}:
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
                leftover.unlink()
        for target, content in wanted.items():
            staged[target] = target.with_name(f".{target.name}{TEMPORARY_SUFFIX}")
            _write_new(staged[target], content, like=target)
    except OSError as error:
        discard_staged(staged)
        where = error.filename or next(iter(wanted)).parent
        raise OutputError(f"cannot write '{where}': {os_reason(error)}; nothing was changed") from error
    return staged


def replace_staged(staged: Mapping[Path, Path]) -> None:
    """Rename staged files to their destinations; raises `OutputError` if one of them cannot be replaced."""
    try:
        for target, temporary in staged.items():
            temporary.replace(target)
        for folder in {target.parent for target in staged}:
            _flush_folder(folder)
    except OSError as error:
        discard_staged(staged)
        place = error.filename2 or error.filename
        raise OutputError(f"cannot replace '{place}': {os_reason(error)}; {MIXED}") from error


def discard_staged(staged: Mapping[Path, Path]) -> None:
    for temporary in staged.values():
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def os_reason(error: OSError) -> str:
    """Return the operating system's message, in lower case and without its number."""
    return (error.strerror or type(error).__name__).lower()


def _write_new(path: Path, content: bytes, like: Path) -> None:
    """Write `path` with the permissions and owner of the regular file `like`, if there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        with suppress(FileNotFoundError):
            status = like.lstat()
            if stat.S_ISREG(status.st_mode):
                copy_access(descriptor, status)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Flush the entries of `folder` to disk, if it is readable."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
