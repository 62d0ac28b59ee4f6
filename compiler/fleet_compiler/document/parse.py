"""Parse text to a document, with a position for everything in it.

Strict YAML 1.2, core schema: one document, one mapping; keys are text; no anchors, aliases, merge keys, tags
or directives. Numbers are decimal and finite. Dates and ``yes``/``no`` are text.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from fleet_compiler.diagnostics.diagnostic import MAX_FOUND, Diagnostic, Related, Span
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document import scalars as yaml_rules
from fleet_compiler.document.document import Document, Place
from fleet_compiler.document.events import read_events
from fleet_compiler.document.foreign import glob_remedy, split_number, tag_remedy
from fleet_compiler.document.read import empty_file
from fleet_compiler.document.syntax_errors import syntax_fault
from fleet_runtime.text import quote

MAX_DEPTH = 20


class _Open(msgspec.Struct):
    """A collection that is being read, with the key `name` in its parent; `key` is the mapping key whose
    value comes next."""

    data: dict[str, Any] | list[Any]
    place: Place
    name: str | None = None
    key: str | None = None


def load_document(source: Source) -> Document:
    """Parse a source; raises `ConfigError` with all problems up to the point where reading must stop."""
    found = list(islice(yaml_rules.faulty_lines(source), MAX_FOUND))
    if found:
        raise ConfigError(found, source)
    builder = _Builder(source)
    try:
        for event, text in read_events(source.text):
            builder.take(event, text)
    except _StopError:
        pass
    except MarkedYAMLError as error:
        builder.found.append(syntax_fault(source, error))
    if builder.found:
        raise ConfigError(builder.found, source)
    if builder.root is None or builder.data is None:
        raise ConfigError([empty_file(source.name)], source)
    return Document(source, builder.data, builder.root)


class _StopError(Exception):
    """The rest of the text cannot be read reliably."""


class _Builder:
    """Builds data and positions from events; collects what is not allowed, and continues if possible."""

    def __init__(self, source: Source) -> None:
        self.found: list[Diagnostic] = []
        self.data: Any = None
        self.root: Place | None = None
        self._name = source.name
        self._lines = source.text.split("\n")
        self._open: list[_Open] = []
        self._documents = 0
        self._aliases: set[str] = set()

    def take(self, event: Any, text: str) -> None:
        match event:
            case ScalarEvent():
                self._check_properties(event)
                if self._awaits_key():
                    self._take_key(event, text)
                else:
                    self._take_scalar(event, text)
            case MappingStartEvent() | SequenceStartEvent():
                self._check_properties(event)
                self._take_collection(event)
            case MappingEndEvent() | SequenceEndEvent():
                self._open.pop()
            case AliasEvent():
                span = self._span(event)
                if text not in self._aliases:
                    self._aliases.add(text)
                    self.report("F014", "alias is not allowed", span, self._alias_remedy(span))
                if self._awaits_key():
                    raise _StopError
                self._put(None, Place(span))
            case DocumentStartEvent():
                self._take_document(event)

    def report(
        self, code: str, message: str, span: Span, remedy: str, related: tuple[Related, ...] = ()
    ) -> None:
        self.found.append(Diagnostic(code, "error", message, self._name, span, remedy, related))
        if len(self.found) == MAX_FOUND:
            raise _StopError

    def _take_document(self, event: Any) -> None:
        self._documents += 1
        span = self._span(event)
        if self._documents > 1:
            remedy = "keep one document and delete this line and what follows"
            self.report("F018", "a file holds one YAML document, this begins a second", span, remedy)
            raise _StopError
        if event.version or event.tags:
            self.report("F017", "YAML directive is not allowed", span, "delete the line that begins with '%'")

    def _check_properties(self, event: Any) -> None:
        line, column = event.start_mark.line, event.start_mark.column
        if event.anchor is not None:
            column = max(column, self._lines[line].find("&", column))
            span = Span(line + 1, column + 1, column + 2 + len(event.anchor))
            self.report(
                "F014", "anchor is not allowed", span, "delete it; write the value out where it is used"
            )
        if event.tag is not None:
            column = max(column, self._lines[line].find("!", column))
            length = len(self._lines[line][column:].partition(" ")[0])
            span = Span(line + 1, column + 1, column + 1 + max(length, 1))
            remedy = tag_remedy(self._lines[line][column : column + length])
            self.report("F016", "YAML tag is not allowed", span, remedy)

    def _alias_remedy(self, span: Span) -> str:
        if self._open and self._open[-1].name in ("include", "exclude"):
            return glob_remedy(self._lines[span.line - 1], span.column - 1)
        return "write the value out, here and wherever else the alias is used"

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].data, dict) and self._open[-1].key is None

    def _take_key(self, event: Any, key: str) -> None:
        top, plain, span = self._open[-1], not event.style, self._span(event)
        if not top.place.keys and (top.place.span.line, top.place.span.column) == (span.line, span.column):
            top.place.span = span
        if plain and key == "<<":
            self.report("F015", "merge key '<<' is not allowed", span, "write the keys out")
        elif plain and not isinstance(yaml_rules.resolve_scalar(key), str):
            shown = quote(key) if key else "(empty)"
            number = split_number(self._lines[span.line - 1], span.column - 1, span.end_column - 1)
            remedy = f"write {number} without a comma" if number else "put it in quotes to make it text"
            self.report("F013", f"key {shown} is not text", span, remedy)
        elif key in top.place.keys:
            first = Related(top.place.keys[key], "first written here")
            self.report("F012", f"key {quote(key)} is written twice", span, "keep one of the two", (first,))
        else:
            top.place.keys[key] = span
        top.key = key

    def _take_scalar(self, event: Any, text: str) -> None:
        if event.style:
            self._put(text, Place(self._span(event), self._further(event)))
            return
        span = self._span(event) if text else self._key_span(event)
        value = yaml_rules.resolve_scalar(text)
        if isinstance(value, yaml_rules.InvalidScalarError):
            self.report(value.code, value.message, span, value.help)
            value = None
        self._put(value, Place(span, self._further(event)))

    def _take_collection(self, event: Any) -> None:
        span = self._span(event)
        if self._awaits_key():
            self.report("F013", "a list or a mapping cannot be a key", span, "write a text key")
            raise _StopError
        if len(self._open) == MAX_DEPTH:
            remedy = "no fleet.yaml needs that; look for a missing closing bracket"
            self.report("F006", f"nested more than {MAX_DEPTH} levels deep", span, remedy)
            raise _StopError
        data: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        place = Place(span if event.flow_style else self._key_span(event))
        name = self._open[-1].key if self._open else None
        self._put(data, place)
        self._open.append(_Open(data, place, name))

    def _put(self, value: Any, place: Place) -> None:
        if not self._open:
            self.data, self.root = value, place
            return
        top = self._open[-1]
        if isinstance(top.data, list):
            top.place.held[len(top.data)] = place
            top.data.append(value)
            return
        assert top.key is not None
        top.data.setdefault(top.key, value)
        top.place.held.setdefault(top.key, place)
        top.key = None

    def _key_span(self, event: Any) -> Span:
        """Return the span of the event's key, or of the event's first character if it has none."""
        top = self._open[-1] if self._open else None
        if top is not None and top.key is not None and top.key in top.place.keys:
            return top.place.keys[top.key]
        return self._span(event)

    def _span(self, event: Any) -> Span:
        """Return the span of the event on its first line, at least one column wide."""
        start, end = event.start_mark, event.end_mark
        last = end.column if end.line == start.line else len(self._lines[start.line].rstrip())
        return Span(start.line + 1, start.column + 1, max(last, start.column + 1) + 1)

    def _further(self, event: Any) -> tuple[Span, ...]:
        start, end = event.start_mark, event.end_mark
        return tuple(
            Span(line + 1, 1, 1 + (end.column if line == end.line else len(self._lines[line])))
            for line in range(start.line + 1, min(end.line + 1, len(self._lines)))
        )
