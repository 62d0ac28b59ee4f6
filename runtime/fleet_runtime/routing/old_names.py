"""The old names that fleet.yaml accepts, and which of them a model name uses. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.routing.model_id import without_namespace

OldNameKind = Literal["alias", "formerly", "namespace"]


class OldName(msgspec.Struct, frozen=True):
    """A name that is accepted for clients that still use it.

    `kind` is its place in fleet.yaml: `aliases`, `formerly` of a provider, or `namespaces`.
    """

    kind: OldNameKind
    name: str


def accepted_names(table: RoutingTable) -> dict[OldName, str | None]:
    """Map every old name of a table to its meaning: an id, a provider, or None for a prefix that is
    removed."""
    found: dict[OldName, str | None] = {OldName("alias", name): id for name, id in table.aliases.items()}
    former = {name: provider for name, provider in table.names.items() if name != provider}
    found |= {OldName("formerly", name): provider for name, provider in former.items()}
    return found | {OldName("namespace", name): None for name in table.namespaces}


def names_used(table: RoutingTable, text: str) -> Iterator[OldName]:
    """Yield the old names that `resolve_model` uses for a model name that is not pinned to a provider."""
    if text.startswith("@"):
        return
    rest = without_namespace(table.namespaces, text)
    if rest != text:
        yield OldName("namespace", text.partition("/")[0])
    target = table.aliases.get(rest)
    if target is not None:
        yield OldName("alias", rest)
    head, slash, _ = (rest if target is None else target).partition("/")
    if slash and table.names.get(head, head) != head:
        yield OldName("formerly", head)
