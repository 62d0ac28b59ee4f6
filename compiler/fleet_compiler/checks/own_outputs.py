"""Checks of `outputs`: the location of templates, and reserved names in generated/."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import PurePosixPath, PureWindowsPath

from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.finding import Finding
from fleet_compiler.files import comparable_path, path_problem
from fleet_runtime.text import quote


def check(fleet: FleetConfig, taken: MutableMapping[tuple[str, ...], str]) -> Iterator[Finding]:
    """Yield the problems of `outputs`; `taken` maps paths to their writers, and is extended by those of
    `outputs`."""
    for index, output in enumerate(fleet.outputs):
        if not _is_inside(output.template):
            message = f"template {quote(output.template)} is not a path below the folder of fleet.yaml"
            remedy = "write a relative path without '..', like templates/hosts.j2"
            yield Finding("F217", ("outputs", index, "template"), message, remedy)
        at = ("outputs", index, "path")
        if problem := path_problem(output.path):
            yield Finding("F213", at, f"{quote(output.path)} {problem[0]}", problem[1])
            continue
        parts = comparable_path(output.path)
        other = next((known for known in taken if _clash(parts, known)), None)
        if other is not None:
            owner = taken[other]
            who = f"{owner} writes it" if owner else "it is a file that fleet itself generates"
            message = f"{quote(output.path)} cannot be written: {who}"
            yield Finding("F213", at, message, "choose another path")
        else:
            taken[parts] = f"outputs[{index}]"


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    absolute = path.startswith(("/", "~")) or PureWindowsPath(path).is_absolute()
    return not absolute and ".." not in parts and path.isprintable() and not path.endswith("/")


def _clash(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two paths are one, or one is a folder of the other."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]
