"""Composite ids: ``<provider>/<model>``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import NamedTuple

MAX_ID_BYTES = 512
PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DOT_SEGMENTS = frozenset((".", ".."))
_JOINERS = "\u200c\u200d"
"""Format characters (category Cf) that are used in words of some scripts and in some emoji."""


class CompositeId(NamedTuple):
    """One model of one provider; ``model`` is the provider's own id and may contain anything."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


def split_id(text: str) -> CompositeId | None:
    """Split at the first slash; None if there is no slash. The id need not exist."""
    provider, slash, model = text.partition("/")
    return CompositeId(provider, model) if slash else None


def without_namespace(namespaces: Collection[str], text: str) -> str:
    """Return `text` without its first part, if that is one of the `namespaces`."""
    head, slash, rest = text.partition("/")
    return rest if slash and head in namespaces else text


def model_id_problem(model: str, provider: str = "") -> str | None:
    """Return why `model` cannot be a model's id on `provider`, to follow the id in a sentence; None if it
    can."""
    if not model:
        return "is empty"
    try:
        size = len(model.encode()) + (len(provider) + 1 if provider else 0)
    except UnicodeEncodeError:
        return "is not valid unicode"
    if size > MAX_ID_BYTES:
        return f"is longer than {MAX_ID_BYTES} bytes"
    if _CONTROL.search(model):
        return "contains a control character"
    if _has_format_character(model):
        return "contains an invisible character, or one that changes the direction of text"
    if _has_dot_segment(model):
        return "contains a '.' or '..' path segment"
    return None


def model_id_remedy(model: str) -> str | None:
    """Return the remedy for an id that is a relative path, as in the lists of older llama-servers with ``-m
    ../x.gguf``; else None."""
    if not _has_dot_segment(model):
        return None
    file = model.rpartition("/")[2].removesuffix(".gguf")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file).strip("-.") or "NAME"
    return (
        f"start its server with `--alias {name}`, or write `models: {{{name}: {{}}}}` and `unlisted: forward`"
    )


def _has_format_character(model: str) -> bool:
    return not model.isprintable() and any(
        unicodedata.category(character) == "Cf" and character not in _JOINERS for character in model
    )


def _has_dot_segment(model: str) -> bool:
    return not _DOT_SEGMENTS.isdisjoint(model.split("/"))
