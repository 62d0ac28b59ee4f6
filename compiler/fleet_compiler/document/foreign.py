"""Remedies for syntax of other formats in a YAML file. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from fleet_runtime.text import quote

_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})")
_COMMENT = re.compile(r"\s*(?P<sign>//|/\*)\s*(?P<text>.*?)\s*(?:\*/\s*)?$")
_TRAILING_COMMENT = re.compile(r"\s(?P<sign>//|/\*)\s")
_WINDOWS_PATH = re.compile(r'"(?P<path>(?:[A-Za-z]:\\|\\\\)[^"]*)"?')
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[,_' ][0-9]{3})+\Z")
_NUMBER_BEFORE = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})*,\Z")
_GROUPS = re.compile(r"(?:,[0-9]{3})*")


class ForeignText(NamedTuple):
    """Foreign syntax, its line and column (from 0), and the remedy."""

    line: int
    column: int
    message: str
    remedy: str


def find_foreign_line(lines: list[str], fault: int) -> ForeignText | None:
    """Return Markdown or a comment of another language at a fault, just before it, or at the beginning of the
    file."""
    written = [number for number in range(fault + 1) if lines[number].strip()]
    for number in (*written[:-3:-1], *written[:1]):
        line = lines[number]
        if _FENCE.match(line):
            remedy = f"delete this line and the one that closes it: {quote(line.strip())} is Markdown"
            return ForeignText(number, len(line) - len(line.lstrip()), "Markdown in a YAML file", remedy)
        if comment := _COMMENT.match(line):
            remedy = f"begin the comment with '#': {quote('# ' + comment['text'])}"
            message = f"'{comment['sign']}' does not begin a comment in YAML"
            return ForeignText(number, comment.start("sign"), message, remedy)
    return None


def comment_remedy(text: str) -> str | None:
    """Return the remedy for a value or key with a comment of another language."""
    if _COMMENT.match(text) or _TRAILING_COMMENT.search(text):
        return "begin the comment with '#', which needs a space before it"
    return None


def escape_remedy(line: str, column: int) -> str | None:
    """Return the remedy for an escape at `column` that is part of a Windows path in double quotes."""
    for match in _WINDOWS_PATH.finditer(line):
        if match.start() <= column <= match.end():
            path = match["path"]
            return f"write the path in single quotes, as in '{path}', or with '/' instead of '\\'"
    return None


def glob_remedy(line: str, column: int) -> str:
    """Return the remedy for an alias that was intended as a glob."""
    written = re.match(r"[^\s,\]}]*", line[column:])
    return f"quote text that begins with '*', as in '{written[0] if written else '*'}'"


def tag_remedy(tag: str) -> str:
    """Return the remedy for a YAML tag."""
    if re.match(r"![A-Za-z]", tag):
        return "write the value itself; a key comes from 'api_key_env' or 'api_key_file'"
    return "delete it; quote a value to make it text"


def ungrouped(text: str) -> str | None:
    """Return a number without thousands separators; None if it has none."""
    return re.sub(r"[^0-9]", "", text) if _THOUSANDS.match(text) else None


def split_number(line: str, start: int, end: int) -> str | None:
    """Return the number that a comma splits, if the key at these columns is its second part."""
    before = _NUMBER_BEFORE.search(line[:start])
    if before is None or not re.fullmatch(r"[0-9]{3}", line[start:end]):
        return None
    after = _GROUPS.match(line, end)
    return (before[0] + line[start:end] + (after[0] if after else "")).replace(",", "")
