"""Format diagnostics as text, JSON, GitHub annotations and SARIF."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, TypeAlias
from urllib.parse import quote

from msgspec.structs import replace

from fleet_compiler.diagnostics.codes import codes
from fleet_compiler.diagnostics.diagnostic import Diagnostic, Format, Related, Span
from fleet_compiler.diagnostics.redact import redact, redact_source
from fleet_compiler.diagnostics.source import Source
from fleet_runtime.text import condense, escape

MAX_LINE = 140


def render(
    diagnostics: Sequence[Diagnostic],
    sources: Iterable[Source],
    format: Format = "text",  # noqa: A002
    color: bool = False,
) -> str:
    """Return the diagnostics in the given order, as one text without a final newline and without secrets.

    ``text`` shows lines of `sources`, coloured if `color`; the other formats do not need them.
    """
    texts = list(sources)
    names = frozenset().union(*(source.names for source in texts))
    spoken = [_presentable(diagnostic, names) for diagnostic in diagnostics]
    match format:
        case "text":
            return _text(spoken, texts, color)
        case "json":
            return json.dumps([_object(diagnostic) for diagnostic in spoken], indent=2, ensure_ascii=False)
        case "github":
            return "\n".join(map(_annotation, spoken))
        case "sarif":
            return json.dumps(_sarif(spoken), indent=2, ensure_ascii=False)


def _presentable(diagnostic: Diagnostic, names: frozenset[str]) -> Diagnostic:
    """Return the diagnostic without secrets, and without characters that a terminal or a CI log would
    interpret."""

    def shown(text: str) -> str:
        return condense(escape(redact(text, names)))

    return replace(
        diagnostic,
        message=shown(diagnostic.message),
        help=None if diagnostic.help is None else "\n".join(map(shown, diagnostic.help.split("\n"))),
        file=condense(escape(diagnostic.file)),
        related=tuple(replace(other, message=shown(other.message)) for other in diagnostic.related),
    )


def _text(diagnostics: Sequence[Diagnostic], sources: Iterable[Source], color: bool) -> str:
    lines = {condense(escape(source.name)): redact_source(source) for source in sources}
    paint = _paint if color else _plain
    return "\n\n".join(
        "\n".join(_block(diagnostic, lines.get(diagnostic.file, []), paint)) for diagnostic in diagnostics
    )


_Painter: TypeAlias = Callable[[str, str], str]

_STYLES = {"error": "1;31", "warning": "1;33", "strong": "1", "frame": "34", "second": "36", "help": "1;36"}


def _paint(style: str, text: str) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if text else text


def _plain(style: str, text: str) -> str:
    return text


def _block(diagnostic: Diagnostic, lines: list[str], paint: _Painter) -> Iterator[str]:
    head = paint(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
    yield f"{head}{paint('strong', ': ' + diagnostic.message)}"
    spans = [span for span in (diagnostic.span, *(other.span for other in diagnostic.related)) if span]
    width = len(str(max((span.line for span in spans), default=1)))
    gutter = " " * width
    if diagnostic.span is None:
        yield f"{gutter}{paint('frame', '-->')} {diagnostic.file}"
    else:
        yield from _snippet("-->", diagnostic.file, diagnostic.span, lines, width, paint, diagnostic.severity)
    for other in diagnostic.related:
        yield f"{gutter} {paint('frame', '|')}"
        yield from _snippet(":::", diagnostic.file, other.span, lines, width, paint, "second", other.message)
    if diagnostic.help:
        if lines and diagnostic.span:
            yield f"{gutter} {paint('frame', '|')}"
        yield f"{gutter} {paint('frame', '=')} {paint('help', 'help:')} {diagnostic.help}"


def _snippet(
    arrow: str,
    file: str,
    span: Span,
    lines: list[str],
    width: int,
    paint: _Painter,
    style: str,
    label: str = "",
) -> Iterator[str]:
    gutter = " " * width
    yield f"{gutter}{paint('frame', arrow)} {file}:{span.line}:{span.column}"
    if span.line > len(lines) or not lines[span.line - 1]:
        return
    shown, before, marked = _window(lines[span.line - 1], span)
    bar = paint("frame", "|")
    yield f"{gutter} {bar}"
    yield f"{paint('frame', str(span.line).rjust(width))} {bar} {shown}".rstrip()
    marks = ("-" if label else "^") * max(marked, 1)
    yield f"{gutter} {bar} {' ' * before}{paint(style, f'{marks} {label}'.rstrip())}"


def _window(line: str, span: Span) -> tuple[str, int, int]:
    """Return the visible part of a line, and the columns before and below the mark in terminal columns."""
    start, end = span.column - 1, min(span.end_column - 1, len(line))
    first = max(0, start - MAX_LINE // 2) if len(line) > MAX_LINE else 0
    last = first + MAX_LINE
    prefix, suffix = "…" if first else "", "…" if last < len(line) else ""
    before = len(prefix) + _cells(escape(line[first:start]))
    return f"{prefix}{escape(line[first:last])}{suffix}", before, _cells(escape(line[start : min(end, last)]))


def _cells(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _object(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "file": diagnostic.file,
        **_position(diagnostic.span),
        "help": diagnostic.help,
        "related": [{"message": other.message, **_position(other.span)} for other in diagnostic.related],
    }


def _position(span: Span | None) -> dict[str, int | None]:
    if span is None:
        return {"line": None, "column": None, "end_column": None}
    return {"line": span.line, "column": span.column, "end_column": span.end_column}


def _annotation(diagnostic: Diagnostic) -> str:
    """A workflow command of GitHub Actions."""
    properties = {"file": diagnostic.file}
    if diagnostic.span is not None:
        span = diagnostic.span
        properties |= {"line": str(span.line), "col": str(span.column), "endColumn": str(span.end_column)}
    properties["title"] = diagnostic.code
    listed = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    text = f"{diagnostic.message}\nhelp: {diagnostic.help}" if diagnostic.help else diagnostic.message
    return f"::{diagnostic.severity} {listed}::{_escaped(text)}"


def _escaped(text: str, also: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{also}" else c for c in text)


def _sarif(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """SARIF 2.1.0."""
    used = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {
        "name": "fleet",
        "rules": [
            {
                "id": code,
                "shortDescription": {"text": codes()[code].title},
                "fullDescription": {"text": codes()[code].text},
            }
            for code in used
        ],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(diagnostic, used) for diagnostic in diagnostics],
            }
        ],
    }


def _result(diagnostic: Diagnostic, used: list[str]) -> dict[str, Any]:
    text = f"{diagnostic.message}; help: {diagnostic.help}" if diagnostic.help else diagnostic.message
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": used.index(diagnostic.code),
        "level": diagnostic.severity,
        "message": {"text": text},
        "locations": [_location(diagnostic.file, diagnostic.span)],
    }
    if diagnostic.related:
        result["relatedLocations"] = [_related(diagnostic.file, other) for other in diagnostic.related]
    return result


def _related(file: str, other: Related) -> dict[str, Any]:
    return {**_location(file, other.span), "message": {"text": other.message}}


def _location(file: str, span: Span | None) -> dict[str, Any]:
    path = PurePath(file)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if span is not None:
        physical["region"] = {
            "startLine": span.line,
            "startColumn": span.column,
            "endColumn": span.end_column,
        }
    return {"physicalLocation": physical}
