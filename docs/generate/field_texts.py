"""Read the texts and examples of a model's fields from its source.

The texts are read from the source here rather than by pydantic (``use_attribute_docstrings``), which would
cost every command 15 ms.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


def field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return the string under each field of `model`, those of its bases included."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part is not BaseModel:
            found |= _texts_of_module(part.__module__).get(part.__name__, {})
    return found


@cache
def _texts_of_module(module: str) -> dict[str, dict[str, str]]:
    """Return the string under each field of each class in a module."""
    body = ast.parse(inspect.getsource(sys.modules[module])).body
    return {node.name: dict(_described(node.body)) for node in body if isinstance(node, ast.ClassDef)}


def _described(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, below in pairwise(body):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                yield field, " ".join(text.split())
