"""Messages for YAML syntax errors, at the position of the mistake."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError

from fleet_compiler.diagnostics.diagnostic import Diagnostic, Related, Span
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document.foreign import escape_remedy, find_foreign_line, glob_remedy, tag_remedy
from fleet_runtime.text import shorten

_EXPECTED = "did not find expected "
_SYNTAX: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        "':' begins a second value here",
        "check the indentation, or quote a value that holds ': '",
    ),
    "block sequence entries are not allowed in this context": (
        "list item '-' is not allowed here",
        "put it on a separate line",
    ),
    "found character that cannot start any token": (
        "a value cannot begin with this character",
        "put the value in quotes",
    ),
    "could not find expected ':'": (
        "this line has no ': ' after its key",
        "write 'key: value', with a space after the colon",
    ),
    "found unexpected end of stream": ("quote is never closed", "add the closing quote"),
    "found unexpected document indicator": ("quote is never closed", "add the closing quote"),
    "found unknown escape character": (
        "unknown escape in double quotes",
        "write '\\\\' for a backslash, or use single quotes",
    ),
    "found invalid Unicode character escape code": (
        "escape that is not a character",
        "write the character itself, or '\\U' with its eight hexadecimal digits",
    ),
    "did not find expected hexdecimal number": (
        "escape that is not complete",
        "write two digits after '\\x', four after '\\u', eight after '\\U'",
    ),
    "did not find expected comment or line break": (
        "text after the sign that begins a block of text",
        "begin the text on the next line, indented",
    ),
    "found unexpected ':'": ("':' needs a space after it", "write 'key: value', or quote the text"),
    _EXPECTED + "',' or ']'": ("list in brackets is not closed", "add ',' or ']'"),
    _EXPECTED + "',' or '}'": ("mapping in braces is not closed", "add ',' or '}'"),
    _EXPECTED + "'-' indicator": ("list continues without '-'", "begin it with '- ', or fix the indentation"),
    _EXPECTED + "key": ("expected a key here", "check the indentation, quotes and brackets of this line"),
    _EXPECTED + "node content": ("a value is missing here", "write a value, or delete the bracket or comma"),
    _EXPECTED + "<document start>": (
        "text after the end of the value",
        "delete it, or check brackets and indentation",
    ),
}
_SECOND_VALUE = "mapping values are not allowed in this context"
_PROPERTIES = {
    "tag": ("F016", "YAML tag is not allowed", "delete it; quote a value to make it text"),
    "directive": ("F017", "YAML directive is not allowed", "delete the line that begins with '%'"),
    "anchor": ("F014", "anchor is not allowed", "delete it; write the value out where it is used"),
    "alias": ("F014", "alias is not allowed", "write the value out; quote text that begins with '*'"),
}
"""Features that are not allowed even if well-formed, by the last word of libyaml's context."""


_WITHOUT_SPACE = re.compile(
    r" *(?!https?://)(?P<key>[A-Za-z0-9_][\w.-]*):(?:(?<=version:)1|(?P<url>https?://)|[^\s\d])"
)
_WITHOUT_COLON = re.compile(r"(?P<indent> *)[A-Za-z0-9_@][\w.-]*(?: (?:(?!: |:\s*$).)*)?\s*")
_GLOBS = re.compile(r"\s*(?:-\s|[^#]*\b(?:in|ex)clude\s*:)")
_COLON_PROBLEMS = frozenset({
    "mapping values are not allowed in this context", "could not find expected ':'", _EXPECTED + "key",
})  # fmt: skip
_MAPPINGS = frozenset({
    "providers", "surfaces", "roles", "aliases", "gateway", "inventory", "keys", "limits", "timeouts",
})  # fmt: skip
"""The keys of a fleet.yaml that hold a block of `key: value` lines and never a list."""


def space_remedy(text: str) -> str | None:
    """Return the remedy for a text like ``tower:http://box``, whose colon needs a space after it."""
    match = _WITHOUT_SPACE.match(text)
    if match is None:
        return None
    value = "http://…" if match["url"] else "1" if match["key"] == "version" else "…"
    return f"put a space after ':', like '{shorten(match['key'])}: {value}'"


def syntax_fault(source: Source, error: MarkedYAMLError) -> Diagnostic:
    """Return libyaml's error as a diagnostic, at its position or at the earlier line that causes it."""
    problem, context = error.problem or "", (error.context or "").rpartition(" ")[2]
    message, remedy = _SYNTAX.get(problem, ("not valid YAML", "check quotes, brackets and indentation"))
    code, mark = "F010", error.problem_mark or error.context_mark
    if "tag handle" in problem or context in _PROPERTIES:
        code, message, remedy = _PROPERTIES.get(context, _PROPERTIES["tag"])
        mark = error.context_mark or mark
    elif message == "quote is never closed" or problem == "could not find expected ':'":
        mark = error.context_mark or mark
    lines = source.text.split("\n")
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    if line >= len(lines) or (line == len(lines) - 1 and not lines[line]):
        line = max(number for number, text in enumerate(lines) if text.strip())
        column = len(lines[line])
    related: tuple[Related, ...] = ()
    if code == "F010" and (foreign := find_foreign_line(lines, line)) is not None:
        line, column, message, remedy = foreign
    elif "escape" in message and (path := escape_remedy(lines[line], column)) is not None:
        remedy = path
    elif context == "alias" and _GLOBS.match(lines[line]):
        remedy = glob_remedy(lines[line], column)
    elif context == "tag":
        remedy = tag_remedy(lines[line][column:])
    elif code == "F010" and (added := _pasted_plus(lines, line)) is not None:
        message, remedy = "'+' of a diff", "delete the '+' that a diff put before it"
        line, column = added, 0
    elif problem in _COLON_PROBLEMS and (blamed := _line_without_space(lines, line)) is not None:
        line, remedy = blamed
        message = "':' needs a space after it"
        column = lines[line].index(":")
    elif problem == _SECOND_VALUE and (entry := _line_without_colon(lines, line)) is not None:
        line, column = entry
        message, remedy = _SYNTAX["could not find expected ':'"]
    elif error.context_mark is not None and problem.startswith(_EXPECTED + "'"):
        first = error.context_mark
        opened = Span(first.line + 1, first.column + 1, first.column + 2)
        if problem == _EXPECTED + "'-' indicator":
            related = (Related(opened, "the list begins here"),)
            if (holder := _holder(lines, first.line)) in _MAPPINGS:
                remedy = f"'{holder}' is not a list: write each of its entries as 'name: value', without '- '"
        elif (opened.line, opened.column) != (line + 1, column + 1):
            related = (Related(opened, "opened here"),)
    span = Span(line + 1, column + 1, column + 2)
    return Diagnostic(code, "error", message, source.name, span, remedy, related)


def _pasted_plus(lines: list[str], fault: int) -> int | None:
    """Return the line with a pasted diff sign: that of the fault, or the last one before it."""
    for number in _back_from(lines, fault):
        if lines[number].startswith("+"):
            return number
    return None


def _line_without_space(lines: list[str], fault: int) -> tuple[int, str] | None:
    """Return the line whose colon lacks a space, and the remedy."""
    for number in _back_from(lines, fault):
        if remedy := space_remedy(lines[number]):
            return number, remedy
    return None


def _line_without_colon(lines: list[str], fault: int) -> tuple[int, int] | None:
    """Return the line and column of the entry before the fault if it has no colon, as ``tower
    http://box``."""
    before = _back_from(lines, fault)[1:]
    match = _WITHOUT_COLON.fullmatch(lines[before[0]]) if before else None
    if match is None or len(match["indent"]) != len(lines[fault]) - len(lines[fault].lstrip(" ")):
        return None
    return before[0], len(match["indent"])


def _back_from(lines: list[str], fault: int) -> list[int]:
    """Return the line of a fault, and the last line before it with content."""
    said = [n for n in range(fault) if lines[n].strip() and not lines[n].lstrip().startswith("#")]
    return [fault, *said[-1:]]


def _holder(lines: list[str], item: int) -> str | None:
    """Return the key whose value is the list that begins at a line."""
    above = [lines[number].strip() for number in _back_from(lines, item)[1:]]
    return above[0].removesuffix(":") if above and above[0].endswith(":") else None
