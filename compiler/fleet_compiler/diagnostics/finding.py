"""A finding of a check, before it gets a position in the text."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from fleet_compiler.diagnostics.diagnostic import Severity

YamlPath: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead to a part of a YAML file; a list item may be named by its text."""


class RelatedPart(msgspec.Struct, frozen=True):
    """A second part of the file that a finding refers to."""

    path: YamlPath
    message: str
    key: bool = False


class Finding(msgspec.Struct, frozen=True):
    """A problem of the value at `path`, or with `key` of its key; `help` is the remedy.

    `Document.locate` converts it to a `Diagnostic` with a position in the text.
    """

    code: str
    path: YamlPath
    message: str
    help: str | None = None
    severity: Severity = "error"
    key: bool = False
    related: tuple[RelatedPart, ...] = ()
