"""Read fleet.yaml from disk and decode it."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from fleet_compiler.diagnostics.diagnostic import Diagnostic, Span
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.source import Source
from fleet_runtime.files import MAX_CONFIG, OversizedFileError, read_file, unreadable_reason
from fleet_runtime.text import escape

STDIN_NAME = "<stdin>"

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)

_FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
"""Control characters, line separators that YAML versions disagree on, marks that reorder text on screen."""


def read_source(path: Path | Literal["-"]) -> Source:
    """Return the text of `path`, or of standard input for ``-``; raises as `read_config` and `decode` do."""
    return decode(*read_config(path))


def read_config(path: Path | Literal["-"]) -> tuple[str, bytes]:
    """Return the displayed name of `path` and its bytes; raises `ConfigError` if it is unreadable."""
    name = STDIN_NAME if path == "-" else os.fspath(path).encode("utf-8", "replace").decode()
    try:
        data = sys.stdin.buffer.read(MAX_CONFIG + 1) if path == "-" else read_file(path, MAX_CONFIG)
    except OversizedFileError:
        raise _oversized(name) from None
    except OSError as error:
        reason, remedy = _read_problem(path, error)
        problem = Diagnostic("F001", "error", f"'{escape(name)}' {reason}", name, help=remedy)
        raise ConfigError([problem]) from None
    return name, data


def decode(name: str, data: bytes) -> Source:
    """Decode `data`, displayed as `name`, without a byte order mark.

    Raises `ConfigError` beyond `MAX_CONFIG` bytes, if it is not UTF-8, and for forbidden characters.
    """
    if len(data) > MAX_CONFIG:
        raise _oversized(name)
    if encoding := _foreign_encoding(data):
        raise _refusal("F003", f"file is {encoding}", name, "save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").replace("\r\n", "\n")
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise _refusal("F003", message, name, "save the file as UTF-8", before) from None
    if not text.strip():
        raise ConfigError([empty_file(name)], Source(name, text))
    if found := list(_forbidden(name, text)):
        raise ConfigError(found, Source(name, text))
    return Source(name, text)


def empty_file(name: str) -> Diagnostic:
    """Return the error of a file that is empty or has only comments."""
    remedy = "start with 'version: 1', 'default_provider' and 'providers'"
    return Diagnostic("F002", "error", "file is empty", name, Span(1, 1, 2), remedy)


def _oversized(name: str) -> ConfigError:
    return _refusal("F005", "file is larger than 1 MiB", name, "a fleet.yaml usually has a few kilobytes")


def _read_problem(path: Path | Literal["-"], error: OSError) -> tuple[str, str]:
    match error:
        case FileNotFoundError() if isinstance(path, Path) and path.is_symlink():
            target = escape(os.fspath(path.readlink()))
            return f"is a link to '{target}', which does not exist", "fix the link, or delete it"
        case FileNotFoundError():
            return "does not exist", "name the file, or make one with `fleet init`"
        case PermissionError():
            return unreadable_reason(error), "make it readable for this user"
        case IsADirectoryError():
            return unreadable_reason(error), "name the fleet.yaml inside it"
        case _:
            return unreadable_reason(error), "name a regular file, or read standard input with '-f -'"


def _foreign_encoding(data: bytes) -> str | None:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    return "UTF-16" if b"\x00" in data[:2] else None


def _refusal(code: str, message: str, name: str, remedy: str, before: str = "") -> ConfigError:
    """Return an error at the character after the text `before`."""
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    span = Span(line, column, column + 1)
    return ConfigError([Diagnostic(code, "error", message, name, span, remedy)], Source(name, before))


def _forbidden(name: str, text: str) -> Iterator[Diagnostic]:
    lines = text.split("\n") if _FORBIDDEN.search(text) else ()
    for number, line in enumerate(lines, start=1):
        if match := _FORBIDDEN.search(line):
            column = match.start() + 1
            message = f"character {_named(match[0])} is not allowed"
            remedy = "delete it, or write it as an escape inside double quotes"
            yield Diagnostic("F004", "error", message, name, Span(number, column, column + 1), remedy)


def _named(character: str) -> str:
    known = {"\x00": "NUL", "\r": "carriage return", "\x1b": "escape", "\ufeff": "byte order mark"}
    code = f"U+{ord(character):04X}"
    return f"{code} ({known[character]})" if character in known else code
