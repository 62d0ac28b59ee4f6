"""A parsed document: plain data with a position for every key and value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from fleet_compiler.diagnostics.diagnostic import Diagnostic, Related, Span
from fleet_compiler.diagnostics.finding import Finding, YamlPath
from fleet_compiler.diagnostics.source import Source


class Place(msgspec.Struct):
    """The positions of a value, its keys and its members.

    `further` are the spans of a multi-line text after the first line.
    """

    span: Span
    further: tuple[Span, ...] = ()
    keys: dict[str, Span] = msgspec.field(default_factory=dict)
    held: dict[str | int, Place] = msgspec.field(default_factory=dict)


class Document:
    """A source's data (dict, list, str, int, float, bool, None) and the span of each part of it."""

    def __init__(self, source: Source, data: Any, root: Place) -> None:
        self.source = source
        self.data = data
        self._root = root

    def value(self, path: YamlPath) -> Any:
        """Return the data at `path`, which must exist."""
        value = self.data
        for step in path:
            value = value[step]
        return value

    def span(self, path: YamlPath, key: bool = False) -> Span:
        """Return the span of the value at `path`, or of its key; if it does not exist, that of its nearest
        parent.

        A block collection and an empty value have the span of their key.
        """
        place, value = self._root, self.data
        for depth, step in enumerate(path):
            step = _index(value, step)
            below = place.held.get(step)
            if below is None:
                return place.span
            if key and depth == len(path) - 1 and isinstance(step, str):
                return place.keys[step]
            place, value = below, value[step]
        return place.span

    def spans(self, path: YamlPath) -> tuple[Span, ...]:
        """Return the spans of all lines of the text at `path`."""
        place: Place | None = self._root
        for step in path:
            place = place.held.get(step) if place else None
        return (place.span, *place.further) if place else ()

    def locate(self, finding: Finding) -> Diagnostic:
        """Return a finding with its position in the text."""
        return Diagnostic(
            finding.code,
            finding.severity,
            finding.message,
            self.source.name,
            self.span(finding.path, finding.key),
            finding.help,
            tuple(Related(self.span(part.path, part.key), part.message) for part in finding.related),
        )

    def locate_all(self, findings: Iterable[Finding]) -> list[Diagnostic]:
        """Return the findings in the given order, each with its position in the text."""
        return [self.locate(finding) for finding in findings]


def _index(value: Any, step: str | int) -> str | int:
    """Return the index of a list item that is named by its text; any other step unchanged."""
    if isinstance(step, str) and isinstance(value, list) and step in value:
        return value.index(step)
    return step
