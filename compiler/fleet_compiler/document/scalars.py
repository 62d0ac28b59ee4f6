"""The subset of YAML that fleet.yaml may use: lines and scalars."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isinf

import msgspec

from fleet_compiler.diagnostics.diagnostic import Diagnostic, Span
from fleet_compiler.diagnostics.source import Source

MAX_NUMBER = 2**53 - 1


class InvalidScalarError(msgspec.Struct, frozen=True):
    """The reason why a plain scalar is not accepted."""

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
_TOO_LARGE = InvalidScalarError(
    "F020", "number is too large", f"the largest number is {MAX_NUMBER}; quote it to make it text"
)
_SURPRISES = {
    "zero": "with a leading zero, which some readers take for octal",
    "based": "is not decimal, which some readers take for text",
    "underscore": "with an underscore, which some readers take for text",
    "sexagesimal": "with colons, which some readers take for base 60",
}


def resolve_scalar(text: str) -> str | int | float | bool | InvalidScalarError | None:
    """Return the value of a plain (unquoted) scalar in YAML 1.2, or why parsers would disagree on it."""
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
        return InvalidScalarError("F020", "number is not finite", remedy)
    if match := _SURPRISING.fullmatch(text):
        why = _SURPRISES[str(match.lastgroup)]
        remedy = "write a plain decimal number, or quote it to make it text"
        return InvalidScalarError("F019", f"number {why}", remedy)
    return text


_CONFLICT = re.compile(r"^(?:(?:<{7}|\|{7}|>{7})(?: .*)?|={7})$", re.MULTILINE)
_INDENTED_COMMENT = re.compile(r" *#")


def faulty_lines(source: Source) -> Iterator[Diagnostic]:
    """Yield merge-conflict markers, and tabs outside comment lines; each line once."""
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
