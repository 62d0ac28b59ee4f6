"""What of YAML a fleet.yaml may use, decided on lines and scalars; and our words for what libyaml says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf

from ruamel.yaml.error import MarkedYAMLError

from fleet_compiler.diagnostics import Diagnostic, Span
from fleet_compiler.source import Source

MAX_NUMBER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a plain scalar is not accepted."""

    code: str
    message: str
    help: str


_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_SURPRISING = re.compile(
    r"(?P<zero>[-+]?0[0-9_]+(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<based>[-+]?0[xX][0-9a-fA-F_]+|[-+]?0[oO][0-7_]+|[-+]?0[bB][01_]+)"
    r"|(?P<underscore>[-+]?[1-9][0-9]*_[0-9_]*(?:\.[0-9_]*)?)"
    r"|(?P<sexagesimal>[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?)"
)
_TOO_LARGE = Refused(
    "F020", "number is too large", f"the largest number is {MAX_NUMBER}; quote it to make it text"
)
_SURPRISES = {
    "zero": "with a leading zero, which some readers take for octal",
    "based": "is not decimal, which some readers take for text",
    "underscore": "with an underscore, which some readers take for text",
    "sexagesimal": "with colons, which some readers take for base 60",
}


def resolve(text: str) -> str | int | float | bool | Refused | None:
    """What a plain (unquoted) scalar means in the core schema of YAML 1.2, where that is no surprise."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        if len(text) > 17 or abs(int(text)) > MAX_NUMBER:
            return _TOO_LARGE
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return _TOO_LARGE if isinf(number) else number
    if _NOT_FINITE.fullmatch(text):
        remedy = "write a number, or quote it to make it text"
        return Refused("F020", "number is not finite", remedy)
    if match := _SURPRISING.fullmatch(text):
        why = _SURPRISES[str(match.lastgroup)]
        remedy = "write a plain decimal number, or quote it to make it text"
        return Refused("F019", f"number {why}", remedy)
    return text


_CONFLICT = re.compile(r"^(?:(?:<{7}|\|{7}|>{7})(?: .*)?|={7})$", re.MULTILINE)
_INDENTED_COMMENT = re.compile(r" *#")


def faulty_lines(source: Source) -> Iterator[Diagnostic]:
    """Merge-conflict markers, and tabs outside lines that are only a comment; each line once."""
    suspicious = "\t" in source.text or _CONFLICT.search(source.text)
    for number, line in enumerate(source.text.split("\n") if suspicious else (), start=1):
        if line[:1] in ("<", "=", ">", "|") and _CONFLICT.match(line):
            yield Diagnostic(
                "F021",
                "error",
                "merge-conflict marker",
                source.name,
                Span(number, 1, min(len(line), 7) + 1),
                "finish the merge: keep one side and delete the markers",
            )
        elif "\t" in line and not _INDENTED_COMMENT.match(line):
            column = line.index("\t") + 1
            yield Diagnostic(
                "F011",
                "error",
                "tab character",
                source.name,
                Span(number, column, column + 1),
                "use spaces (inside double quotes, '\\t')",
            )


_EXPECTED = "did not find expected "
_SYNTAX: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        "':' begins a second value here",
        "check the indentation, or quote a value that holds ': '",
    ),
    "block sequence entries are not allowed in this context": (
        "list item '-' is not allowed here",
        "put it on a line of its own",
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
        "escape that is no character",
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
    _EXPECTED + "'-' indicator": ("list goes on without '-'", "begin it with '- ', or mend the indentation"),
    _EXPECTED + "key": ("expected a key here", "check the indentation, quotes and brackets of this line"),
    _EXPECTED + "node content": ("a value is missing here", "write a value, or delete the bracket or comma"),
    _EXPECTED + "<document start>": (
        "text after the end of the value",
        "delete it, or check brackets and indentation",
    ),
}
_PROPERTIES = {
    "tag": ("F016", "YAML tag is not allowed", "delete it; quote a value to make it text"),
    "directive": ("F017", "YAML directive is not allowed", "delete the line that begins with '%'"),
    "anchor": ("F014", "anchor is not allowed", "delete it; write the value out where it is used"),
    "alias": ("F014", "alias is not allowed", "write the value out; quote text that begins with '*'"),
}
"""What is not allowed even where it is well-formed, by the last word of libyaml's context."""


def syntax_fault(source: Source, error: MarkedYAMLError) -> Diagnostic:
    """libyaml's complaint in our words, at its place."""
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
    return Diagnostic(code, "error", message, source.name, Span(line + 1, column + 1, column + 2), remedy)
