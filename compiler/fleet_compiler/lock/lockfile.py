"""Read, check and write fleet.lock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from fleet_compiler.config.certain_model import certain_model
from fleet_compiler.diagnostics.diagnostic import MAX_SHOWN, Diagnostic, Span
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.files import write_files
from fleet_compiler.lock.json_place import find_repeated_key, find_span
from fleet_compiler.lock.model import NO_LOCK, Lock
from fleet_compiler.lock.validity import Problem, lock_problems
from fleet_runtime.artifacts.hashes import canonical_json
from fleet_runtime.files import MAX_ARTIFACT, read_file, unreadable_reason
from fleet_runtime.text import escape, quote

SHORT = 100_000
"""The length of a short fleet.lock, of some hundred models, in characters."""
_REMEDY = "restore it from version control, or delete it and run `fleet lock`"
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: .*)?\r?$", re.MULTILINE)
_NOT_JSON = re.compile(r"Invalid JSON: (.+) at line (\d+) column (\d+)", re.DOTALL)
"""The error type of pydantic 2 for invalid JSON."""


def load_lock(path: Path) -> Lock:
    """Return the lock at `path`, an empty one if it does not exist; raises `ConfigError`."""
    try:
        data = read_file(path, MAX_ARTIFACT)
    except FileNotFoundError:
        return NO_LOCK
    except PermissionError as error:
        remedy = "make it readable for this user"
        raise ConfigError([_diagnostic(path, unreadable_reason(error), remedy=remedy)]) from None
    except OSError as error:
        raise ConfigError([_diagnostic(path, unreadable_reason(error))]) from None
    return parse_lock(data, path)


def parse_lock(data: bytes, path: Path) -> Lock:
    """Parse the content of a lock file, displayed as `path`; raises `ConfigError`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError([_diagnostic(path, "is not UTF-8 text")]) from None
    try:
        lock = _certain_lock(text) or Lock.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ConfigError(_invalid(path, text, error)) from None
    if repeated := find_repeated_key(text):
        key, span = repeated
        raise ConfigError([_diagnostic(path, f"has the key {quote(key)} twice in one object", span)])
    found = list(islice(lock_problems(lock), MAX_SHOWN + 1))
    if found:
        raise ConfigError(_at_their_places(path, text, found))
    return lock


def _certain_lock(text: str) -> Lock | None:
    """Return the lock of a short text that is certainly valid; in a long one pydantic is faster.

    For a duplicate key, pydantic validates every value, the decoder only the last.
    """
    if len(text) > SHORT:
        return None
    try:
        data = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return None if find_repeated_key(text) else certain_model(Lock, data)


def dump_lock(lock: Lock) -> bytes:
    """Return the file's bytes: sorted, without timestamps, equal for equal locks."""
    known = lock.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    data = {"format": lock.format, "providers": {}} | known
    return msgspec.json.format(canonical_json(data), indent=2) + b"\n"


def save_lock(path: Path, lock: Lock) -> None:
    """Replace the file, or what it is a link to, in one step; raises `OutputError` with the old one
    intact."""
    write_files([(path.resolve(), dump_lock(lock))])


def _invalid(path: Path, text: str, error: ValidationError) -> list[Diagnostic]:
    """Return the diagnostics of a text that is not JSON or not a lock."""
    errors = error.errors(include_url=False, include_input=True)
    if place := _NOT_JSON.fullmatch(errors[0]["msg"]):
        if marker := _CONFLICT.search(text):
            return [_conflict(path, text, marker)]
        line, column = int(place[2]), max(1, int(place[3]))
        span = Span(line, column, column + 1)
        return [_diagnostic(path, f"is not JSON that can be read: {escape(place[1])}", span)]
    newer = next((each for each in errors if each["loc"] == ("format",) and _is_newer(each["input"])), None)
    if newer is not None:
        message = f"has format {newer['input']}, which a newer version of fleet wrote"
        remedy = f"update fleet; or {_REMEDY}"
        return [_diagnostic(path, message, find_span(text, newer["loc"]), remedy)]
    return _at_their_places(path, text, [(each["loc"], _schema_words(each)) for each in errors[:MAX_SHOWN]])


def _conflict(path: Path, text: str, marker: re.Match[str]) -> Diagnostic:
    line = text.count("\n", 0, marker.start()) + 1
    remedy = f"take one version, as with `git checkout --ours {path.name}`, then run `fleet lock`"
    return _diagnostic(path, "has a merge-conflict marker", Span(line, 1, len(marker[0]) + 1), remedy)


def _is_newer(version: object) -> bool:
    return type(version) is int and version > NO_LOCK.format


def _schema_words(error: Any) -> str:
    where = "/".join(escape(str(part)) for part in error["loc"]) or "the top level"
    return f"is not a lock file: {where}: {error['msg']}"


def _at_their_places(path: Path, text: str, problems: Iterable[Problem]) -> list[Diagnostic]:
    return [_diagnostic(path, words, find_span(text, place)) for place, words in problems]


def _diagnostic(path: Path, message: str, span: Span | None = None, remedy: str = _REMEDY) -> Diagnostic:
    return Diagnostic("F301", "error", f"'{path.name}' {message}", str(path), span, remedy)
