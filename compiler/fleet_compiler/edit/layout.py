"""The extents of the parts of fleet.yaml in its text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fleet_compiler.diagnostics.diagnostic import Span
from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.document.document import Document

_COMMENT = re.compile(r"( *)#")
_BETWEEN = re.compile(r"(?:[\s,]|(?:(?<=\s)|(?<=,))#[^\n]*)*")
"""Matches the text between the last item of a flow collection and its closing bracket."""


class UnsafeChangeError(Exception):
    """The change cannot be made safely in this notation, which the message describes."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Characters from `start` up to `end`, counted from 0."""

    start: int
    end: int


class Layout:
    """Positions in `text`, which was parsed to `document`. Lines may end in ``\\r\\n``."""

    def __init__(self, text: str, document: Document) -> None:
        self.text = text
        self.document = document
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def raw(self, extent: Extent) -> str:
        """Return the characters of `extent`."""
        return self.text[extent.start : extent.end]

    def value(self, path: YamlPath) -> Any:
        """Return the data at `path`."""
        return self.document.value(path)

    def children(self, path: YamlPath) -> list[YamlPath]:
        """Return the paths of the members of the collection at `path`, in order."""
        held = self.value(path)
        return [(*path, step) for step in (held if isinstance(held, dict) else range(len(held)))]

    def key(self, path: YamlPath) -> Extent:
        """Return the extent of the key of the entry at `path`."""
        return self._extent(self.document.span(path, key=True))

    def node(self, path: YamlPath) -> Extent:
        """Return the extent of the value at `path`; for an empty value, the position after its colon."""
        spans = self.document.spans(path)
        if isinstance(self.value(path), dict | list):
            return self._collection(path, spans[0])
        if self._has_key(path) and spans[0] == self.document.span(path, key=True):
            after = self._after_colon(self.key(path).end)
            return Extent(after, after)
        start, end = self._extent(spans[0]).start, self._extent(spans[-1]).end
        return Extent(start, start + max(1, len(self.text[start:end].rstrip())))

    def entry(self, path: YamlPath) -> Extent:
        """Return the extent of a flow collection's entry or item."""
        return Extent(
            self.key(path).start if self._has_key(path) else self.node(path).start, self.node(path).end
        )

    def is_flow(self, path: YamlPath) -> bool:
        """Return whether the collection at `path` is written in braces or brackets."""
        return self.text[self._extent(self.document.spans(path)[0]).start] in "{["

    def is_on_one_line(self, path: YamlPath) -> bool:
        return "\n" not in self.raw(self.node(path))

    def lines(self, path: YamlPath) -> Extent:
        """Return the lines of a block collection's entry or item, with the comments that belong to it.

        A comment belongs to the entry before it if it is indented further.
        """
        if self._has_key(path):
            start, introduction = self.key(path).start, ""
        else:
            start, introduction = self.node(path).start, "-"
        begin = self.line_start(start)
        if self.text[begin:start].strip(" ") != introduction:
            raise UnsafeChangeError("it shares its line with something else")
        indent = len(self.text[begin:start]) if not introduction else self.text[begin:start].index("-")
        end = self.line_end(self.node(path).end)
        while (comment := _COMMENT.match(self.text, end)) and len(comment[1]) > indent:
            end = self.line_end(end)
        return Extent(begin, end)

    def line_start(self, offset: int) -> int:
        """Return the offset of the start of the line of `offset`."""
        return self.text.rfind("\n", 0, offset) + 1

    def line_end(self, offset: int) -> int:
        """Return the offset of the start of the next line."""
        return self.text.find("\n", offset) + 1 or len(self.text)

    def line_break(self, offset: int) -> str:
        """Return the line break of the line of `offset`, or of the one before it if it is the last."""
        end = self.text.find("\n", offset)
        end = end if end >= 0 else self.text.rfind("\n")
        return "\r\n" if self.text[max(0, end - 1) : end] == "\r" else "\n"

    def closing(self, path: YamlPath) -> int:
        """Return the offset of the closing bracket of the flow collection at `path`."""
        children = self.children(path)
        end = (
            self.node(children[-1]).end if children else self._extent(self.document.spans(path)[0]).start + 1
        )
        between = _BETWEEN.match(self.text, end)
        assert between is not None
        if self.text[between.end() : between.end() + 1] not in ("}", "]"):
            raise UnsafeChangeError("its end was not found")
        return between.end()

    def _collection(self, path: YamlPath, first: Span) -> Extent:
        if self.is_flow(path):
            return Extent(self._extent(first).start, self.closing(path) + 1)
        children = self.children(path)
        return Extent(self.entry(children[0]).start, self.node(children[-1]).end)

    def _has_key(self, path: YamlPath) -> bool:
        return bool(path) and isinstance(path[-1], str)

    def _after_colon(self, offset: int) -> int:
        colon = re.compile(r"\s*:").match(self.text, offset)
        return colon.end() if colon else offset

    def _extent(self, span: Span) -> Extent:
        start = self._starts[span.line - 1]
        return Extent(start + span.column - 1, min(start + span.end_column - 1, len(self.text)))
