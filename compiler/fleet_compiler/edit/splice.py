"""Turn one edit into splices of the text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.edit.changes import AddEntry, AddItem, Change, Delete, RenameKey, SetValue
from fleet_compiler.edit.layout import Extent, Layout, UnsafeChangeError
from fleet_compiler.edit.scalars import write_text, write_value

_REST_OF_LINE = re.compile(r" *(?P<comma>,?) *(?:(?<=[ ,])#[^\n]*)?\r?(?:\n|\Z)")
"""Matches what may follow the last item on a line of a flow collection."""
_COMMA = re.compile(r"\s*, *(?:\r?\n *)?")
_CLOSING = re.compile(r" *(?:\r?\n\s*)?[}\]]")


@dataclass(frozen=True, slots=True)
class Splice:
    """Replaces the characters of `extent` by `text`."""

    extent: Extent
    text: str

    def apply(self, text: str) -> str:
        """Return `text` with the splice applied."""
        return text[: self.extent.start] + self.text + text[self.extent.end :]


def splice_change(layout: Layout, change: Change) -> list[Splice]:
    """Return the splices of `change`, which do not overlap; raises `UnsafeChangeError`."""
    match change:
        case SetValue():
            return [_set_value(layout, change)]
        case RenameKey():
            key = layout.key(change.path)
            flow = layout.is_flow(change.path[:-1])
            return [Splice(key, write_text(change.key, flow=flow, like=layout.raw(key)))]
        case AddEntry():
            flow = layout.is_flow(change.path)
            like = "".join(layout.raw(layout.key(child)) for child in layout.children(change.path)[-1:])
            key_text = write_text(change.key, flow=flow, like=like)
            written = write_value(change.value, flow=flow, like=like, like_key=like)
            return _append(layout, change.path, f"{key_text}: {written}")
        case AddItem():
            flow = layout.is_flow(change.path)
            like = "".join(layout.raw(layout.node(child)) for child in layout.children(change.path)[-1:])
            text = write_text(change.value, flow=flow, like=like)
            return _append(layout, change.path, text if flow else f"- {text}")
        case Delete():
            return _delete(layout, change.path)


def _set_value(layout: Layout, change: SetValue) -> Splice:
    path = change.path
    if not layout.is_on_one_line(path):
        raise UnsafeChangeError("its value spans several lines")
    node = layout.node(path)
    flow = any(layout.is_flow(path[:depth]) for depth in range(len(path)))
    like_key = layout.raw(layout.key(path)) if isinstance(path[-1], str) else ""
    return Splice(node, write_value(change.value, flow=flow, like=layout.raw(node), like_key=like_key))


def _append(layout: Layout, path: YamlPath, entry: str) -> list[Splice]:
    """Add `entry` after the last one of the collection at `path`."""
    children = layout.children(path)
    if not layout.is_flow(path):
        return [_append_lines(layout, children[-1], entry)]
    if not children:
        start = layout.node(path).start + 1
        return [Splice(Extent(start, start), entry)]
    last = layout.entry(children[-1])
    begin = layout.line_start(last.start)
    indent = layout.text[begin : last.start]
    if indent.strip(" ") or layout.line_start(layout.closing(path)) == layout.line_start(last.end):
        return [Splice(Extent(last.end, last.end), f", {entry}")]
    return _append_flow_line(layout, path, last, indent + entry)


def _append_flow_line(layout: Layout, path: YamlPath, last: Extent, line: str) -> list[Splice]:
    """Add a line to a flow collection with one item per line."""
    after = layout.line_end(last.end)
    has_comma = "," in layout.raw(Extent(last.end, layout.closing(path))).partition("#")[0]
    added = Splice(Extent(after, after), f"{line}{',' if has_comma else ''}{layout.line_break(last.end)}")
    return [added] if has_comma else [Splice(Extent(last.end, last.end), ","), added]


def _append_lines(layout: Layout, last: YamlPath, entry: str) -> Splice:
    """Add a line after a block collection's `last` entry, with the same indentation."""
    lines = layout.lines(last)
    indent = re.match(" *", layout.raw(lines))
    assert indent is not None
    line = indent[0] + entry
    if layout.text[lines.end - 1] != "\n":
        return Splice(Extent(lines.end, lines.end), layout.line_break(lines.start) + line)
    return Splice(Extent(lines.end, lines.end), line + layout.line_break(lines.start))


def _delete(layout: Layout, path: YamlPath) -> list[Splice]:
    parent = path[:-1]
    siblings = layout.children(parent)
    if layout.is_flow(parent):
        return _delete_flow(layout, siblings, siblings.index(path))
    if len(siblings) == 1:
        return [_empty_block(layout, parent, path)]
    lines = layout.lines(path)
    start = lines.start
    if lines.end == len(layout.text) and not layout.text.endswith("\n"):
        start = len(_without_line_break(layout.text[:start]))
    return [Splice(Extent(start, lines.end), "")]


def _empty_block(layout: Layout, parent: YamlPath, only: YamlPath) -> Splice:
    """Write a block collection that loses its last entry as an empty one, on the line of its key."""
    if not parent or not isinstance(parent[-1], str):
        raise UnsafeChangeError("the entry is the only one of the file or of a list")
    lines = layout.lines(only)
    colon = re.compile(r"\s*:").match(layout.text, layout.key(parent).end)
    assert colon is not None
    between = layout.text[colon.end() : lines.start]
    empty = "{}" if isinstance(layout.value(parent), dict) else "[]"
    rest = between if layout.text[lines.end - 1] == "\n" else _without_line_break(between)
    return Splice(Extent(colon.end(), lines.end), f" {empty}{rest}")


def _without_line_break(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _delete_flow(layout: Layout, siblings: list[YamlPath], index: int) -> list[Splice]:
    """Delete an item with an adjacent comma, and its lines if they have nothing else."""
    text, item = layout.text, layout.entry(siblings[index])
    previous = layout.entry(siblings[index - 1]) if index > 0 else None
    following = layout.entry(siblings[index + 1]) if index + 1 < len(siblings) else None
    begin = layout.line_start(item.start)
    before = text[begin : item.start].strip(" ")
    rest = _REST_OF_LINE.match(text, item.end)
    if rest is not None and (not before or (before == "," and not rest["comma"])):
        is_unpaired = not before and not rest["comma"] and following is None and previous is not None
        commas = [_comma_after(layout, siblings[index - 1])] if is_unpaired else []
        return [*commas, Splice(Extent(begin, rest.end()), "")]
    is_end = following is None and _CLOSING.match(text, item.end) is not None
    if previous is not None and is_end and _COMMA.fullmatch(text, previous.end, item.start):
        return [Splice(Extent(previous.end, item.end), "")]
    if following is not None and "\n" not in text[item.end : following.start]:
        return [Splice(Extent(item.start, following.start), "")]
    if previous is not None and "\n" not in text[previous.end : item.start]:
        return [Splice(Extent(previous.end, item.end), "")]
    after = _COMMA.match(text, item.end)
    return [Splice(Extent(item.start, after.end() if after else item.end), "")]


def _comma_after(layout: Layout, path: YamlPath) -> Splice:
    """Delete the comma after a flow collection's item."""
    end = layout.entry(path).end
    comma = re.compile(r"\s*,").match(layout.text, end)
    if comma is None:
        raise UnsafeChangeError("a comment comes before the comma that would be deleted")
    return Splice(Extent(comma.end() - 1, comma.end()), "")
